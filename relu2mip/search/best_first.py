"""The search itself: which boxes are judged next, what becomes of them, and when a solver finishes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from relu2mip.arrays import Index
from relu2mip.errors import OutOfTime
from relu2mip.formulations import Formulation
from relu2mip.incumbent.best import offer
from relu2mip.incumbent.improve import improve
from relu2mip.incumbent.portfolio import Portfolio
from relu2mip.mip import Solution, Stop
from relu2mip.mip.solver import Solver
from relu2mip.mip.supervise import cut_short
from relu2mip.runtime.deadline import expired, now, seconds_left
from relu2mip.runtime.engines import RERUNS, Engine
from relu2mip.runtime.progress import report
from relu2mip.runtime.worker import WorkerDied
from relu2mip.search.boxes import Boxes, cut
from relu2mip.search.certificate import Certificate, certified, evaluated
from relu2mip.search.judge import Judge, Judged, judge_named
from relu2mip.search.leaf import solved
from relu2mip.search.tree import Tree
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan

log = logging.getLogger(__name__)

FINDING, MOST_FINDING = 0.02, 1.0
"""Share of the time, and most seconds, for a plan before the first box."""

IMPROVING = 1.0
"""Seconds for improving a plan that a box had."""

WAITING = 0.2
"""Seconds between looks at the clock while batches run."""

TASK = 0.3
"""Seconds that a batch should take: long beside its journey, short beside the time limit."""

AHEAD = 2
"""Batches that are with an engine, for each that it runs at once."""

THIN = 1e-6
"""A box whose inputs are all narrower than this share of their range is left to the solver."""

PROBE, PROMISING = 2000, 0.5
"""Boxes after which it shows what a search is worth, and the share of the way from the bound of everything to the plan
that the bound must have come by then. Where it ended within a minute that was 0.6 to 0.8, else 0.06 to 0.35."""

MARGIN = 0.1
"""Share of the gap that is left to a solver's tolerances."""


@dataclass(frozen=True, eq=False)
class Found:
    """What the search ended with: a solution without a point, the best plan, and the proof where there is a plan.

    boxes: how many were judged.
    """

    solution: Solution
    plan: Plan | None
    certificate: Certificate | None
    boxes: int


class Here(Executor):
    """This process: what is submitted is run at once."""

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Run it."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*given, **named))
        except Exception as error:
            future.set_exception(error)
        return future


@dataclass(eq=False)
class _Batch:
    """Boxes that are being judged."""

    nodes: Index
    boxes: Boxes
    begun: float
    losses: int = 0


@dataclass(eq=False)
class BestFirst:
    """The search.

    few, last, leaf, seed: see `relu2mip.search.Cells`.  slack: how far below a cost the bound may end.  plan: the best
    one.  probe: whether to give up after `PROBE` boxes that promise nothing.  nodes, boxes: of the leaves that are
    still to be judged, besides those in `running`.
    """

    few: int
    last: int
    leaf: float
    seed: int
    judge: Judge
    formulation: Formulation
    backend: Solver
    slack: Callable[[float], float]
    plan: Plan | None
    probe: bool = False
    root: float = -math.inf
    tree: Tree = field(default_factory=Tree)
    running: dict[Future[Judged | None], _Batch] = field(default_factory=dict)
    rate: float = 100.0
    judged: int = 0
    tried: float = math.inf
    message: str = ""
    name: str = field(default_factory=lambda: uuid4().hex)

    def __post_init__(self) -> None:
        self.boxes = self.judge.whole
        self.nodes: Index = np.zeros(1, dtype=np.intp)
        self.thin = self.nodes[:0], self.boxes[:0]
        self.range = np.maximum(self.boxes.high - self.boxes.low, 1e-300)

    def run(self, there: Engine) -> Found:
        """Find a plan, then prove."""
        self._find()
        try:
            while not self._done and not expired() and not self._hopeless and self._left:
                self._finish()
                self._submit(there)
                ended, _ = wait(self.running, min(WAITING, seconds_left()), FIRST_COMPLETED)
                for future in ended:
                    self._take(there, future, self.running.pop(future))
        except OutOfTime as error:
            log.info("cells: %s", error)
        except BrokenExecutor as error:
            self.message = f"the executor broke ({error}); what was known until then stays"
        finally:
            for future in self.running:
                future.cancel()
        return self._found()

    @property
    def limit(self) -> float:
        """Boxes without a plan below are of no interest."""
        return math.inf if self.plan is None else self.plan.cost - (1 - MARGIN) * self.slack(self.plan.cost)

    @property
    def _done(self) -> bool:
        return self.tree.least >= self.limit

    @property
    def _left(self) -> bool:
        return bool(self.running or self.nodes.size or self.thin[0].size)

    @property
    def _hopeless(self) -> bool:
        """Whether the probe is over and its bound has not come far."""
        if not self.probe or self.judged < PROBE:
            return False
        self.probe = False
        return not self.tree.least - self.root >= PROMISING * (self.limit - self.root)

    def _find(self) -> None:
        """A good plan first: every box is judged by its cost."""
        report("looking for a plan")
        seconds = min(MOST_FINDING, FINDING * seconds_left())
        plan = Portfolio.of(self.judge.problem.unrolled, self.plan, self.seed).run(seconds)
        self.plan = plan if plan.feasible else None

    def _submit(self, there: Engine) -> None:
        """Hand out the boxes with the lowest bounds, to all who wait for some."""
        while self.nodes.size and len(self.running) < AHEAD * there.slots and not expired():
            size = max(1, min(int(TASK * self.rate), math.ceil(self.nodes.size / there.slots)))
            bound = self.tree.bound[self.nodes]
            order = np.argpartition(bound, size - 1) if size < bound.size else np.arange(bound.size)
            first, rest = order[:size], order[size:]
            batch = _Batch(self.nodes[first], self.boxes[first], now())
            self.nodes, self.boxes = self.nodes[rest], self.boxes[rest]
            self._send(there, batch)
            if isinstance(there.executor, Here):
                return

    def _send(self, there: Engine, batch: _Batch) -> None:
        given = self.name, self.judge, batch.boxes.low, batch.boxes.high, seconds_left()
        self.running[there.executor.submit(judge_named, *given)] = batch

    def _take(self, there: Engine, future: Future[Judged | None], batch: _Batch) -> None:
        """What became of a batch; one whose worker died runs again."""
        try:
            found = future.result()
        except Exception as error:
            if not isinstance(error, WorkerDied) and type(error).__name__ != "KilledWorker":
                raise
            batch.losses += 1
            log.warning("cells: a worker died, %d boxes run again: %s", len(batch.boxes), error)
            if batch.losses > RERUNS:
                self.message = f"{len(batch.boxes)} boxes were given up after {batch.losses} tries: {error}"
            else:
                self._send(there, batch)
            return
        if found is None:
            return
        self.judged += len(batch.boxes)
        seconds = max(now() - batch.begun, 1e-3)
        self.rate += 0.3 * (len(batch.boxes) / seconds - self.rate)
        self.tree.raise_bound(batch.nodes, found.least)
        self.root = self.tree.least if self.judged == 1 else self.root
        self._meet(found.inputs, found.cost)
        self._cut(batch, found)
        left = self.nodes.size + sum(len(one.boxes) for one in self.running.values())
        report(f"searching: {self.judged} boxes, {left} left", bound=min(self.tree.least, self.limit))

    def _cut(self, batch: _Batch, found: Judged) -> None:
        """Cut what may hold a better plan, and forget what cannot."""
        width = (batch.boxes.high - batch.boxes.low) / self.range
        open_ = (self.tree.bound[batch.nodes] < self.limit) & (width > THIN).any(axis=1)
        nodes, boxes, scores = batch.nodes[open_], batch.boxes[open_], found.scores[open_]
        thin = (self.tree.bound[batch.nodes] < self.limit) & ~open_
        self.thin = np.concatenate([self.thin[0], batch.nodes[thin]]), Boxes.joined([self.thin[1], batch.boxes[thin]])
        if nodes.size:
            cuts = cut(boxes, np.where(width[open_] > THIN, scores + 1e-300, -1.0), self.judge.levels)
            self.nodes = np.concatenate([self.nodes, self.tree.cut(nodes, cuts)])
            self.boxes = Boxes.joined([self.boxes, cuts.parts(boxes)])
        keep = self.tree.bound[self.nodes] < self.limit
        if not keep.all():
            self.nodes, self.boxes = self.nodes[keep], self.boxes[keep]

    def _finish(self) -> None:
        """Let a solver finish where few boxes are left that leave few units undecided; again at half as many boxes."""
        if self.running:
            return
        if not self.nodes.size:
            nodes, boxes = self.thin
            self.thin = nodes[:0], boxes[:0]
            self._solve(nodes, self.judge.hull(boxes))
        elif self.nodes.size <= min(self.last, self.tried / 2):
            hull = self.judge.hull(self.boxes)
            if hull is None or hull[1] <= self.few:
                self.tried = self.nodes.size
                self._solve(self.nodes, hull)
                keep = self.tree.bound[self.nodes] < self.limit
                self.nodes, self.boxes = self.nodes[keep], self.boxes[keep]

    def _solve(self, nodes: Index, hull: tuple[Bounds, int] | None) -> None:
        """Ask a solver for a plan in the hull of some leaves; None where they hold none."""
        if hull is None:
            self.tree.raise_bound(nodes, np.full(nodes.size, np.inf))
            return
        report(f"finishing: {nodes.size} boxes")
        given = self.judge.problem.unrolled, hull[0], self.formulation, self.backend
        found = solved(*given, self.limit, self._gap, self.leaf)
        if found.inputs is not None:
            plan = evaluated(self.judge.problem, found.inputs)
            self._meet(plan.inputs, plan.cost if plan.feasible else math.inf)
        self.tree.raise_bound(nodes, np.full(nodes.size, found.bound))

    @property
    def _gap(self) -> float:
        """Of what a solver finishes, relative to the cost."""
        if self.plan is None:
            return 1e-4
        return min(0.5, max(1e-9, MARGIN * self.slack(self.plan.cost) / max(abs(self.plan.cost), 1e-9)))

    def _meet(self, inputs: Any, cost: float) -> None:
        """Take a plan that is better than the best one."""
        if inputs is None or not cost < (math.inf if self.plan is None else self.plan.cost):
            return
        unrolled, before = self.judge.problem.unrolled, self.plan
        self.plan = Plan(inputs, cost)
        if before is None or before.cost - cost > MARGIN * self.slack(cost):
            self.plan = improve(unrolled, self.judge.bounds, self.plan, min(IMPROVING, seconds_left()))
        offer(unrolled, self.plan)

    def _found(self) -> Found:
        bound, proven = self.tree.least, self._done
        if self.plan is None:
            stop = Stop.INFEASIBLE if bound == math.inf else cut_short() if expired() else Stop.UNSETTLED
            certificate = None
        else:
            stop = Stop.OPTIMAL if proven else cut_short() if expired() else Stop.UNSETTLED
            bound = min(bound, self.plan.cost)
            certificate = certified(self.judge, self.plan, self.tree)
        solution = Solution(stop, bound=bound, nodes=self.tree.size, solver="cells", message=self.message)
        return Found(solution, self.plan, certificate, self.judged)
