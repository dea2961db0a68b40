"""The result of a bound method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf

from relu2mip.arrays import Array
from relu2mip.unrolled.implications import Implications
from relu2mip.unrolled.known_rows import KnownRows
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.provenance import Provenance


@dataclass(frozen=True, eq=False)
class Tightened:
    """Bounds at least as tight as those a method was given, and what else it found; `Bounds.joined` takes it in.

    lower, upper: one vector a value of the form.  plan: the best plan it met, None for none.  cutoff: the bounds hold
    only for plans with at most this objective, as the model minimises it; None: for all.  implications: those it
    proved.  detail: what it counted on the way.  steps: where what it read comes from.  least: a lower bound of the
    objective that it proved.  rows: that hold for the same plans.
    """

    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
    plan: Plan | None = None
    cutoff: float | None = None
    implications: Implications = field(default_factory=Implications.none)
    detail: Mapping[str, float] = field(default_factory=dict)
    steps: tuple[Provenance, ...] = ()
    least: float = -inf
    rows: KnownRows = field(default_factory=KnownRows.none)

    def then(self, more: Tightened) -> Tightened:
        """Both, where the second started from the first."""
        return replace(
            more,
            plan=better(self.plan, more.plan),
            cutoff=min((c for c in (self.cutoff, more.cutoff) if c is not None), default=None),
            implications=Implications.joined([self.implications, more.implications]),
            detail={**self.detail, **more.detail},
            steps=(*self.steps, *more.steps),
            least=max(self.least, more.least),
            rows=more.rows if more.rows.size else self.rows,
        )


def better(one: Plan | None, other: Plan | None) -> Plan | None:
    """The better of two plans."""
    return other if other is not None and other.better_than(one) else one
