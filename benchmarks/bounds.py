"""Bound methods side by side: unstable units, mean width, time, and the solve each leads to.

    python benchmarks/bounds.py                     # example models, and the networks of ../shared/nets where present
    python benchmarks/bounds.py --methods ibp crown auto --backends highs gurobi --time-limit 60
    python benchmarks/bounds.py --pays --time-limit 20 --only push-t   # what `auto` costs against `crown`

Every instance runs all methods in turn before the next instance, on one thread. The last table has, for each backend,
the geometric mean over the example models of total time (bounds + solve) relative to interval bounds alone; a solve
that hits the limit counts with the limit.

`--pays` runs the problems of benchmarks/planning.py with `crown` and `auto` in turn, each repeat with another seed of
the solver, and prints the ratio of their total seconds (compiling included) as min / median / max, and the bounds where
the limit came first. Seconds are those of the processor, so that a busy machine counts for little; limits are on the
same clock (the solver's own limit is on the wall).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import relu2mip as r2m
from relu2mip.bounds import Bounds
from relu2mip.errors import Relu2MipError
from relu2mip.normal_form import Relu
from relu2mip.runtime.deadline import limited

ROOT = Path(__file__).resolve().parents[1]
NETS = ROOT.parent / "shared" / "nets"
MODELS = (("dynamics.onnx", 5), ("dynamics.onnx", 10), ("dynamics_2x16.onnx", 5), ("dynamics_2x16.onnx", 10))


def examples() -> Iterator[tuple[str, r2m.Trajectory]]:
    """CartPole models of three sizes, with discrete and with continuous force, L1 and quadratic costs."""
    base = r2m.Trajectory.from_toml(ROOT / "examples" / "cartpole" / "problem.toml")
    cost = r2m.costs.Quadratic(state=[0.1, 0.05, 1.0, 0.1], terminal=[0.0, 0.0, 5.0, 1.0])
    for file, horizon in MODELS:
        net = r2m.load(ROOT / "examples" / "cartpole" / file)
        name = f"{'2x8' if file == 'dynamics.onnx' else file[9:13]} H={horizon}"
        problem = dataclasses.replace(base, net=net, horizon=horizon, options={})
        yield f"cartpole {name}", problem
        yield f"cartpole {name} continuous", dataclasses.replace(problem, controls=r2m.Box(-1, 1))
        if horizon == 5:
            yield (
                f"cartpole {name} continuous quadratic",
                dataclasses.replace(problem, controls=r2m.Box(-1, 1), cost=cost),
            )


def boxes() -> Iterator[tuple[str, r2m.BoxProblem]]:
    """The public networks over their boxes; the objective is the first row of the unsafe set."""
    if not NETS.is_dir():
        return
    for box in json.loads((NETS / "boxes.json").read_text()):
        net = r2m.load(NETS / box["net"])
        row = box["unsafe_any_of"][0]["A"][0]
        yield box["name"][:44], r2m.BoxProblem(net, box["lower"], box["upper"], row)


def quality(bounds: Bounds) -> tuple[int, int, float]:
    """Units, unstable units, mean width of pre-activations."""
    sides = [(bounds.lower[v.input], bounds.upper[v.input]) for v in bounds.form.values if isinstance(v, Relu)]
    low, high = (np.concatenate([s[k] for s in sides]) for k in (0, 1))
    return low.size, int(((low < 0) & (high > 0)).sum()), float((high - low).mean())


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", default=["ibp", "crown", "crown+lp", "crown+cutoff", "auto"])
    parser.add_argument("--backends", nargs="+", default=["highs", "gurobi"])
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--instances", nargs="+", choices=["examples", "boxes"], default=["examples", "boxes"])
    parser.add_argument("--pays", action="store_true", help="crown against auto on the planning problems")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the names of the instances")
    args = parser.parse_args()
    if args.pays:
        for backend in args.backends:
            pays(backend, args.only, args.repeats, args.time_limit)
        return
    totals: dict[tuple[str, str], dict[str, float]] = {}
    sources = {"examples": examples, "boxes": boxes}
    print(f"{'instance':46} {'method':14} unstable/units  mean width  bounds s  solve s (objective)")
    for source in args.instances:
        for name, problem in sources[source]():
            for method in args.methods:
                begun = time.perf_counter()
                try:
                    compiled = r2m.compile(problem, bounds=method)
                except Relu2MipError as error:
                    print(f"{name:46} {method:14} {type(error).__name__}: {error}")
                    continue
                seconds = time.perf_counter() - begun
                units, unstable, width = quality(compiled.all_bounds)
                line = f"{name:46} {method:14} {unstable:6d} /{units:6d} {width:11.4g} {seconds:9.3f} "
                for backend in args.backends:
                    solve_seconds, note = solve(compiled, backend, args.time_limit)
                    line += f"  {backend} {solve_seconds:.2f} ({note})"
                    if source == "examples" and not math.isnan(solve_seconds):
                        totals.setdefault((method, backend), {})[name] = seconds + solve_seconds
                print(line, flush=True)
    print("\ntotal time relative to ibp on the example models, geometric mean (smallest / largest ratio)")
    for (method, backend), values in totals.items():
        base = totals.get(("ibp", backend), {})
        ratios = np.array([base[name] / seconds for name, seconds in values.items() if name in base])
        if ratios.size:
            mean, ends = math.exp(np.log(ratios).mean()), f"{ratios.min():.2f} / {ratios.max():.2f}"
            print(f"  {backend:8} {method:14} {mean:6.2f} times faster  ({ends}), {ratios.size} instances")


def pays(backend: str, only: str, repeats: int, limit: float) -> None:
    """Print what `auto` costs against `crown`, instance by instance."""
    import planning

    print(f"{backend}: {'instance':36} {'unstable':>12} {'crown s':>8} {'auto s':>8}  auto / crown: min / median / max")
    for name, problem in planning.instances():
        if only not in name:
            continue
        ratios, seconds, notes, unstable = [], [], [], []
        for seed in range(repeats):
            totals = []
            for method in ("crown", "auto"):
                begun = time.process_time()
                with limited(1e9, clock=time.process_time):
                    compiled = r2m.compile(problem, bounds=method)
                try:
                    answer = compiled.solve(backend, time_limit=limit, threads=1, seed=seed)
                    notes.append("" if answer.status == "optimal" else f"{method} bound {answer.bound:.5g}")
                except Relu2MipError as error:
                    notes.append(f"{method} {type(error).__name__}")
                totals.append(time.process_time() - begun)
                unstable.append(compiled.all_bounds.unstable)
            ratios.append(totals[1] / totals[0])
            seconds.append(totals)
        first, second = np.median(seconds, axis=0)
        spread = f"{min(ratios):.2f} / {np.median(ratios):.2f} / {max(ratios):.2f}"
        counts = f"{unstable[0]} -> {unstable[1]}"
        print(
            f"{name:44} {counts:>12} {first:8.2f} {second:8.2f}  {spread}  {'; '.join(filter(None, notes))}", flush=True
        )


def solve(compiled: r2m.Compiled, backend: str, limit: float) -> tuple[float, str]:
    """Seconds and the objective, or what happened instead; NaN where the backend cannot take the model."""
    begun = time.perf_counter()
    try:
        answer = compiled.solve(backend, time_limit=limit, threads=1)
        note = f"{answer.objective:.5g}" + ("" if answer.status == "optimal" else f", gap {answer.gap:.0%}")
    except r2m.errors.NoIncumbent:
        return limit, "no plan"
    except r2m.errors.BackendUnavailable:
        return math.nan, "over the licence"
    return min(time.perf_counter() - begun, limit), note


if __name__ == "__main__":
    main()
