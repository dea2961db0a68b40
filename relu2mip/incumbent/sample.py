"""Cross-entropy sampling: draw points, keep the best share, fit the next distribution to it.

Source: Rubinstein, Kroese, The Cross-Entropy Method (2004); for planning through learned dynamics Chua et al.,
"Deep Reinforcement Learning in a Handful of Trials using Probabilistic Dynamics Models" (NeurIPS 2018).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array
from relu2mip.runtime.deadline import expired, limited
from relu2mip.unrolled.objective import Batch, Objective
from relu2mip.unrolled.plan import FEASIBLE, Plan

HASTE = 8
"""Of how many points one is tried where no time is left at all."""


@dataclass(frozen=True)
class Sampling:
    """How hard to sample: points a round, share kept, rounds, and how much of the old distribution stays."""

    samples: int = 512
    elites: int = 32
    rounds: int = 12
    inertia: float = 0.0
    seed: int = 0


def cross_entropy(
    objective: Objective,
    box: dict[str, tuple[Array, Array]],
    options: Sampling | None = None,
    seconds: float = math.inf,
) -> Plan:
    """The best point found over the box of inputs; infeasible only if no sample was feasible.

    seconds: after which no further round begins, or sooner where the budget around it ends.

    Points are ranked by violation first where they have one, then by cost. The first round is uniform in the box, its
    first half at random corners, where bang-bang plans are.
    """
    with limited(seconds):
        return _sampled(objective, box, options or Sampling())


def _sampled(objective: Objective, box: dict[str, tuple[Array, Array]], options: Sampling) -> Plan:
    rng = np.random.default_rng(options.seed)
    names = list(box)
    low, high = (np.concatenate([box[name][side] for name in names]) for side in (0, 1))
    ends = np.cumsum([0, *(box[name][0].size for name in names)])
    points = rng.uniform(low, high, (options.samples, low.size))
    half = options.samples // 2
    points[:half] = np.where(rng.random((half, low.size)) < 0.5, low, high)
    if expired():
        points = points[::HASTE]
    mean, spread = (low + high) / 2, (high - low) / 2
    best: Plan | None = None
    for _ in range(options.rounds):
        if best is not None and expired():
            break
        batch = objective.snap({n: points[:, a:b] for n, a, b in zip(names, ends[:-1], ends[1:], strict=True)})
        cost, violation = objective.evaluate(batch)
        order = np.lexsort((cost, np.where(violation > FEASIBLE, violation, 0.0)))
        found = _pick(batch, int(order[0]), cost, violation)
        best = found if found.better_than(best) else best
        elite = np.concatenate([batch[name] for name in names], axis=1)[order[: options.elites]]
        mean = options.inertia * mean + (1 - options.inertia) * elite.mean(axis=0)
        spread = options.inertia * spread + (1 - options.inertia) * elite.std(axis=0)
        points = np.clip(rng.normal(mean, spread + 1e-12, points.shape), low, high)
        points[0] = np.concatenate([best.inputs[name] for name in names])  # type: ignore[union-attr]
    assert best is not None
    return best


def _pick(batch: Batch, k: int, cost: Array, violation: Array) -> Plan:
    return Plan({name: x[k].copy() for name, x in batch.items()}, float(cost[k]), float(violation[k]))
