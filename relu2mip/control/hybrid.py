"""Sampling first, then branch and bound from its plan: a good plan at once, and a proven bound."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import count
from typing import ClassVar

from relu2mip.arrays import Array
from relu2mip.control.mip import BranchAndBound, Mip, budget
from relu2mip.control.plan import Plan, plan_of, point_of
from relu2mip.control.planner import Planning
from relu2mip.errors import InvalidOption
from relu2mip.incumbent.best import Best, keeping
from relu2mip.incumbent.climb import Climbing, climb
from relu2mip.incumbent.improve import improve
from relu2mip.incumbent.path_integral import PathIntegral, path_integral
from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import Plan as Point

LEAST = 2e-3
"""Seconds that sampling on is worth."""

PATIENCE, AGAIN = 3, 20
"""After so many searches in vain, the time for a search being too short, only every so many plans search."""

NO_SEARCH = "the time is too short for a search"

SAMPLES, ELITES = 128, 16
"""Of a round of sampling."""

SLICES = 0.12, 0.4, 0.05
"""Shares of the time for sampling that a turn of each search takes at most."""

NEAR = 0.1
"""Noise around the best plan, as a share of the box."""


@dataclass(frozen=True)
class Hybrid(Mip):
    """Samples, each improved by descending and polishing, for a `share` of the time, then `Mip` from the best plan."""

    share: float = 0.6
    name: ClassVar[str] = "hybrid"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise InvalidOption(f"hybrid: share is {self.share}; give a number between 0 and 1")

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Mip.prepared`."""
        return _Hybrid(self, problem)


class _Hybrid:
    """A hybrid at work. vain: searches in a row that neither found a better plan nor proved anything."""

    def __init__(self, options: Hybrid, problem: Trajectory) -> None:
        self.options, self.proving, self.vain = options, BranchAndBound(options, problem), 0

    def __call__(self, problem: Trajectory, start: Array | None, seconds: float) -> Plan:
        """A plan; see `Planner.plan`."""
        begun = time.perf_counter()
        with limited(budget(seconds)), keeping(problem.unrolled) as best:
            searches = self.vain < PATIENCE or self.vain % AGAIN == 0
            left = (self.options.share if searches else 1.0) * seconds_left()
            point = self._sampled(problem, start, left)
            if point.feasible:
                best.keep(point)
            stages = {"sampling": time.perf_counter() - begun}
            if not searches:
                self.vain += 1
                spent = time.perf_counter() - begun
                return plan_of(problem, point, seconds=spent, stopped=NO_SEARCH, stages=stages)
            found = self.proving.search(problem, best, point, begun, stages)
            self.vain = self.vain + 1 if found.bound is None and found.cost >= point.cost else 0
            return self._polished(problem, found, best, begun)

    def _polished(self, problem: Trajectory, found: Plan, best: Best, begun: float) -> Plan:
        """Sample on where the search ended early and its plan is not proven to be the best."""
        left = seconds_left()
        if left < LEAST or (found.gap is not None and found.gap <= self.options.gap):
            return found
        point = self._sampled(problem, found.controls, left)
        if not point.feasible or (found.feasible and point.cost >= found.cost):
            return replace(found, seconds=time.perf_counter() - begun)
        best.keep(point)
        known = {"bound": found.bound, "nodes": found.nodes, "stages": found.stages, "rebuilt": found.rebuilt}
        return plan_of(problem, point, seconds=time.perf_counter() - begun, stopped=found.stopped, **known)  # type: ignore[arg-type]

    def _sampled(self, problem: Trajectory, start: Array | None, seconds: float) -> Point:
        """The best plan of rounds that sample, anew and around the best plan by turns, and improve what they find."""
        unrolled, m = problem.unrolled, problem.m
        objective = unrolled.objective()
        bounds = Bounds.of(unrolled.form, unrolled.domain)
        best = None if start is None else point_of(problem, start)
        with limited(seconds):
            for turn in count():
                point = self._drawn(objective, best, m, turn, seconds)
                best = point if point.better_than(best) else best
                if expired():
                    break
                point = improve(unrolled, bounds, point, seconds_left())
                best = point if point.better_than(best) else best
                if expired():
                    break
        assert best is not None
        return best

    def _drawn(self, objective: Objective, best: Point | None, m: int, turn: int, seconds: float) -> Point:
        """A point to improve: the distribution of cross-entropy, the best of many gradients, or one near the best."""
        seed = self.options.seed + turn
        if turn % 3 == 0:
            sampling = Sampling(SAMPLES, ELITES, rounds=1_000_000, inertia=0.1, correlation=0.5, seed=seed)
            return cross_entropy(objective, objective.box, sampling, SLICES[0] * seconds, None if turn else best, m)
        if turn % 3 == 1:
            climbing = Climbing(restarts=1, seed=seed)
            return climb(objective, objective.box, climbing, SLICES[1] * seconds, best, m)
        integral = PathIntegral(SAMPLES, rounds=1_000_000, noise=NEAR, seed=seed)
        return path_integral(objective, objective.box, integral, SLICES[2] * seconds, best, m)
