"""A portfolio of searches first, then branch and bound from its plan: a good plan at once, and a proven bound."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from relu2mip.arrays import Array
from relu2mip.bounds import Bounds, Crown, compute_bounds
from relu2mip.bounds.auto import expected
from relu2mip.bounds.difficulty import both_signs
from relu2mip.control.mip import BranchAndBound, Mip, budget
from relu2mip.control.plan import Plan, plan_of, point_of
from relu2mip.control.planner import Planning
from relu2mip.errors import InvalidOption
from relu2mip.incumbent.best import keeping
from relu2mip.incumbent.portfolio import Portfolio
from relu2mip.runtime.deadline import limited, seconds_left
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.unrolled import Unrolled

LEAST = 2e-3
"""Seconds that searching on for a plan is worth."""

MOMENT, MOST = 0.4, 0.8
"""Seconds that the portfolio has beyond its share, and the largest share that this may come to."""

PATIENCE, AGAIN = 3, 20
"""After so many branch and bounds in vain, only every so many plans tries one."""

HOPELESS = 1000.0
"""As many times the seconds that are left, expected of a tree, are too many even where its root is nearly tight."""

NOT_TRIED = "the time is too short for branch and bound"


@dataclass(frozen=True)
class Hybrid(Mip):
    """A portfolio of searches for a `share` of the time and a moment, then `Mip` from the best plan, then that again.

    widest: the gap of the root relaxation up to which a tree is searched, a second or less being left; as many times
    that as seconds are left beyond. Where the gap is wider, and so many units are undecided that a tree is not expected
    to end in time, its bound is taken and the portfolio goes on.
    """

    share: float = 0.3
    widest: float = 0.05
    name: ClassVar[str] = "hybrid"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise InvalidOption(f"hybrid: share is {self.share}; give a number between 0 and 1")
        if not self.widest >= 0:
            raise InvalidOption(f"hybrid: widest is {self.widest}; give a gap of at least 0")

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Mip.prepared`."""
        return _Hybrid(self, problem)


class _Hybrid:
    """A hybrid at work. vain: branch and bounds in a row that neither found a better plan nor got near to a proof."""

    def __init__(self, options: Hybrid, problem: Trajectory) -> None:
        self.options, self.proving = options, BranchAndBound(options, problem)
        self.plans = self.vain = 0

    def __call__(self, problem: Trajectory, start: Array | None, seconds: float) -> Plan:
        """A plan; see `Planner.plan`."""
        begun, unrolled = time.perf_counter(), problem.unrolled
        known = None if start is None else point_of(problem, start)
        with limited(budget(seconds)), keeping(unrolled) as best:
            portfolio = Portfolio.of(unrolled, known, self.options.seed + self.plans, problem.m, narrowed)
            self.plans += 1
            proves = (self.vain < PATIENCE or self.vain % AGAIN == 0) and not _hopeless(unrolled)
            left = seconds_left()
            point = portfolio.run(min(MOST * left, MOMENT + self.options.share * left) if proves else left)
            stages = {"portfolio": time.perf_counter() - begun}
            if not proves:
                self.vain += 1
                spent = time.perf_counter() - begun
                return plan_of(problem, point, seconds=spent, stopped=NOT_TRIED, stages=stages)
            widest = self.options.widest * max(1.0, seconds_left())
            found = self.proving.search(problem, best, point, begun, stages, widest)
            proven = found.gap is not None and found.gap <= self.options.gap
            near = found.gap is not None and found.gap <= widest
            self.vain = 0 if near or found.nodes or found.cost < point.cost else self.vain + 1
            if proven or seconds_left() < LEAST:
                return found
            portfolio.met.take(point_of(problem, found.controls))
            point = portfolio.run()
        known_of_it = {"bound": found.bound, "nodes": found.nodes, "stages": stages, "rebuilt": found.rebuilt}
        spent = time.perf_counter() - begun
        return plan_of(problem, point, seconds=spent, stopped=found.stopped, **known_of_it)  # type: ignore[arg-type]


def _hopeless(unrolled: Unrolled) -> bool:
    """Whether units that take both signs say, before anything is compiled, that no tree will end in time."""
    return expected(both_signs(unrolled), 1.0) > HOPELESS * seconds_left()


def narrowed(unrolled: Unrolled) -> Bounds:
    """Bounds over a part of a problem's sets."""
    return compute_bounds(unrolled, [Crown()])
