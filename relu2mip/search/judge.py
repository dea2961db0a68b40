"""What can be said of boxes of the inputs: no plan in one of them costs less than so much.

All boxes of a batch go through the network at once, as zonotopes (`relu2mip.bounds.zonotopes`), and a linear function
below the objective is minimised over each (`relu2mip.bounds.minorant`). Both are certified.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from relu2mip.arrays import Array, Mask
from relu2mip.bounds.hull import Hull
from relu2mip.bounds.minorant import Linear, Minorant
from relu2mip.bounds.zonotopes import Propagation, Zonotopes
from relu2mip.errors import OutOfTime
from relu2mip.passes import specialise
from relu2mip.passes.rewrite import Rewrite
from relu2mip.runtime.deadline import limited
from relu2mip.search.boxes import Boxes
from relu2mip.threads import products_on_one_thread
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import FEASIBLE
from relu2mip.unrolled.problem import Problem

NUMBERS = 1 << 19
"""About as many numbers are in the generators of one value over the boxes that are propagated together."""


@dataclass(frozen=True, eq=False)
class Judged:
    """least (B,): no plan in the box costs less; infinite where it holds none.  scores (B, d): where to cut it.

    inputs, cost: of the best plan met, None where none was.
    """

    least: Array
    scores: Array
    inputs: Mapping[str, Array] | None = None
    cost: float = np.inf

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """All boxes of several, and the best plan of them."""
        best = min(parts, key=lambda part: part.cost)
        least = np.concatenate([part.least for part in parts])
        return cls(least, np.concatenate([part.scores for part in parts]), best.inputs, best.cost)


@dataclass(frozen=True, eq=False)
class Judge:
    """A problem, and what is known of it: lower and upper bounds of every value of its unrolled form.

    It travels to other processes as these alone.
    """

    problem: Problem
    lower: tuple[Array, ...]
    upper: tuple[Array, ...]

    @classmethod
    def of(cls, problem: Problem, bounds: Bounds) -> Judge:
        """Inside bounds that are known already."""
        return cls(problem, bounds.lower, bounds.upper)

    def __getstate__(self) -> dict[str, Any]:
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @cached_property
    def rewrite(self) -> Rewrite:
        """The form without what the bounds decide."""
        return specialise(self.problem.unrolled.form, self.lower, self.upper)

    @cached_property
    def bounds(self) -> Bounds:
        """On the unrolled form of the problem."""
        return Bounds(self.problem.unrolled.form, self.lower, self.upper)

    @cached_property
    def propagation(self) -> Propagation:
        """Forward passes of boxes."""
        return Propagation(self.bounds.select(self.rewrite))

    @cached_property
    def _minorant(self) -> Minorant:
        return Minorant.of(self.problem.unrolled, self.bounds.select(self.rewrite))

    @cached_property
    def levels(self) -> list[Array | None]:
        """Of each free input that takes only listed values, those inside the bounds; None of the others."""
        found: list[Array | None] = []
        low, high = self.propagation.box
        objective = self.problem.unrolled.objective()
        for name, i in self.propagation.form.inputs.items():
            listed = objective.levels(name)
            for unit in self.propagation.free[i][0].tolist():
                values, k = listed[unit], len(found)
                found.append(None if values is None else values[(values >= low[k]) & (values <= high[k])])
        return found

    @property
    def whole(self) -> Boxes:
        """The box of all free inputs; it ends at listed values where there are such."""
        low, high = (side.copy() for side in self.propagation.box)
        for j, listed in enumerate(self.levels):
            if listed is not None and listed.size:
                low[j], high[j] = listed[0], listed[-1]
        return Boxes(low[None], high[None])

    def judged(self, boxes: Boxes, plans: bool = True) -> Judged:
        """Judge boxes. plans: try their middles, and where the function below the objective is least.

        Raises `OutOfTime` where the budget ends first.
        """
        found, batch, at = [], 1, 0
        while at < len(boxes):
            part = boxes[at : at + batch]
            zonotopes, below, held = self._below(part)
            least = np.where(held, below.least, np.inf)
            scores = np.abs(below.slope[:, : part.low.shape[1]])
            spread = zonotopes.influence.any(axis=1, keepdims=True)
            judged = Judged(least, np.where(spread, zonotopes.influence, scores))
            found.append(self._with_plan(judged, part, below) if plans else judged)
            at += len(part)
            batch = int(np.clip(NUMBERS * len(part) // zonotopes.peak, 1, 1024))
        return Judged.joined(found)

    def hull(self, boxes: Boxes) -> tuple[Bounds, int] | None:
        """What holds over all of these boxes, on the whole form, and how many units that leaves undecided.

        None where none of them holds a plan.
        """
        hull, any_held = Hull(self.propagation.form), False
        for k in range(len(boxes)):
            zonotopes, below, held = self._below(boxes[k : k + 1])
            hull.add(zonotopes, below, held)
            any_held |= bool(held.any())
        if not any_held:
            return None
        lower, upper = [list(side) for side in (self.lower, self.upper)]
        for (i, units), low, high in zip(self.rewrite.origin, hull.lower, hull.upper, strict=True):
            chosen = slice(None) if units is None else units
            lower[i], upper[i] = lower[i].copy(), upper[i].copy()
            lower[i][chosen], upper[i][chosen] = np.minimum(low, high), np.maximum(low, high)
        return Bounds(self.bounds.form, tuple(lower), tuple(upper)), hull.undecided(self.propagation.form)

    def _below(self, boxes: Boxes) -> tuple[Zonotopes, Linear, Mask]:
        zonotopes = self.propagation.run(boxes.low, boxes.high)
        if zonotopes is None:
            raise OutOfTime("the time was over before all boxes were judged", None)
        held = (zonotopes.emptied < 0) & ~self._minorant.excluded(zonotopes).any(axis=1)
        return zonotopes, self._minorant.below(zonotopes), held

    def _with_plan(self, judged: Judged, boxes: Boxes, below: Linear) -> Judged:
        objective, half = self.problem.unrolled.objective(), (boxes.high - boxes.low) / 2
        corner = boxes.middle - np.sign(below.slope[:, : half.shape[1]]) * half
        batch = objective.snap(self.propagation.points(np.concatenate([boxes.middle, corner])))
        cost, violation = objective.evaluate(batch)
        cost = np.where(violation <= FEASIBLE, cost, np.inf)
        k = int(cost.argmin())
        if not np.isfinite(cost[k]):
            return judged
        return Judged(judged.least, judged.scores, {name: x[k].copy() for name, x in batch.items()}, float(cost[k]))


def judge_named(name: str, judge: Judge, low: Array, high: Array, seconds: float) -> Judged | None:
    """Judge boxes in any process, with what it has worked out for this name before. None where time was up."""
    if name not in _known:
        _known.clear()
        _known[name] = judge
    try:
        with limited(seconds), products_on_one_thread():
            return _known[name].judged(Boxes(low, high))
    except OutOfTime:
        return None


_known: dict[str, Judge] = {}
"""The judge that this process used last, with all that follows from it."""
