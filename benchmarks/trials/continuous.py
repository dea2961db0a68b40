"""Good plans of a problem with continuous controls: sampled, then improved by random steps that grow and shrink."""

from __future__ import annotations

import numpy as np

import relu2mip as r2m
from benchmarks.trials.plans import Plans, evaluated


def searched(problem: r2m.Trajectory, seed: int, samples: int = 2000, rounds: int = 60, kept: int = 40) -> Plans:
    """Plans of which the best are near local optima; all of them respect the box of controls."""
    rng = np.random.default_rng([seed, 3])
    low, high = problem.control_limits
    first = rng.uniform(low, high, (samples, *low.shape))
    at_ends = rng.random(first.shape) < 0.3
    first = np.where(at_ends, np.where(rng.random(first.shape) < 0.5, low, high), first)
    first[0] = (low + high) / 2
    found = evaluated(problem, first)
    every = [first]
    pool = first[np.argsort(_score(found))[:kept]]
    scores = np.sort(_score(found))[:kept]
    size = np.full((kept, 1, 1), 0.3)
    for _ in range(rounds):
        mask = rng.random(pool.shape) < 0.5
        step = rng.normal(size=pool.shape) * size * (high - low) * mask
        trial = np.clip(pool + step, low, high)
        new = _score(evaluated(problem, trial, found))
        better = new < scores
        pool = np.where(better[:, None, None], trial, pool)
        scores = np.where(better, new, scores)
        size = np.where(better[:, None, None], size * 1.5, size * 0.8)
    return evaluated(problem, np.concatenate([*every, pool]), found)


def _score(plans: Plans) -> np.ndarray:
    """The cost, with a penalty for leaving the sets that outweighs any cost."""
    return plans.costs + np.where(plans.violation > 0, 10 * plans.spread * (1 + plans.violation), 0.0)
