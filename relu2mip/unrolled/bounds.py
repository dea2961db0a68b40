"""Bounds as values: an interval for every unit of every value, and where it came from.

Methods never replace bounds, they intersect with what they were given. A lower bound above its upper bound means that
no point of the sets reaches the unit: `CrossedBounds`, naming unit and step. Bounds that rest on a method that proves
nothing (`data`) are marked unsound, and so is every answer built on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem, UnboundedUnit
from relu2mip.normal_form import Input, NormalForm, Relu
from relu2mip.passes.rewrite import Rewrite
from relu2mip.unrolled import archive
from relu2mip.unrolled.implications import Implications
from relu2mip.unrolled.intersect import intersect
from relu2mip.unrolled.known_rows import KnownRows
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.premises import Premises
from relu2mip.unrolled.problem import Problem
from relu2mip.unrolled.provenance import SETS, Grade, Provenance
from relu2mip.unrolled.tightened import Tightened, better
from relu2mip.unrolled.unrolled import Domain, Unrolled


@dataclass(frozen=True, eq=False)
class Bounds:
    """Lower and upper bounds, one vector a value of `form`, and the methods they came from.

    plan: the best plan that a method found on the way; the search starts from it.  implications: between the phases of
    units.  premises: what they rest on; None: they belong to no problem.  least: what the objective is at least, for
    plans that the bounds hold for.  rows: that hold for these plans, too.

    Bounds are a bound method themselves: where they hold for another problem (`covers`), `compile` takes them as such.
    """

    form: NormalForm
    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
    provenance: tuple[Provenance, ...] = ()
    plan: Plan | None = None
    implications: Implications = field(default_factory=Implications.none)
    premises: Premises | None = None
    least: float = -np.inf
    rows: KnownRows = field(default_factory=KnownRows.none)
    name: ClassVar[str] = "reused"

    @classmethod
    def of(cls, form: NormalForm, domain: Domain) -> Bounds:
        """Only what the problem's boxes say; infinite elsewhere, except that ReLUs are at least 0."""
        lower = [np.full(v.size, 0.0 if isinstance(v, Relu) else -np.inf) for v in form.values]
        upper = [np.full(v.size, np.inf) for v in form.values]
        for i, (low, high) in domain.items():
            lower[i], upper[i] = low, high
        return cls(form, tuple(lower), tuple(upper), (Provenance(SETS, Grade.CERTIFIED),))

    @property
    def grade(self) -> Grade:
        """How far they can be relied on: as far as the weakest method that took part."""
        return Grade.worst(p.grade for p in self.provenance)

    @property
    def sound(self) -> bool:
        """Whether they are certified or trusted."""
        return self.grade is not Grade.UNSOUND

    @property
    def unstable(self) -> int:
        """How many ReLUs they leave undecided."""
        inputs = [value.input for value in self.form.values if isinstance(value, Relu)]
        return sum(int(((self.lower[k] < 0) & (self.upper[k] > 0)).sum()) for k in inputs)

    @property
    def cutoff(self) -> float | None:
        """The bounds hold only for plans with at most this objective; None: for all."""
        return min((p.cutoff for p in self.provenance if p.cutoff is not None), default=None)

    def joined(self, found: Tightened, *by: Provenance) -> Bounds:
        """With what a method found that started from these; nothing that is known is lost."""
        return replace(
            self,
            lower=found.lower,
            upper=found.upper,
            provenance=(*self.provenance, *found.steps, *by),
            plan=better(self.plan, found.plan),
            implications=Implications.joined([self.implications, found.implications]),
            least=max(self.least, found.least),
            rows=found.rows if found.rows.size else self.rows,
        )

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
        ours = unrolled.rests_on(self.premises.exact)
        assert ours is not None
        reason = self.premises.differing(ours.facts) or self.premises.outside(ours.boxes, unrolled.form)
        if reason and self.premises.exact:
            return (
                f"{reason}, and bounds with a cutoff hold for one problem alone: for its plans of cost "
                f'{self.cutoff:g} or less; compute bounds to reuse without one, as in "crown+lp"'
            )
        return f"{reason}, where the bounds were computed; compute bounds for this problem" if reason else ""

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """Intersect the given bounds with these; raises `InvalidProblem` where these do not hold."""
        if reason := self.why_not(unrolled):
            raise InvalidProblem(f"these bounds cannot be reused: {reason}")
        news = zip(self.lower, self.upper, strict=True)
        sides = [intersect(bounds.form, i, bounds.lower, bounds.upper, new) for i, new in enumerate(news)]
        lower, upper = zip(*sides, strict=True)
        plan = self.plan if self.premises is not None and self.premises.exact else None
        known = Tightened(tuple(lower), tuple(upper), plan, self.cutoff, self.implications)
        return replace(known, least=self.least, rows=self.rows)

    def save(self, path: str | Path) -> Path:
        """Write an .npz file, to be read by `load` or the bound method `file`; raises `InvalidProblem`.

        Only bounds of a whole problem can be saved: `compiled.all_bounds`.
        """
        if self.premises is None:
            raise InvalidProblem(
                "these bounds are those of a form that was rewritten or made by hand, and belong to no problem; "
                "save compiled.all_bounds"
            )
        plan = self.plan if self.premises.exact else None
        vectors = archive.Vectors(self.lower, self.upper, self.implications, plan)
        return archive.save(path, self.form, self.premises, self.provenance, vectors)

    @classmethod
    def load(cls, path: str | Path, problem: Problem | Unrolled) -> Bounds:
        """Read bounds written by `save`; raises `InvalidProblem` saying why they do not hold for this problem."""
        unrolled = problem if isinstance(problem, Unrolled) else problem.unrolled
        file = archive.read(path)
        ours = unrolled.rests_on(file.premises.exact)
        if reason := "a form made by hand" if ours is None else file.premises.differing(ours.facts):
            raise InvalidProblem(f"{path} holds bounds of another problem ({reason}); compute bounds for this one")
        premises, known = file.restored(unrolled.form)
        bounds = cls(
            unrolled.form,
            known.lower,
            known.upper,
            file.provenance,
            plan=known.plan,
            implications=known.implications,
            premises=premises,
        )
        if reason := bounds.why_not(unrolled):
            raise InvalidProblem(f"{path}: {reason}")
        return bounds

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
