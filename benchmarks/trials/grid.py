"""Formulations, backends and bounds, every combination, in an order drawn once."""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.trials.judge import Case

FORMULATIONS = [
    "big-m",
    "sos1",
    "indicator",
    "max-constraint",
    "complementarity",
    "ideal",
    "convex-hull",
    "partition",
    "regions",
    "policy",
]
BACKENDS = ["highs", "gurobi", "cvxpy"]
BOUNDS = [
    "ibp",
    "crown",
    "alpha-crown(iterations=20)",
    "crown+lp",
    "crown+lp(scope=full)",
    "crown+mip(budget=3)",
    "auto",
    "split",
    "crown+cutoff",
    "crown+cutoff+structure",
]
ONLY_GUROBI = {"complementarity"}


def combinations(backends: list[str] | None = None) -> list[tuple[str, str, str]]:
    """All that some backend takes, in a fixed random order."""
    every = [
        combination
        for combination in itertools.product(FORMULATIONS, backends or BACKENDS, BOUNDS)
        if combination[1] == "gurobi" or combination[0] not in ONLY_GUROBI
    ]
    return [every[k] for k in np.random.default_rng(0).permutation(len(every))]


def case_of(seed: int, backends: list[str] | None = None) -> Case:
    """The combination of a seed, in turn, with options drawn from it."""
    every = combinations(backends)
    rng = np.random.default_rng([seed, 2])
    return Case(
        *every[seed % len(every)],
        gap=float(rng.choice([1e-4, 1e-6])),
        start=bool(rng.random() < 0.2),
        seed=int(rng.integers(3)),
    )
