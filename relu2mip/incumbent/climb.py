"""Projected gradient descent with Adam's steps, from many starts at once, through the form's vector-Jacobian product.

Source: Kingma, Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array
from relu2mip.incumbent.space import Space
from relu2mip.runtime.deadline import expired, limited
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
    chosen, space = options or Climbing(), Space.of(objective, box, block)
    rng, best, penalty = np.random.default_rng(chosen.seed), start, PENALTY * objective.unit
    width = space.high - space.low
    with limited(seconds):
        for _ in range(chosen.restarts):
            points = rng.uniform(space.low, space.high, (chosen.starts, space.low.size))
            points[0] = (space.low + space.high) / 2
            if best is not None:
                points[0] = space.joined(best.inputs)
                near = slice(1, 1 + max(1, chosen.starts // 4))
                points[near] = points[0] + NEAR * width * rng.standard_normal(points[near].shape)
                points = np.clip(points, space.low, space.high)
            mean, square = np.zeros_like(points), np.zeros_like(points)
            for step in range(1, chosen.steps + 1):
                best = space.plans(points).best(best)
                if expired():
                    return best
                slopes = width * space.joined(objective.gradient(space.split(points), penalty))
                mean = MOMENTUM * mean + (1 - MOMENTUM) * slopes
                square = SCALING * square + (1 - SCALING) * slopes**2
                move = mean / (1 - MOMENTUM**step) / (np.sqrt(square / (1 - SCALING**step)) + TINY)
                rate = chosen.rate * (1 - step / (chosen.steps + 1))
                points = np.clip(points - rate * width * move, space.low, space.high)
            penalty *= 2.0
    assert best is not None
    return best
