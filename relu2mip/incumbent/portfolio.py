"""Several searches for one plan: each has its turns, and more of them the more it has found lately.

Each search knows the best plan that any has met. None gets less than its fair share of the time, so that one that is
slow to begin, or strong at the end, is not forgotten; what is left goes to the one that improves the plan fastest.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from relu2mip.incumbent.best import offer
from relu2mip.incumbent.climb import Climbing, climbed
from relu2mip.incumbent.descend import descend
from relu2mip.incumbent.neighbourhood import neighbourhoods
from relu2mip.incumbent.path_integral import PathIntegral, integrated
from relu2mip.incumbent.polish import polish
from relu2mip.incumbent.sample import Sampling, sampled
from relu2mip.incumbent.space import Met, Space
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.threads import products_on_one_thread
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled

TURN = 5e-3
"""Least seconds of a turn, and what one is counted as that had nothing to do."""

FADING = 0.7
"""What a turn leaves of the rate known before it."""

SAMPLES = 128
"""Points of a round of sampling."""

NEAR = 0.05
"""Noise around the best plan, as a share of the box."""

PROGRAM = 0.1
"""Seconds that a program around a plan may take, as long as none was solved."""

ENDLESS = 1_000_000_000


@dataclass(eq=False)
class Search:
    """A search at work.

    rounds: each says whether it had something to do.  fair: the least share of the time that it gets.  takes: seconds
    of a turn, as of the last one.  spent: seconds in all.  rate: by how much it made the plan cheaper a second, lately.
    """

    rounds: Iterator[bool]
    fair: float
    takes: float = 0.0
    spent: float = 0.0
    rate: float = math.inf

    def turn(self, met: Met) -> None:
        """Search for a moment; a turn without anything to do counts like one that was in vain."""
        begun, spent, before, busy = time.perf_counter(), 0.0, met.plan, True
        while busy and spent < TURN and not (spent and expired()):
            busy = next(self.rounds)
            spent = time.perf_counter() - begun
        self.takes = spent if busy else self.takes
        spent = max(spent, TURN)
        self.spent += spent
        rate = _gain(before, met.plan, met.space.objective.unit) / spent
        self.rate = rate if math.isinf(self.rate) else FADING * self.rate + (1 - FADING) * rate


@dataclass(eq=False)
class Portfolio:
    """Searches at work on one problem. met: the best plan so far."""

    unrolled: Unrolled
    met: Met
    searches: list[Search]

    @classmethod
    def of(
        cls,
        unrolled: Unrolled,
        start: Plan | None = None,
        seed: int = 0,
        block: int = 0,
        narrow: Callable[[Unrolled], Bounds] | None = None,
    ) -> Portfolio:
        """All searches, from far away to close by.

        start: a plan to begin with.  seed: of all draws.  block: see `Space`.  narrow: a bound method, with which
        programs around the best plan are solved, too.
        """
        objective = unrolled.objective()
        met = Met(Space.of(objective, objective.box, block), start)
        sampling = Sampling(SAMPLES, SAMPLES // 8, ENDLESS, inertia=0.1, correlation=0.5, seed=seed)
        searches = [
            Search(sampled(met, sampling), 0.03),
            Search(climbed(met, Climbing(restarts=ENDLESS, seed=seed)), 0.55),
            Search(integrated(met, PathIntegral(2 * SAMPLES, ENDLESS, seed=seed)), 0.02),
            Search(integrated(met, PathIntegral(SAMPLES, ENDLESS, noise=NEAR, seed=seed), near=True), 0.05),
            Search(_improved(met, unrolled, narrow), 0.3),
        ]
        if narrow is not None:
            searches.append(Search(neighbourhoods(met, unrolled, narrow), 0.03, PROGRAM))
        return cls(unrolled, met, searches)

    def run(self, seconds: float = math.inf) -> Plan:
        """The best plan met by all, once the time or the budget around it ends; infeasible only if all met were."""
        with limited(seconds), products_on_one_thread():
            while self.met.plan is None or not expired():
                self._next().turn(self.met)
                assert self.met.plan is not None
                offer(self.unrolled, self.met.plan)
        return self.met.plan

    def _next(self) -> Search:
        """The one furthest below its fair share, a turn included, else the one that improves the plan fastest."""
        total = sum(one.spent for one in self.searches)
        behind = [one for one in self.searches if one.spent + one.takes <= one.fair * (total + one.takes)]
        if behind:
            return min(behind, key=lambda one: one.spent / one.fair)
        return max(self.searches, key=lambda one: one.rate if one.spent else 0.0)


def _gain(before: Plan | None, after: Plan | None, unit: float) -> float:
    """By how much a plan got cheaper, in units of the cost; 1 for the first feasible one."""
    if before is None or after is None or before.feasible != after.feasible:
        return float(before is not after)
    if before.feasible:
        return (before.cost - after.cost) / unit
    return before.violation - after.violation


def _improved(met: Met, unrolled: Unrolled, narrow: Callable[[Unrolled], Bounds] | None) -> Iterator[bool]:
    """Descend from the best plan and polish it, by turns, until that is of no use, after each round of descents.

    Before a round has ended that would be wasted on a plan that it leaves behind; in the second half of the time it is
    not. Bounds cost time, so they are found only where the sets give none: squares of columns need some.
    """
    bounds, done = Bounds.of(unrolled.form, unrolled.domain), None
    if narrow is not None and not all(np.isfinite(side).all() for box in unrolled.domain.values() for side in box):
        bounds = narrow(unrolled)
    objective, rounds, half = met.space.objective, 0, seconds_left() / 2
    while True:
        plan = met.plan
        early = met.rounds == rounds and seconds_left() > half
        if plan is None or plan is done or early:
            yield False
            continue
        met.take(descend(objective, dict(objective.box), plan))
        if met.plan is not None and met.plan.feasible and not expired():
            met.take(polish(unrolled, bounds, met.plan))
        done = met.plan if met.plan is plan else None
        rounds = met.rounds if done else rounds
        yield True
