"""Model-predictive path integral: draw noise around a plan, and move the plan by the noise, weighed by what it costs.

    u  <-  u + sum_k w_k e_k,      w_k  proportional to  exp(-(c_k - min c) / lambda)

with lambda a share of the costs' spread, so that it needs no tuning to their units. Leaving a set costs a penalty.

Source: Williams et al., "Information Theoretic MPC for Model-Based Reinforcement Learning" (ICRA 2017).
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

PENALTY = 10.0
"""Price of leaving a set by its whole range, in units of the objective."""


@dataclass(frozen=True)
class PathIntegral:
    """samples: a round.  rounds: most of them.  temperature: lambda as a share of the standard deviation of the costs.

    noise: its standard deviation as a share of the box.  correlation: of the noise of a control at two steps that
    follow each other.
    """

    samples: int = 512
    rounds: int = 40
    temperature: float = 0.1
    noise: float = 0.25
    correlation: float = 0.5
    seed: int = 0


def path_integral(
    objective: Objective,
    box: Mapping[str, tuple[Array, Array]],
    options: PathIntegral | None = None,
    seconds: float = math.inf,
    start: Plan | None = None,
    block: int = 0,
) -> Plan:
    """The best point met, samples and plans between the rounds alike; the start where nothing is better."""
    met = Met(Space.of(objective, box, block), start)
    return run(integrated(met, options or PathIntegral()), met, seconds)


def integrated(met: Met, options: PathIntegral, near: bool = False) -> Iterator[bool]:
    """The rounds of a path integral, one at a time. near: each begins at the best plan met by anyone."""
    space, rng = met.space, np.random.default_rng(options.seed)
    known = met.point
    centre = (space.low + space.high) / 2 if known is None else known
    width = options.noise * (space.high - space.low)
    for _ in range(options.rounds):
        if near and met.point is not None:
            centre = met.point
        noise = width * space.noise(rng, options.samples, options.correlation)
        noise[0] = 0.0
        points = np.clip(centre + noise, space.low, space.high)
        batch = met.look(points)
        yield True
        price = batch.cost + PENALTY * space.objective.unit * batch.violation
        spread = float(price.std())
        weights = np.exp(-(price - price.min()) / (options.temperature * spread or 1.0))
        centre = weights @ points / weights.sum()
