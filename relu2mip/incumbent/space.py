"""The inputs of a form as one vector, for searches that draw and move whole batches of points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.runtime.deadline import expired, limited
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import FEASIBLE, Plan

END = object()


@dataclass(frozen=True, eq=False)
class Space:
    """The box of the inputs laid end to end, (size,). block: of how many entries a step is; 0 where there are none.

    With steps, the last entries are the controls, step by step.
    """

    objective: Objective
    names: tuple[str, ...]
    ends: tuple[int, ...]
    low: Array
    high: Array
    block: int = 0

    @classmethod
    def of(cls, objective: Objective, box: Mapping[str, tuple[Array, Array]], block: int = 0) -> Space:
        """Of boxes by input."""
        low, high = (np.concatenate([sides[side] for sides in box.values()]) for side in (0, 1))
        ends = np.cumsum([0, *(sides[0].size for sides in box.values())]).tolist()
        return cls(objective, tuple(box), tuple(ends), low, high, block)

    def split(self, points: Array) -> dict[str, Array]:
        """A batch (B, size) by input."""
        return {name: points[:, a:b] for name, (a, b) in zip(self.names, pairwise(self.ends), strict=True)}

    def joined(self, inputs: Mapping[str, Array]) -> Array:
        """Inputs, of a point or a batch of them, end to end."""
        return np.concatenate([inputs[name] for name in self.names], axis=-1)

    def plans(self, points: Array) -> Batched:
        """The nearest points of the sets, and what they cost."""
        batch = self.objective.snap(self.split(points))
        return Batched(batch, *self.objective.evaluate(batch))

    def noise(self, rng: np.random.Generator, count: int, correlation: float = 0.0) -> Array:
        """Standard normal numbers (count, size); those of a control and of the same one a step later are correlated."""
        drawn = rng.standard_normal((count, self.low.size))
        if correlation and self.block:
            fresh = np.sqrt(1 - correlation**2)
            steps = (self.low.size - self._first) // self.block
            for t in range(1, steps):
                now = slice(self._first + t * self.block, self._first + (t + 1) * self.block)
                before = slice(now.start - self.block, now.start)
                drawn[:, now] = correlation * drawn[:, before] + fresh * drawn[:, now]
        return drawn

    @property
    def _first(self) -> int:
        """Where the controls begin."""
        return int(self.ends[self.names.index("control@0")]) if "control@0" in self.names else 0


class Met:
    """The best plan that the searches of a space have met.

    plan: that one; None before the first look.  rounds: of descents that have ended.
    """

    def __init__(self, space: Space, plan: Plan | None = None) -> None:
        self.space, self.plan, self.rounds = space, plan, 0

    def look(self, points: Array) -> Batched:
        """The plans at points (B, size), the best of them kept."""
        batch = self.space.plans(points)
        self.plan = batch.best(self.plan)
        return batch

    def take(self, plan: Plan) -> None:
        """Keep a plan, if it is the best."""
        if plan.better_than(self.plan):
            self.plan = plan

    @property
    def point(self) -> Array | None:
        """The best plan as a point of the space, (size,)."""
        return None if self.plan is None else self.space.joined(self.plan.inputs)


def run(rounds: Iterator[bool], met: Met, seconds: float = math.inf) -> Plan:
    """The best plan met once the rounds end, or at the deadline; one round is always made where nothing is known."""
    with limited(seconds):
        while met.plan is None or not expired():
            if next(rounds, END) is END:
                break
    assert met.plan is not None
    return met.plan


@dataclass(frozen=True, eq=False)
class Batched:
    """A batch of plans: inputs, cost (B,) and violation (B,)."""

    inputs: Mapping[str, Array]
    cost: Array
    violation: Array

    @cached_property
    def order(self) -> Index:
        """Those that violate nothing first, by cost; then the others, by violation."""
        return np.lexsort((self.cost, np.where(self.violation > FEASIBLE, self.violation, 0.0)))

    def plan(self, k: int) -> Plan:
        """One of them."""
        inputs = {name: x[k].copy() for name, x in self.inputs.items()}
        return Plan(inputs, float(self.cost[k]), float(self.violation[k]))

    def best(self, known: Plan | None) -> Plan:
        """The best of them, or the known one where that is at least as good."""
        found = self.plan(int(self.order[0]))
        return found if known is None or found.better_than(known) else known
