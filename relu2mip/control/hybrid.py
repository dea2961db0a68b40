"""Sampling first, then branch and bound from its plan: a good plan at once, and a proven bound."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from relu2mip.arrays import Array
from relu2mip.control.mip import MARGIN, BranchAndBound, Mip
from relu2mip.control.plan import Plan, point_of
from relu2mip.control.planner import Planning
from relu2mip.errors import InvalidOption
from relu2mip.incumbent.best import keeping
from relu2mip.incumbent.climb import Climbing, climb
from relu2mip.incumbent.path_integral import PathIntegral, path_integral
from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.runtime.deadline import limited
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan as Point

TURNS = 3
"""How often the three searches take turns, each from the best plan so far."""


@dataclass(frozen=True)
class Hybrid(Mip):
    """Cross-entropy, path integral and gradient by turns for a `share` of the time, then `Mip` from the best plan."""

    share: float = 0.5
    name: ClassVar[str] = "hybrid"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise InvalidOption(f"hybrid: share is {self.share}; give a number between 0 and 1")

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Mip.prepared`."""
        proving = BranchAndBound(self, problem)

        def plan(problem: Trajectory, start: Array | None, seconds: float) -> Plan:
            begun = time.perf_counter()
            with limited((1 - MARGIN) * seconds), keeping(problem.unrolled) as best:
                point = self._sampled(problem, start, self.share * seconds)
                if point.feasible:
                    best.keep(point)
                return proving.search(problem, best, point, begun, {"sampling": time.perf_counter() - begun})

        return plan

    def _sampled(self, problem: Trajectory, start: Array | None, seconds: float) -> Point:
        """The best plan that the three searches find by turns."""
        objective, m = problem.unrolled.objective(), problem.m
        point = None if start is None else point_of(problem, start)
        with limited(seconds):
            for turn in range(TURNS):
                seed, turns = TURNS * self.seed + turn, 3 * TURNS
                sampling = Sampling(rounds=1_000_000, inertia=0.1, correlation=0.5, seed=seed)
                point = cross_entropy(objective, objective.box, sampling, seconds / turns, point, m)
                integral = PathIntegral(rounds=1_000_000, seed=seed)
                point = path_integral(objective, objective.box, integral, seconds / turns, point, m)
                climbing = Climbing(restarts=1_000_000, seed=seed)
                point = climb(objective, objective.box, climbing, seconds / turns, point, m)
        assert point is not None
        return point
