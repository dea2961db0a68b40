"""Bounds as values: an interval for every unit of every value, and where it came from.

Methods never replace bounds, they intersect with what they were given. A lower bound above its upper bound means that
no point of the sets reaches the unit: `CrossedBounds`, naming unit and step. Bounds that rest on a method that proves
nothing (`data`) are marked unsound, and so is every answer built on them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import CrossedBounds, InvalidProblem, UnboundedUnit
from relu2mip.normal_form import Input, NormalForm, Relu
from relu2mip.passes.rewrite import Rewrite
from relu2mip.runtime.progress import report
from relu2mip.unrolled.implications import Implications
from relu2mip.unrolled.premises import Premises
from relu2mip.unrolled.rounding import crossings
from relu2mip.unrolled.unrolled import Unrolled

if TYPE_CHECKING:
    from relu2mip.pipeline.compiled import Problem
    from relu2mip.unrolled.plan import Plan

Domain: TypeAlias = "Mapping[int, tuple[Array, Array]]"
"""Boxes that the problem gives for some values: its inputs, and the states between steps."""

SETS = "sets"
"""The provenance of what the boxes of the problem say."""


@dataclass(frozen=True)
class Provenance:
    """One method that took part: its name with options, whether what it says is proven, and its seconds.

    detail: what it counted on the way, by name. cutoff: its bounds hold only for plans with at most this objective (as
    the model minimises it); None: for all.
    """

    method: str
    sound: bool
    seconds: float = 0.0
    detail: Mapping[str, float] = field(default_factory=dict)
    cutoff: float | None = None


@dataclass(frozen=True, eq=False)
class Bounds:
    """Lower and upper bounds, one vector a value of `form`, and the methods they came from.

    detail, limit: what the last method leaves for its provenance, as its detail and cutoff.  plan: the best plan that
    a method found on the way; the search starts from it.  implications: between the phases of units.  premises: what
    they rest on; None: they belong to no problem.

    Bounds are a bound method themselves: where they hold for another problem (`covers`), `compile` takes them as such.
    """

    form: NormalForm
    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
    provenance: tuple[Provenance, ...] = ()
    detail: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    plan: Plan | None = None
    implications: Implications = field(default_factory=Implications.none)
    premises: Premises | None = None
    name: ClassVar[str] = "reused"

    @classmethod
    def of(cls, form: NormalForm, domain: Domain) -> Bounds:
        """Only what the problem's boxes say; infinite elsewhere, except that ReLUs are at least 0."""
        lower = [np.full(v.size, 0.0 if isinstance(v, Relu) else -np.inf) for v in form.values]
        upper = [np.full(v.size, np.inf) for v in form.values]
        for i, (low, high) in domain.items():
            lower[i], upper[i] = low, high
        return cls(form, tuple(lower), tuple(upper), (Provenance(SETS, True),))

    @property
    def sound(self) -> bool:
        """Whether every method that took part proves what it says."""
        return all(p.sound for p in self.provenance)

    @property
    def unstable(self) -> int:
        """How many ReLUs they leave undecided."""
        inputs = [value.input for value in self.form.values if isinstance(value, Relu)]
        return sum(int(((self.lower[k] < 0) & (self.upper[k] > 0)).sum()) for k in inputs)

    @property
    def cutoff(self) -> float | None:
        """The bounds hold only for plans with at most this objective; None: for all."""
        limits = [c for c in (self.limit, *(p.cutoff for p in self.provenance)) if c is not None]
        return min(limits, default=None)

    def select(self, rewrite: Rewrite) -> Bounds:
        """The bounds of the same units in a rewritten form."""
        lower = tuple(self.lower[i] if units is None else self.lower[i][units] for i, units in rewrite.origin)
        upper = tuple(self.upper[i] if units is None else self.upper[i][units] for i, units in rewrite.origin)
        return Bounds(rewrite.form, lower, upper, self.provenance, implications=self._moved(rewrite))

    def _moved(self, rewrite: Rewrite) -> Implications:
        if not self.implications.size:
            return self.implications
        places: dict[tuple[int, int], tuple[int, int]] = {}
        for new, (old, units) in enumerate(rewrite.origin):
            if isinstance(rewrite.form.values[new], Relu):
                numbers = range(rewrite.form.values[new].size) if units is None else units.tolist()
                places |= {(old, unit): (new, k) for k, unit in enumerate(numbers)}
        return self.implications.moved(places)

    def covers(self, problem: Problem) -> bool:
        """Whether they hold for this problem; see `why_not`."""
        return not self.why_not(problem.unrolled)

    def why_not(self, problem: Problem | Unrolled) -> str:
        """Why they do not hold for this problem, "" if they do.

        They hold for the same network, horizon, rows and so on, and boxes (of the initial state above all) inside those
        they were computed for; with a cutoff, for the very same problem alone.
        """
        unrolled = problem if isinstance(problem, Unrolled) else problem.unrolled
        if self.premises is None or unrolled.premises is None:
            return "bounds of a form that was rewritten or made by hand belong to no problem; take compiled.all_bounds"
        ours = Premises.of(unrolled, self.premises.exact)
        assert ours is not None
        reason = self.premises.differing(ours.facts) or self.premises.outside(ours.boxes, unrolled.form)
        if reason and self.premises.exact:
            return (
                f"{reason}, and bounds with a cutoff hold for one problem alone: for its plans of cost "
                f'{self.cutoff:g} or less; compute bounds to reuse without one, as in "crown+lp"'
            )
        return f"{reason}, where the bounds were computed; compute bounds for this problem" if reason else ""

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        """Intersect the given bounds with these; raises `InvalidProblem` where these do not hold."""
        if reason := self.why_not(unrolled):
            raise InvalidProblem(f"these bounds cannot be reused: {reason}")
        news = zip(self.lower, self.upper, strict=True)
        sides = [intersect(bounds.form, i, bounds.lower, bounds.upper, new) for i, new in enumerate(news)]
        lower, upper = zip(*sides, strict=True)
        plan = self.plan if self.premises is not None and self.premises.exact else None
        return replace(bounds, lower=lower, upper=upper, limit=self.cutoff, plan=plan, implications=self.implications)

    def save(self, path: str | Path) -> Path:
        """Write an .npz file, to be read by `load` or the bound method `file`; raises `InvalidProblem`.

        Only bounds of a whole problem can be saved: `compiled.all_bounds`.
        """
        from relu2mip.bounds.file import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path, problem: Problem) -> Bounds:
        """Read bounds written by `save`; raises `InvalidProblem` saying why they do not hold for this problem."""
        from relu2mip.bounds.file import load

        return load(path, problem.unrolled)

    def __str__(self) -> str:
        return f"{self.name}({'+'.join(p.method for p in self.provenance if p.method != SETS)})"

    def finite(self) -> Bounds:
        """Itself. Raises `UnboundedUnit` for the first unit without finite bounds."""
        for value, lower, upper in zip(self.form.values, self.lower, self.upper, strict=True):
            bad = ~(np.isfinite(lower) & np.isfinite(upper))
            if bad.any():
                unit = int(np.flatnonzero(bad)[0])
                what = "input" if isinstance(value, Input) else "unit"
                raise UnboundedUnit(
                    f"{what} {value.place.name(unit)} has bounds [{lower[unit]:g}, {upper[unit]:g}]; "
                    "give finite boxes for the states and controls it depends on"
                )
        return self


class BoundMethod(Protocol):
    """A frozen dataclass of a method's options. See docs/extending/add-a-bound-method.md."""

    name: ClassVar[str]

    @property
    def sound(self) -> bool:
        """Whether nothing can lie outside what it says; a class attribute where it does not depend on options."""
        ...

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        """Bounds at least as tight as the given ones; provenance is added by the caller."""
        ...


def intersect(
    form: NormalForm, i: int, lower: Sequence[Array], upper: Sequence[Array], new: tuple[Array, Array]
) -> tuple[Array, Array]:
    """The intersection of the bounds of value i with new ones; raises `CrossedBounds` where it is empty.

    lower, upper: of all values up to i, which say what rounding can do (`relu2mip.unrolled.rounding`).
    """
    low, high = np.maximum(lower[i], new[0]), np.minimum(upper[i], new[1])
    if (low > high).any():
        real = low - high > crossings(form, lower, upper, i + 1)[i]
        if real.any():
            unit = int(np.flatnonzero(real)[0])
            short = float(low[unit] - high[unit])
            raise CrossedBounds(
                f"{form.values[i].place.name(unit)}: nothing in [{lower[i][unit]:g}, {upper[i][unit]:g}] can be "
                f"reached, its value lies in [{new[0][unit]:g}, {new[1][unit]:g}], it misses its set by {short:.3g}; "
                "widen the sets before this step, or the initial state"
            )
        low, high = np.minimum(low, high), np.maximum(low, high)
    return low, high


def compute_bounds(unrolled: Unrolled, methods: Sequence[BoundMethod]) -> Bounds:
    """Bounds by the methods in order, each intersected with those before; all finite.

    Raises `UnboundedUnit` and `CrossedBounds`.
    """
    bounds = Bounds.of(unrolled.form, unrolled.domain)
    for method in methods:
        begun = time.perf_counter()
        report(f"bounds: {method}")
        tighter = method.tighten(unrolled, bounds)
        seconds = time.perf_counter() - begun
        note = Provenance(str(method), method.sound, seconds, tighter.detail, tighter.limit)
        plan = tighter.plan or bounds.plan
        implications = tighter.implications if tighter.implications.size else bounds.implications
        provenance = (*bounds.provenance, *tighter.provenance[len(bounds.provenance) :], note)
        bounds = replace(tighter, provenance=provenance, detail={}, limit=None, plan=plan, implications=implications)
    bounds = bounds.finite()
    return replace(bounds, premises=Premises.of(unrolled, exact=bounds.cutoff is not None))
