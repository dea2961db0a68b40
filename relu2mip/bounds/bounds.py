"""Bounds as values: an interval for every unit of every value, and where it came from.

Methods never replace bounds, they intersect with what they were given. A lower bound above its upper bound means that
no point of the sets reaches the unit: `CrossedBounds`, naming unit and step. Bounds that rest on a method that proves
nothing (`data`) are marked unsound, and so is every answer built on them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeAlias

import numpy as np

from relu2mip.arrays import Array
from relu2mip.bounds.implications import Implications
from relu2mip.errors import CrossedBounds, UnboundedUnit
from relu2mip.normal_form import Input, NormalForm, Relu
from relu2mip.normal_form.unrolled import Unrolled
from relu2mip.passes.rewrite import Rewrite

if TYPE_CHECKING:
    from relu2mip.incumbent.plan import Plan

Domain: TypeAlias = "Mapping[int, tuple[Array, Array]]"
"""Boxes that the problem gives for some values: its inputs, and the states between steps."""

CROSSING = 1e-9
"""Relative crossing of two bounds that counts as rounding, not as infeasibility."""


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
    a method found on the way; the search starts from it.  implications: between the phases of units.
    """

    form: NormalForm
    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
    provenance: tuple[Provenance, ...] = ()
    detail: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None
    plan: Plan | None = None
    implications: Implications = field(default_factory=Implications.none)

    @classmethod
    def of(cls, form: NormalForm, domain: Domain) -> Bounds:
        """Only what the problem's boxes say; infinite elsewhere, except that ReLUs are at least 0."""
        lower = [np.full(v.size, 0.0 if isinstance(v, Relu) else -np.inf) for v in form.values]
        upper = [np.full(v.size, np.inf) for v in form.values]
        for i, (low, high) in domain.items():
            lower[i], upper[i] = low, high
        return cls(form, tuple(lower), tuple(upper), (Provenance("sets", True),))

    @property
    def sound(self) -> bool:
        """Whether every method that took part proves what it says."""
        return all(p.sound for p in self.provenance)

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
        places = {}
        for new, (old, units) in enumerate(rewrite.origin):
            if isinstance(rewrite.form.values[new], Relu):
                numbers = range(rewrite.form.values[new].size) if units is None else units.tolist()
                places |= {(old, unit): (new, k) for k, unit in enumerate(numbers)}
        return self.implications.moved(places)

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
    sound: ClassVar[bool]

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        """Bounds at least as tight as the given ones; provenance is added by the caller."""
        ...


def intersect(form: NormalForm, i: int, old: tuple[Array, Array], new: tuple[Array, Array]) -> tuple[Array, Array]:
    """The intersection of two intervals of value i; raises `CrossedBounds` where it is empty beyond rounding."""
    lower, upper = np.maximum(old[0], new[0]), np.minimum(old[1], new[1])
    crossed = lower > upper
    if crossed.any():
        # A gap is judged on the size of the numbers that went into it, not of what is left of them.
        scale = np.maximum(1.0, np.maximum(np.abs(lower), np.abs(upper)))
        real = lower - upper > CROSSING * scale
        if real.any():
            unit = int(np.flatnonzero(real)[0])
            place = form.values[i].place
            raise CrossedBounds(
                f"{place.name(unit)}: nothing in [{old[0][unit]:g}, {old[1][unit]:g}] can be reached, "
                f"its value lies in [{new[0][unit]:g}, {new[1][unit]:g}]; widen the sets before this step, "
                "or the initial state"
            )
        lower, upper = np.minimum(lower, upper), np.maximum(lower, upper)
    return lower, upper


def compute_bounds(unrolled: Unrolled, methods: Sequence[BoundMethod]) -> Bounds:
    """Bounds by the methods in order, each intersected with those before; all finite.

    Raises `UnboundedUnit` and `CrossedBounds`.
    """
    bounds = Bounds.of(unrolled.form, unrolled.domain)
    for method in methods:
        begun = time.perf_counter()
        tighter = method.tighten(unrolled, bounds)
        seconds = time.perf_counter() - begun
        note = Provenance(str(method), method.sound, seconds, tighter.detail, tighter.limit)
        plan = tighter.plan or bounds.plan
        implications = tighter.implications if tighter.implications.size else bounds.implications
        provenance = (*bounds.provenance, note)
        bounds = replace(tighter, provenance=provenance, detail={}, limit=None, plan=plan, implications=implications)
    return bounds.finite()
