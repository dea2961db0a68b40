"""Plans through a large network: pushing a T with 768 ReLUs a step, 20 steps, two published cases.

    python benchmarks/plans.py --seconds 30                # without obstacles
    python benchmarks/plans.py --seconds 60 --obstacles    # with the two published ones

The cost is the L1 distance of the four keypoints from their targets after the last step. In turn, each with so many
seconds: `Portfolio`, the plan finder; and MPPI and the cross-entropy method as in pytorch_mppi and pytorch_icem (one
round of 2,000 samples after the other, warm-started by the last), written here on the same evaluations of the model.
With obstacles, a plan's cost counts only where no point of the T enters one; beside it stands the published cost of
BaB-ND (Shen et al., ICLR 2025), which took 20 s of a GPU. Also printed: the share of the portfolio's time in matrix
products. Reads ../shared/nets/push_t.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import relu2mip as r2m
from relu2mip.incumbent.portfolio import Portfolio
from relu2mip.unrolled.objective import Objective

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "nets" / "push_t"
SAMPLES, STEPS = 2000, 20
Array = NDArray[np.float64]


def posed(case: int, obstacles: bool) -> tuple[r2m.Trajectory, dict]:
    """A published case, with its obstacles kept out of by six points of the T and the pusher."""
    given = json.loads((FOLDER / f"case{case}.json").read_text())
    pusher, start = np.array(given["pusher"]), np.array(given["start_keypoints"])
    seen = np.zeros((12, 10))
    for k, parts in enumerate([(), (0,), (1,), (2,), (3,), (1, 3)]):
        seen[2 * k : 2 * k + 2, 8:] = np.eye(2)
        for point in parts:
            seen[2 * k : 2 * k + 2, 2 * point : 2 * point + 2] = np.eye(2) / len(parts)
    kept_out = [
        r2m.Outside(r2m.Ball(one["centre"], one["inflated"], faces=32), (seen, np.zeros(12)), name=f"obstacle {k}")
        for k, one in enumerate(given["obstacles"])
    ]
    keypoints = np.hstack([np.eye(8), np.tile(np.eye(2), (4, 1))])
    problem = r2m.Trajectory(
        r2m.load(FOLDER / "dynamics_768.onnx"), STEPS, np.r_[start - np.tile(pusher, 4), pusher], r2m.Box(-0.25, 0.25),
        "change", states=r2m.Box(-9, 9),
        cost=r2m.costs.L1(target=given["target_keypoints"], terminal=1.0, keypoints=(keypoints, np.zeros(8))),
        constraints=kept_out if obstacles else [],
    )  # fmt: skip
    return problem, given


class Sampler:
    """Costs of batches of controls (B, H, m); what leaves a set costs a penalty."""

    def __init__(self, objective: Objective, problem: r2m.Trajectory) -> None:
        self.objective, self.shape = objective, (problem.horizon, problem.m)
        self.box = objective.box
        self.start = problem.initial_state
        self.best = np.inf

    def __call__(self, controls: Array) -> Array:
        batch = {f"control@{t}": controls[:, t] for t in range(self.shape[0])}
        for name, (low, _) in self.box.items():
            if name not in batch:
                batch[name] = np.tile(low, (len(controls), 1))
        cost, violation = self.objective.evaluate(batch)
        self.best = min(self.best, float(np.where(violation <= 1e-6, cost, np.inf).min()))
        return np.asarray(cost + 1e3 * np.maximum(violation, 0.0))


def mppi(cost: Sampler, seconds: float, seed: int) -> float:
    """Softmax of costs over Gaussian noise around the mean; temperature a tenth of the spread of costs."""
    rng, begun = np.random.default_rng(seed), time.perf_counter()
    mean = np.zeros(cost.shape)
    while time.perf_counter() - begun < seconds:
        tried = np.clip(mean + 0.1 * rng.normal(size=(SAMPLES, *cost.shape)), -0.25, 0.25)
        tried[0] = mean
        costs = cost(tried)
        weights = np.exp(-(costs - costs.min()) / max(1e-9, 0.1 * np.median(costs - costs.min())))
        mean = np.tensordot(weights / weights.sum(), tried, axes=1)
    return cost.best


def cem(cost: Sampler, seconds: float, seed: int) -> float:
    """The best twentieth of each round makes mean and deviation of the next; it starts anew where it has settled."""
    rng, begun = np.random.default_rng(seed), time.perf_counter()
    mean, spread = np.zeros(cost.shape), np.full(cost.shape, 0.15)
    while time.perf_counter() - begun < seconds:
        tried = np.clip(mean + spread * rng.normal(size=(SAMPLES, *cost.shape)), -0.25, 0.25)
        elites = tried[np.argsort(cost(tried))[: SAMPLES // 20]]
        mean, spread = elites.mean(axis=0), elites.std(axis=0) + 1e-3
        if spread.max() < 3e-3:
            mean, spread = np.zeros(cost.shape), np.full(cost.shape, 0.15)
    return cost.best


def portfolio(problem: r2m.Trajectory, seconds: float, seed: int) -> float:
    """The plan finder."""
    plan = Portfolio.of(problem.unrolled, None, seed, problem.m).run(seconds)
    return plan.cost if plan.feasible else np.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--obstacles", action="store_true")
    options = parser.parse_args()
    print(f"{'case':>4} {'seed':>4} {'portfolio':>10} {'mppi':>8} {'cem':>8} {'published':>10}")
    for seed in options.seeds:
        for case in (0, 1):
            problem, given = posed(case, options.obstacles)
            finders: list[Callable[[Sampler, float, int], float]] = [mppi, cem]
            found = [portfolio(problem, options.seconds, seed)]
            found += [f(Sampler(problem.unrolled.objective(), problem), options.seconds, seed) for f in finders]
            published = given["published"]["CROWN"]["planned_cost"] if options.obstacles else np.nan
            print(f"{case:4d} {seed:4d} {found[0]:10.4f} {found[1]:8.4f} {found[2]:8.4f} {published:10.3f}", flush=True)


if __name__ == "__main__":
    main()
