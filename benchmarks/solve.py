"""Solve time beside other tools: the same problems, gap, limit and one thread, tools taking turns.

    python benchmarks/solve.py --widths 8 16 --horizons 5 --seeds 0 1 --time-limit 60

Problems are random 2×W dynamics networks and the CartPole models of examples/, with an L1 cost. Every tool builds and
solves each problem before the next; times are build (bounds included) plus solve. Summary: shifted geometric mean
(shift 1 s) of the total time, with a run that hits the limit counted as the limit, the paired ratio to each tool, and a
performance profile: the share of problems each tool solves within a factor of the fastest.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ours
import tools
from problems import Outcome, Problem, random_problem

import relu2mip as r2m

CARTPOLE = Path(__file__).resolve().parents[1] / "examples" / "cartpole"
FACTORS = (1, 2, 5, 10, 100)
Solve = Callable[[Problem, float, float], Outcome]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--horizons", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--tools", nargs="*", default=None, metavar="TOOL")
    parser.add_argument("--no-cartpole", action="store_true")
    options = parser.parse_args()
    installed, missing = tools.load(tools.PEERS)
    tools.announce(installed, missing)
    solvers: dict[str, Solve] = {
        "relu2mip, HiGHS": lambda p, limit, gap: solve_ours(p, "highs", limit, gap),
        "relu2mip, Gurobi": lambda p, limit, gap: solve_ours(p, "gurobi", limit, gap),
        **{name: peer(module) for name, module in installed.items()},
    }
    chosen = {name: s for name, s in solvers.items() if options.tools is None or name in options.tools}
    seconds: dict[str, list[float]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as folder:
        for name, problem in problems(Path(folder), options):
            print(name, flush=True)
            best = math.inf
            for tool, solve in chosen.items():
                begun = time.perf_counter()
                try:
                    outcome = solve(problem, options.time_limit, options.gap)
                    best = min(best, outcome.objective)
                    spent = min(time.perf_counter() - begun, options.time_limit)
                    solved = outcome.objective - outcome.bound <= 2 * options.gap * max(1e-9, abs(outcome.objective))
                    note = f"{outcome.objective:.5f}, bound {outcome.bound:.5f}" + ("" if solved else "  (limit)")
                    spent = spent if solved else options.time_limit
                except (RuntimeError, r2m.Relu2MipError) as error:
                    spent, note = options.time_limit, f"{type(error).__name__}: {error}"[:90]
                seconds[tool].append(spent)
                print(f"  {tool:24}{spent:8.2f} s   {note}", flush=True)
    summary(seconds, options.time_limit)


def problems(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, Problem]]:
    """Random networks of every width and horizon, then the CartPole models with continuous force."""
    for width in options.widths:
        for horizon in options.horizons:
            for seed in options.seeds:
                yield f"random 2×{width}, H = {horizon}, seed {seed}", random_problem(folder, width, horizon, seed)
    if options.no_cartpole:
        return
    known = r2m.Trajectory.from_toml(CARTPOLE / "problem.toml")
    low, high = known.state_limits
    for width in options.widths:
        file = CARTPOLE / ("dynamics.onnx" if width == 8 else f"dynamics_2x{width}.onnx")
        for horizon in options.horizons if file.exists() else []:
            yield (
                f"cartpole 2×{width}, H = {horizon}",
                Problem(
                    network=file,
                    horizon=horizon,
                    initial_state=known.initial_limits[0][0],
                    state_lower=low[0],
                    state_upper=high[0],
                    control_lower=np.array([-1.0]),
                    control_upper=np.array([1.0]),
                    target=np.zeros(4),
                    state_weight=np.array([0.1, 0.05, 1.0, 0.1]),
                    control_weight=np.array([0.01]),
                ),
            )


def solve_ours(problem: Problem, backend: str, limit: float, gap: float) -> Outcome:
    """The default bounds and formulation; bounds count."""
    begun = time.perf_counter()
    trajectory = dataclasses.replace(ours.trajectory(problem))
    try:
        answer = r2m.solve(trajectory, backend, time_limit=limit, gap=gap, threads=1)
    except r2m.errors.NoIncumbent as error:
        return Outcome(math.inf, error.bound, time.perf_counter() - begun)
    return Outcome(answer.objective, answer.bound, time.perf_counter() - begun)


def peer(module: Any) -> Solve:
    """Another tool's build and solve."""
    return lambda problem, limit, gap: module.solve(module.build(problem), limit, gap)


def summary(seconds: dict[str, list[float]], limit: float) -> None:
    """Shifted geometric means, paired ratios, performance profile."""
    table = np.array(list(seconds.values()))
    fastest = table.min(axis=0)
    print(f"\n{table.shape[1]} problems, limit {limit:g} s")
    header = "".join(f"within {factor:>3}x  " for factor in FACTORS)
    print(f"{'':26}shifted mean s   solved   {header}")
    for name, row in zip(seconds, table, strict=True):
        mean = math.exp(np.log(row + 1.0).mean()) - 1.0
        profile = "".join(f"{((row <= factor * fastest) & (row < limit)).mean():10.0%}  " for factor in FACTORS)
        print(f"{name:26}{mean:14.2f}   {int((row < limit).sum()):6d}   {profile}")
    print("\ntimes faster than each tool, geometric mean of paired ratios (smallest / largest)")
    for ours_name in [name for name in seconds if name.startswith("relu2mip")]:
        for other in seconds:
            if other != ours_name:
                ratios = np.array(seconds[other]) / np.array(seconds[ours_name])
                mean = math.exp(np.log(ratios).mean())
                print(f"  {ours_name:18} against {other:24} {mean:9.2f}   ({ratios.min():.2f} / {ratios.max():.2f})")


if __name__ == "__main__":
    main()
