"""Bounds by programs on the CartPole models: units left unstable, seconds, what each trick saves, and the speed-up.

    python benchmarks/lp_bounds.py --horizons 5 10 --repeats 3

The second table compares one round of `lp` with programs solved one by one over the same walk: `cold` keeps the arrays
and solves each side from scratch with presolve, `rebuilt` also writes the arrays anew for each side. The three take
turns within a repetition and ratios are formed within it; figures are min / median / max over the repetitions.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import relu2mip as r2m
from relu2mip.arrays import Array, Index
from relu2mip.bounds import Bounds, Crown, Lp, compute_bounds
from relu2mip.bounds.lp import TRIANGLE
from relu2mip.bounds.walk import rounds
from relu2mip.formulations.relaxed_model import relaxed_model
from relu2mip.lp.duals import SafeMinimum
from relu2mip.lp.persistent import DUAL, PersistentLp
from relu2mip.lp.tally import Tally
from relu2mip.normal_form import NormalForm, Relu
from relu2mip.pipeline.specs import resolve_bounds
from relu2mip.unrolled.unrolled import Unrolled

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "cartpole"
MODELS = ("dynamics", "dynamics_2x16", "dynamics_2x32")
METHODS = ("ibp", "crown", "crown+lp", "crown+lp(goal=sign)", "crown+lp(scope=full)", "crown+lp+mip")
COUNTS = ("programs", "tightened", "filtered", "settled", "unvisited", "iterations", "failures")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--horizons", type=int, nargs="+", default=[5, 10])
    parser.add_argument("--methods", nargs="+", default=METHODS, help='such as "crown+lp(budget=5s)"')
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    warm = load("dynamics", 2).unrolled
    compute_bounds(warm, resolve_bounds("crown+lp+mip"))
    for model in options.models:
        for horizon in options.horizons:
            unrolled = load(model, horizon).unrolled
            print(f"\n{model}, horizon {horizon}: {unrolled.form.relu_units} ReLUs")
            for spec in options.methods:
                method_row(unrolled, spec)
            speed_up(unrolled, options.repeats)


def load(model: str, horizon: int) -> r2m.Trajectory:
    problem = r2m.Trajectory.from_toml(EXAMPLE / "problem.toml")
    return replace(problem, net=r2m.load(EXAMPLE / f"{model}.onnx"), horizon=horizon)


def unstable(bounds: Bounds) -> int:
    inputs = [v.input for v in bounds.form.values if isinstance(v, Relu)]
    return sum(int(((bounds.lower[i] < 0) & (bounds.upper[i] > 0)).sum()) for i in inputs)


def method_row(unrolled: Unrolled, spec: str) -> None:
    begun = time.perf_counter()
    bounds = compute_bounds(unrolled, resolve_bounds(spec))
    seconds = time.perf_counter() - begun
    detail = bounds.provenance[-1].detail
    counts = ", ".join(f"{detail[name]:.0f} {name}" for name in COUNTS if detail.get(name))
    print(
        f"  {spec:22} {unstable(bounds):4} unstable  {mean_width(bounds):8.4f} mean width  {seconds:7.2f} s  {counts}"
    )


def mean_width(bounds: Bounds) -> float:
    """Of the pre-activations."""
    inputs = [v.input for v in bounds.form.values if isinstance(v, Relu)]
    return float(np.concatenate([bounds.upper[i] - bounds.lower[i] for i in inputs]).mean())


def speed_up(unrolled: Unrolled, repeats: int) -> None:
    crown = compute_bounds(unrolled, [Crown()])
    samples: dict[str, list[float]] = {"lp": [], "cold": [], "rebuilt": []}
    for _ in range(repeats):
        for name in samples:
            begun = time.perf_counter()
            if name == "lp":
                Lp(budget=1e9).tighten(unrolled, crown)
            else:
                rounds(unrolled, crown, one_by_one(unrolled, name == "rebuilt"), False, 1, 0.0, Tally())
            samples[name].append(time.perf_counter() - begun)
    print(f"  {'lp':8} {spread(samples['lp'])} s")
    for name in ("cold", "rebuilt"):
        ratios = [slow / fast for slow, fast in zip(samples[name], samples["lp"], strict=True)]
        print(f"  {name:8} {spread(samples[name])} s, {spread(ratios)} times as long")


def one_by_one(unrolled: Unrolled, rebuilt: bool) -> Any:
    """A visit that solves every side of every unit on its own, with HiGHS's defaults."""

    def program(form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], i: int) -> Any:
        relaxed = relaxed_model(unrolled, form, lower, upper, lambda _: TRIANGLE)
        model, columns, rows = relaxed.part(i)
        start = replace(relaxed.start, columns=relaxed.start.columns[columns], rows=relaxed.start.rows[rows])
        lp = PersistentLp()
        lp.load(model, start)
        lp.highs.setOptionValue("presolve", "choose")
        return lp, model, np.searchsorted(columns, relaxed.columns[i]), SafeMinimum(model)

    def visit(
        form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], i: int, units: Index
    ) -> tuple[Array, Array]:
        low, high = lower[i][units].copy(), upper[i][units].copy()
        lp, model, columns, safe = program(form, lower, upper, i)
        for k, unit in enumerate(units):
            for sign in (1.0, -1.0):
                if rebuilt:
                    lp, model, columns, safe = program(form, lower, upper, i)
                lp._objective(int(columns[unit]), sign)
                lp.highs.clearSolver()
                vertex = lp._solve(DUAL, 60.0)
                cost = np.zeros(model.columns)
                cost[columns[unit]] = sign
                bound = -np.inf if vertex.duals is None else safe(cost, vertex.duals)
                if sign > 0:
                    low[k] = max(low[k], bound)
                else:
                    high[k] = min(high[k], -bound)
        return low, high

    return visit


def spread(values: Sequence[float]) -> str:
    return " / ".join(f"{v:.2f}" for v in (min(values), float(np.median(values)), max(values)))


if __name__ == "__main__":
    main()
