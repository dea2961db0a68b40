"""Cross-entropy sampling: draw points, keep the best share, fit the next distribution to it.

Source: Rubinstein, Kroese, The Cross-Entropy Method (2004); for planning through learned dynamics Chua et al.,
"Deep Reinforcement Learning in a Handful of Trials using Probabilistic Dynamics Models" (NeurIPS 2018), and with noise
that is correlated over time Pinneri et al., "Sample-efficient Cross-Entropy Method for Real-time Planning" (CoRL 2020).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array
from relu2mip.incumbent.space import Met, Space, run
from relu2mip.runtime.deadline import expired
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import Plan

HASTE = 8
"""Of how many points one is tried where no time is left at all."""

STILL = 1e-6
"""A distribution narrower than this, relative to the box, has nothing to find; the search begins anew."""


@dataclass(frozen=True)
class Sampling:
    """How hard to sample: points a round, share kept, rounds, and how much of the old distribution stays.

    correlation: of the noise of a control at two steps that follow each other.
    """

    samples: int = 512
    elites: int = 32
    rounds: int = 12
    inertia: float = 0.0
    seed: int = 0
    correlation: float = 0.0


def cross_entropy(
    objective: Objective,
    box: Mapping[str, tuple[Array, Array]],
    options: Sampling | None = None,
    seconds: float = math.inf,
    start: Plan | None = None,
    block: int = 0,
) -> Plan:
    """The best point found over the box of inputs, or the start; infeasible only if no sample was feasible.

    seconds: after which no further round begins, or sooner where the budget around it ends.  start: a plan around which
    half of the first round is drawn.  block: see `Space`.

    Points are ranked by violation first where they have one, then by cost. The first round is uniform in the box, its
    first half at random corners, where bang-bang plans are.
    """
    met = Met(Space.of(objective, box, block), start)
    return run(sampled(met, options or Sampling()), met, seconds)


def sampled(met: Met, options: Sampling) -> Iterator[bool]:
    """The rounds of the cross-entropy method, one at a time."""
    space = met.space
    rng, low, high = np.random.default_rng(options.seed), space.low, space.high
    points = _first(space, options, rng, met.point)
    if expired():
        points = points[::HASTE]
    mean, spread = (low + high) / 2, (high - low) / 2
    for _ in range(max(1, options.rounds)):
        batch = met.look(points)
        yield True
        elite = space.joined({n: x[batch.order[: options.elites]] for n, x in batch.inputs.items()})
        mean = options.inertia * mean + (1 - options.inertia) * elite.mean(axis=0)
        spread = options.inertia * spread + (1 - options.inertia) * elite.std(axis=0)
        if (spread <= STILL * (high - low)).all():
            points = _first(space, options, rng, met.point)
            mean, spread = (low + high) / 2, (high - low) / 2
        else:
            noise = space.noise(rng, options.samples, options.correlation)
            points = np.clip(mean + (spread + 1e-12) * noise, low, high)
        points[0] = met.point


def _first(space: Space, options: Sampling, rng: np.random.Generator, known: Array | None) -> Array:
    """The points of a first round."""
    low, high = space.low, space.high
    points = rng.uniform(low, high, (options.samples, low.size))
    half = options.samples // 2
    points[:half] = np.where(rng.random((half, low.size)) < 0.5, low, high)
    if known is not None:
        around = known + (high - low) / 4 * space.noise(rng, half, options.correlation)
        points[:half] = np.clip(around, low, high)
        points[0] = known
    return points
