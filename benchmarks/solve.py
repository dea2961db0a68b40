"""Solve time beside other tools: the same problems, gap, limit and one thread, tools taking turns.

    python benchmarks/solve.py --widths 8 16 --horizons 5 --costs l1 --time-limit 60 --json solve.json

Problems are random 2×W dynamics networks and the CartPole models of examples/ with continuous force, with L1 and
quadratic costs. Every tool builds and solves each problem before the next; times are build (bounds included) plus
solve. A tool that refuses a problem (a licence that is too small, a cost that its solver does not take) is left out of
that problem's ratios, and the reason is printed; where several say they solved it, their objectives must agree.

Summary: shifted geometric mean (shift 1 s) of the total time and of the solver's part, with a run that hits the limit
counted as the limit; the paired ratio to each tool, over the problems that both took and either solved; and a
performance profile, the share of problems each tool solves within a factor of the fastest.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import sys
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


@dataclasses.dataclass(frozen=True)
class Run:
    """What a tool did with a problem: NaN seconds where it refused it, the limit where it did not solve it."""

    total: float
    solve: float
    solved: bool
    note: str


def main() -> int:
    """Run and print; 1 where two tools disagree about an optimum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32])
    parser.add_argument("--horizons", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--costs", nargs="+", choices=["l1", "quadratic"], default=["l1", "quadratic"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--gap", type=float, default=1e-4)
    parser.add_argument("--tools", nargs="*", default=None, metavar="TOOL")
    parser.add_argument("--no-cartpole", action="store_true")
    parser.add_argument("--no-random", action="store_true")
    parser.add_argument("--json", type=Path, default=None, metavar="FILE", help="write every run there too")
    options = parser.parse_args()
    installed, missing = tools.load(tools.PEERS)
    tools.announce(installed, missing)
    solvers: dict[str, Solve] = {
        "relu2mip, HiGHS": lambda p, limit, gap: solve_ours(p, "highs", limit, gap),
        "relu2mip, Gurobi": lambda p, limit, gap: solve_ours(p, "gurobi", limit, gap),
        **{name: peer(module) for name, module in installed.items()},
    }
    chosen = {name: s for name, s in solvers.items() if options.tools is None or name in options.tools}
    runs: dict[str, dict[str, Run]] = {}
    agree = True
    with tempfile.TemporaryDirectory() as folder:
        for name, problem in problems(Path(folder), options):
            print(name, flush=True)
            optima = []
            runs[name] = {}
            for tool, solve in chosen.items():
                run, outcome = timed(solve, problem, options.time_limit, options.gap)
                runs[name][tool] = run
                print(f"  {tool:24}{run.total:8.2f} s   {run.note}", flush=True)
                if run.solved:
                    optima.append(outcome.objective)
            if optima and max(optima) - min(optima) > 4 * options.gap * max(1.0, abs(min(optima))):
                print(f"  DISAGREEMENT: {min(optima):.6f} to {max(optima):.6f}", flush=True)
                agree = False
    if options.json is not None:
        plain = {name: {tool: dataclasses.asdict(run) for tool, run in each.items()} for name, each in runs.items()}
        options.json.write_text(json.dumps({"limit": options.time_limit, "runs": plain}, indent=1))
    summary(runs, list(chosen), options.time_limit)
    return 0 if agree else 1


def timed(solve: Solve, problem: Problem, limit: float, gap: float) -> tuple[Run, Outcome]:
    """Build and solve once."""
    begun = time.perf_counter()
    try:
        outcome = solve(problem, limit, gap)
    except (RuntimeError, r2m.Relu2MipError) as error:
        return Run(math.nan, math.nan, False, f"refused: {error}"[:110]), Outcome(math.inf, -math.inf, math.nan)
    spent = time.perf_counter() - begun
    closed = outcome.objective - outcome.bound <= 2 * gap * max(1e-9, abs(outcome.objective))
    solved = math.isfinite(outcome.objective) and closed and spent <= limit + 1
    note = f"{outcome.objective:.5f}, bound {outcome.bound:.5f}" + ("" if solved else "  (limit)")
    counted = min(spent, limit) if solved else limit
    return Run(counted, min(outcome.seconds, counted) if solved else limit, solved, note), outcome


def problems(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, Problem]]:
    """Random networks of every width and horizon, then the CartPole models with continuous force."""
    sizes = list(itertools.product(options.costs, options.widths, options.horizons))
    for cost, width, horizon in sizes if not options.no_random else []:
        for seed in options.seeds:
            problem = random_problem(folder, width, horizon, seed)
            yield (
                f"random 2×{width}, H = {horizon}, seed {seed}, {cost}",
                dataclasses.replace(problem, quadratic=cost == "quadratic"),
            )
    known = r2m.Trajectory.from_toml(CARTPOLE / "problem.toml")
    low, high = known.state_limits
    for cost, width, horizon in sizes if not options.no_cartpole else []:
        file = CARTPOLE / ("dynamics.onnx" if width == 8 else f"dynamics_2x{width}.onnx")
        if file.exists():
            yield (
                f"cartpole 2×{width}, H = {horizon}, {cost}",
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
                    quadratic=cost == "quadratic",
                ),
            )


def solve_ours(problem: Problem, backend: str, limit: float, gap: float) -> Outcome:
    """The default bounds and formulation; the solver gets what is left of the limit.

    Gurobi's licence from pip takes 200 columns beside a square, so there the squares are cut.
    """
    if problem.quadratic and backend == "gurobi":
        backend = "gurobi(quadratic=cuts)"
    begun = time.perf_counter()
    compiled = r2m.compile(ours.trajectory(problem))
    left = max(limit - (time.perf_counter() - begun), 0.1)
    try:
        answer = compiled.solve(backend, time_limit=left, gap=gap, threads=1)
    except r2m.errors.NoIncumbent as error:
        return Outcome(math.inf, error.bound, left)
    return Outcome(answer.objective, answer.bound, answer.seconds)


def peer(module: Any) -> Solve:
    """Another tool's build and solve."""
    return lambda problem, limit, gap: module.solve(module.build(problem), limit, gap)


def summary(runs: dict[str, dict[str, Run]], names: list[str], limit: float) -> None:
    """Shifted geometric means, paired ratios, performance profile."""
    total, solver, solved = (
        np.array([[getattr(each[name], field) for each in runs.values()] for name in names], dtype=float)
        for field in ("total", "solve", "solved")
    )
    fastest = np.nanmin(total, axis=0)
    print(f"\n{len(runs)} problems, limit {limit:g} s")
    header = "".join(f"within {factor:>3}x  " for factor in FACTORS)
    print(f"{'':26}taken  solved  mean total s  mean solver s   {header}")
    for k, name in enumerate(names):
        taken = ~np.isnan(total[k])
        if not taken.any():
            print(f"{name:26}    0")
            continue
        means = [math.exp(np.log(times[k][taken] + 1.0).mean()) - 1.0 for times in (total, solver)]
        within = [((total[k] <= factor * fastest) & (solved[k] > 0)).mean() for factor in FACTORS]
        profile = "".join(f"{share:10.0%}  " for share in within)
        print(f"{name:26}{taken.sum():5d}  {int(solved[k].sum()):6d}  {means[0]:12.2f}  {means[1]:13.2f}   {profile}")
    print(
        "\ntimes faster than each tool: geometric mean of paired ratios (smallest / largest), on problems either solved"
    )
    for i, mine in enumerate(names):
        for j, other in enumerate(names):
            both = ~np.isnan(total[i] + total[j]) & ((solved[i] + solved[j]) > 0)
            if mine.startswith("relu2mip") and i != j and both.any():
                ratios = total[j][both] / total[i][both]
                spread = f"({ratios.min():.2f} / {ratios.max():.0f}), {both.sum()} problems"
                print(f"  {mine:18} against {other:24} {math.exp(np.log(ratios).mean()):8.2f}   {spread}")


if __name__ == "__main__":
    sys.exit(main())
