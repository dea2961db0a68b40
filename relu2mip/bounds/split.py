"""Branch and bound over the inputs, with zonotopes in place of linear programs; bounds are the hull of what is left.

A problem over a horizon has hundreds of units but few free inputs: its controls. A box of them, a *cell*, that is small
enough leaves hardly any unit undecided. So

    repeat: propagate all cells at once (`relu2mip.bounds.zonotopes`);
            drop those that leave a set, or whose objective is above the cost U of a known plan everywhere
            (`relu2mip.bounds.minorant`), and cut the others down to where it need not be;
            halve each cell across the input that spreads undecided units most,

until few units are undecided over all cells together, no cell has a width, the cells outgrow their limit, or time is
up. Every plan of cost at most U lies in a cell that is left, so the hull of a unit's intervals over them bounds it;
with U as the cutoff that holds for those plans alone (`Provenance.cutoff`). Better plans met in the cells lower U.

The number of cells grows exponentially with the free inputs: good for up to about six of them (or as many discrete ones
as have some thousand combinations), where it often leaves next to no search to the solver; hopeless for many.

Source: Wang, Pei, Whitehouse, Yang, Jana, "Formal Security Analysis of Neural Networks using Symbolic Intervals"
(USENIX Security 2018), for splitting by influence; for branch and bound over boxes with contraction, Hansen, Walster,
"Global Optimization Using Interval Analysis" (2004).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Index, Mask
from relu2mip.bounds.cells import Cells
from relu2mip.bounds.crown import Crown
from relu2mip.bounds.cutoff import above
from relu2mip.bounds.hull import Hull
from relu2mip.bounds.minorant import Linear, Minorant
from relu2mip.bounds.walk import returned
from relu2mip.bounds.zonotopes import Propagation
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.improve import improve
from relu2mip.incumbent.sample import Sampling
from relu2mip.options import Part, settle
from relu2mip.passes import specialise
from relu2mip.runtime.deadline import expired, limited, now, seconds_left
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import FEASIBLE, Plan
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)

BATCH = 1 << 19
"""About as many numbers are in the generators of one value over a batch of cells."""

BETTER = 1e-4
"""A plan from a cell that is better by this, relative to the cost and to how much costs differ, is polished."""

PATIENCE, MOVED = 12, 1e-3
"""The search ends after so many rounds that decided no unit and moved the least objective by less, relatively."""


@dataclass(frozen=True)
class Split(Part):
    """Branch and bound over the inputs.

    cells: most cells of a round.  few: undecided units at which it ends.  budget: seconds.  cutoff: look for a plan and
    drop what is worse; without it the bounds hold for all plans and can be reused.  seed: of the sampling.
    """

    cells: int = 8192
    few: int = 20
    budget: float = 10.0
    cutoff: bool = True
    seed: int = 0
    name: ClassVar[str] = "split"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        if self.cells < 2 or not self.budget > 0 or min(self.few, self.seed) < 0:
            raise InvalidOption("split: cells must be at least 2, budget positive, few and seed at least 0")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """See the module's text. Raises `CrossedBounds` where no cell keeps all sets."""
        with limited(self.budget):
            return self._tighten(unrolled, bounds)

    def _tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:

        begun, known = now(), bounds.plan
        first = Crown().tighten(unrolled, bounds)
        if expired():
            return replace(first, detail={"cells": 0, "open": 0, "plan": 0})
        bounds = bounds.joined(first)
        carrying, plan = now() - begun, known if self.cutoff else None
        if self.cutoff and (known is None or not known.feasible):
            plan = find_plan(unrolled, bounds, Sampling(seed=self.seed), known, seconds_left())
        search = _Search(unrolled, bounds, plan if plan is not None and plan.feasible else None)
        with limited(seconds_left() - carrying):
            hull = search.run(self)
        detail = {"cells": search.visited, "open": search.open, "plan": int(search.plan is not None)}
        if hull is None:
            return replace(first, detail=detail, plan=search.plan)
        tighter = returned(bounds, search.rewrite, hull.lower, hull.upper)
        limit = None if search.plan is None else search.limit
        least = min(hull.least, search.limit)
        return replace(Crown().tighten(unrolled, tighter), detail=detail, plan=search.plan, cutoff=limit, least=least)


class _Search:
    """The search: the cells that are left, the best plan, and the limit that its cost sets."""

    def __init__(self, unrolled: Unrolled, bounds: Bounds, plan: Plan | None) -> None:
        self.unrolled, self.bounds, self.plan = unrolled, bounds, plan
        self.rewrite = specialise(unrolled.form, bounds.lower, bounds.upper)
        self.propagation = Propagation(bounds.select(self.rewrite))
        self.minorant = Minorant.of(unrolled, bounds.select(self.rewrite))
        self.objective = unrolled.objective()
        self.halves: Cells
        self.excluding: set[str] = set()
        self.visited = self.open = 0
        self.batch = 1

    @property
    def limit(self) -> float:
        """The objective above which nothing is of interest."""
        if self.plan is None:
            return np.inf
        return above(self.unrolled, self.plan.cost)

    def run(self, options: Split) -> Hull | None:
        """The hull over the cells that are left after the last whole round; None without one.

        Raises `CrossedBounds` where none is left and no plan says that one should be.
        """
        inputs, free = self.propagation.form.inputs, self.propagation.free
        levels = [self.objective.levels(name)[k] for name, i in inputs.items() for k in free[i][0]]
        cells = Cells.of(*self.propagation.box, levels)
        hull, history = None, [(np.inf, -np.inf)]
        while len(cells) <= options.cells and not _stalled(history):
            found = self._round(cells)
            if found is None:
                break
            if not self.open:
                self._contradict()
                return None
            last = not cells.wide
            hull, cells = found, self.halves
            undecided = hull.undecided(self.propagation.form)
            log.info("split: %d cells, %d units undecided, objective from %g", self.open, undecided, hull.least)
            history.append((undecided, hull.least))
            if undecided <= options.few or last:
                break
        return hull

    def _round(self, cells: Cells) -> Hull | None:
        """Judge every cell; the hull of those that stay open, whose `halves` come next. None if time is up."""
        hull, halves, known = Hull(self.propagation.form), [cells.select(slice(0))], self.plan
        at, opened = 0, 0
        while at < len(cells):
            batch = cells.select(slice(at, at + self.batch))
            boxes = self.propagation.run(batch.low, batch.high)
            if boxes is None:
                return None
            below = self.minorant.below(boxes)
            self._try(batch, below)
            empty, broken = boxes.emptied >= 0, self.minorant.excluded(boxes)
            self._note(boxes.emptied[empty], np.asarray(broken.any(axis=0)))
            kept = ~(empty | broken.any(axis=1)) & (below.least <= self.limit)
            hull.add(boxes, below, kept)
            slope = np.abs(below.slope[:, : batch.low.shape[1]])
            scores = np.where(boxes.influence.any(axis=1, keepdims=True), boxes.influence, slope)
            smaller = batch.under(below.constant, below.slope, self.limit)
            halves.append(smaller.select(kept).halved(scores[kept]))
            at, opened, self.visited = at + len(batch), opened + int(kept.sum()), self.visited + len(batch)
            self.batch = int(np.clip(BATCH * len(batch) // boxes.peak, 1, 1024))
        self.open, self.halves = opened, Cells.joined(halves)
        self._improve(known)
        return hull

    def _note(self, values: Index, rows: Mask) -> None:
        """Remember which values and constraints left cells empty, for the words of `_contradict`."""
        self.excluding.update(self.propagation.form.values[i].place.prefix for i in np.unique(values).tolist())
        self.excluding.update(self.minorant.row_names[k] for k in np.flatnonzero(rows).tolist())

    def _try(self, cells: Cells, below: Linear) -> None:
        """Take the middles of cells, and where a function below the objective is least, for plans."""
        if self.plan is None:
            return
        middle, half = (cells.low + cells.high) / 2, (cells.high - cells.low) / 2
        corner = middle - np.sign(below.slope[:, : half.shape[1]]) * half
        batch = self.objective.snap(self.propagation.points(np.concatenate([middle, corner])))
        cost, violation = self.objective.evaluate(batch)
        cost = np.where(violation <= FEASIBLE, cost, np.inf)
        k = int(cost.argmin())
        if cost[k] < self.plan.cost:
            self.plan = Plan({name: x[k].copy() for name, x in batch.items()}, float(cost[k]), float(violation[k]))

    def _improve(self, known: Plan | None) -> None:
        """Polish the plan where it became better than the one known before."""
        if self.plan is None or known is None or self.plan is known:
            return
        if known.cost - self.plan.cost > BETTER * max(self.objective.unit, abs(known.cost)):
            self.plan = improve(self.unrolled, self.bounds, self.plan, seconds_left())

    def _contradict(self) -> None:
        if self.plan is None:
            raise CrossedBounds(
                f"no inputs keep all of these within their sets: {', '.join(sorted(self.excluding))}; "
                "widen the sets, or the initial state"
            )
        # The plan itself satisfies every row, so this can only be rounding.
        log.warning("split: no cell holds the plan in hand; the bounds stay as they were")


def _stalled(history: list[tuple[float, float]]) -> bool:
    """Whether the last `PATIENCE` rounds decided no unit and left the least objective where it was."""
    if len(history) <= PATIENCE:
        return False
    (undecided, least), (before, from_) = history[-1], history[-1 - PATIENCE]
    return undecided >= before and least - from_ <= MOVED * max(1e-9, abs(least))
