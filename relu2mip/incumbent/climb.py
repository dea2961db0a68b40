"""Projected gradient descent with Adam's steps, from many starts at once, through the form's vector-Jacobian product.

Source: Kingma, Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array
from relu2mip.incumbent.space import Met, Space, run
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import Plan

MOMENTUM, SCALING, TINY = 0.9, 0.99, 1e-12
NEAR = 0.1
"""How far a quarter of the starts lie from the best plan, as a share of the box."""

PENALTY = 10.0
"""Price of leaving a set by its whole range, in units of the objective, at first; it doubles with every restart."""


@dataclass(frozen=True)
class Climbing:
    """starts: at once.  steps: of each before all but the best begin anew.  rate: of a step, as a share of the box."""

    starts: int = 32
    steps: int = 60
    restarts: int = 20
    rate: float = 0.05
    seed: int = 0


def climb(
    objective: Objective,
    box: Mapping[str, tuple[Array, Array]],
    options: Climbing | None = None,
    seconds: float = math.inf,
    start: Plan | None = None,
    block: int = 0,
) -> Plan:
    """The best point met, or the start where nothing is better."""
    met = Met(Space.of(objective, box, block), start)
    return run(climbed(met, options or Climbing()), met, seconds)


def climbed(met: Met, options: Climbing) -> Iterator[bool]:
    """The steps of all descents, one at a time."""
    space, rng, penalty = met.space, np.random.default_rng(options.seed), PENALTY * met.space.objective.unit
    width = space.high - space.low
    for _ in range(options.restarts):
        points = rng.uniform(space.low, space.high, (options.starts, space.low.size))
        points[0] = (space.low + space.high) / 2
        if (best := met.point) is not None:
            points[0] = best
            near = slice(1, 1 + max(1, options.starts // 4))
            points[near] = best + NEAR * width * rng.standard_normal(points[near].shape)
            points = np.clip(points, space.low, space.high)
        mean, square = np.zeros_like(points), np.zeros_like(points)
        for step in range(1, options.steps + 1):
            met.look(points)
            yield True
            slopes = width * space.joined(space.objective.gradient(space.split(points), penalty))
            mean = MOMENTUM * mean + (1 - MOMENTUM) * slopes
            square = SCALING * square + (1 - SCALING) * slopes**2
            move = mean / (1 - MOMENTUM**step) / (np.sqrt(square / (1 - SCALING**step)) + TINY)
            rate = options.rate * (1 - step / (options.steps + 1))
            points = np.clip(points - rate * width * move, space.low, space.high)
        penalty *= 2.0
