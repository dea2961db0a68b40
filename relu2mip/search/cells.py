"""Branch and bound over boxes of the inputs, whole batches at a time, with a proof at the end.

A solver's tree branches on units and solves a linear program in each node. Here a node is a box of the free inputs,
for a trajectory of its controls, and is bounded by one forward pass of zonotopes, hundreds of boxes at once
(`relu2mip.search.judge`): units lose their second phase by themselves as boxes get smaller.

    find a plan; everything from `limit` = (its cost less the gap) on is of no interest
    repeat: judge the boxes with the lowest bounds; drop those from the limit on; cut the others in two;
            where few units are undecided over all boxes that are left, let a solver finish (`relu2mip.search.leaf`)

The lowest bound of a leaf is a bound of the objective at any time. Batches depend on the best plan alone, so they go to
as many processes or machines as there are (`relu2mip.runtime.engines`). A worker that dies loses its batch, which runs
again. What is left at the end is a `Certificate`.

It pays where a plan's cost depends on its inputs without too many turns: pushing something towards a target, with up to
ten free inputs, whatever the size of the network. Where costs of very different plans are alike (swinging something up,
long horizons), boxes must become small everywhere, and a solver's tree is better.

Source: best-first branch and bound over boxes, Moore, Skelboe, "Computation of rational interval functions" (1974);
of the inputs of a network, Wang et al., "Formal security analysis of neural networks using symbolic intervals" (2018).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from relu2mip.errors import InvalidOption
from relu2mip.formulations import Formulation
from relu2mip.mip.solver import Solver
from relu2mip.options import Part, settle
from relu2mip.runtime.engines import Engine, engine
from relu2mip.runtime.worker import Processes
from relu2mip.search.best_first import BestFirst, Found, Here
from relu2mip.search.judge import Judge
from relu2mip.unrolled.plan import Plan

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cells(Part):
    """Branch and bound over boxes of the inputs.

    few: undecided units, over at most `last` boxes that are left, from which a solver finishes.  leaf: seconds for
    that, each time.  workers: batches at once.  engine: "processes" of this machine, "dask" with the address of a
    `scheduler`, or "mpi"; one worker of "processes" is this process itself.  seed: of the search for a plan.
    """

    few: int = 40
    last: int = 64
    leaf: float = 10.0
    workers: int = 1
    engine: str = "processes"
    scheduler: str = ""
    seed: int = 0
    name: ClassVar[str] = "cells"

    def __post_init__(self) -> None:
        settle(self)
        if not self.leaf > 0 or self.workers < 1 or min(self.seed, self.few, self.last) < 0:
            raise InvalidOption("cells: leaf must be positive, workers at least 1, few, last and seed at least 0")

    def solve(
        self,
        judge: Judge,
        formulation: Formulation,
        backend: Solver,
        slack: Callable[[float], float],
        known: Plan | None = None,
        executor: Executor | None = None,
        probe: bool = False,
    ) -> Found:
        """Search until the time is up, or the bound is within slack(cost of the best plan) of it.

        formulation, backend: of what a solver finishes.  known: a plan to begin with.  executor: judges the batches, in
        place of `engine`.  probe: give up after `PROBE` boxes that promise nothing.
        """
        options = self.few, self.last, self.leaf, self.seed
        search = BestFirst(*options, judge, formulation, backend, slack, known, probe)
        with self._started(executor) as there:
            log.info("cells: on %s", there.name)
            return search.run(there)

    @contextmanager
    def _started(self, executor: Executor | None) -> Iterator[Engine]:
        """What judges the batches."""
        if executor is None and self.engine == "processes" and self.workers == 1 and not self.scheduler:
            yield Engine(Here(), 1, "this process")
            return
        with engine(executor or self.engine, _processes, self.workers, self.scheduler or None) as there:
            yield there


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    pool = Processes(workers)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
