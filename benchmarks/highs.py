"""HiGHS on planning problems: where its plans come from, and its own options, every variant in turn for each seed.

    python benchmarks/highs.py                                              # incumbents off, auto, on
    python benchmarks/highs.py --horizons 20 --seeds 2
    python benchmarks/highs.py --variants "highs" --set presolve=off --set mip_allow_restart=false

Each `--set` adds a variant: the default backend with that option of HiGHS's own. CartPole models with discrete and with
continuous force and random networks, `crown` bounds, one thread. Processor seconds, finding a plan included, the
objective of the plan (nan: none before the limit) and the bound.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ours import trajectory
from problems import random_problem

import relu2mip as r2m
from relu2mip.backends.highs import HighsBackend
from relu2mip.mip import MipModel
from relu2mip.mip.run import run
from relu2mip.pipeline.specs import resolve_backend

CARTPOLE = Path(__file__).resolve().parents[1] / "examples" / "cartpole"
NETWORKS = {8: "dynamics.onnx", 16: "dynamics_2x16.onnx", 32: "dynamics_2x32.onnx"}


@dataclasses.dataclass(frozen=True)
class WithOption(HighsBackend):
    """HiGHS with one more of its own options."""

    option: str = ""

    def _native(self, model: MipModel, named: bool = False) -> Any:
        highs, (name, value) = super()._native(model, named), self.option.split("=")
        kind = type(highs.getOptionValue(name)[1])
        highs.setOptionValue(name, value == "true" if kind is bool else kind(value))
        return highs


def instances(widths: list[int], horizons: list[int], folder: Path) -> Iterator[tuple[str, r2m.Trajectory]]:
    """Every width at every horizon, three problems each."""
    base = r2m.Trajectory.from_toml(CARTPOLE / "problem.toml")
    for width in widths:
        net = r2m.load(CARTPOLE / NETWORKS[width])
        for horizon in horizons:
            problem = dataclasses.replace(base, net=net, horizon=horizon, options={})
            yield f"cartpole 2x{width} H={horizon}", problem
            yield f"cartpole 2x{width} H={horizon} continuous", dataclasses.replace(problem, controls=r2m.Box(-1, 1))
            yield f"random 2x{width} H={horizon}", trajectory(random_problem(folder, width, horizon))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--widths", nargs="+", type=int, default=[8, 16], choices=list(NETWORKS))
    parser.add_argument("--horizons", nargs="+", type=int, default=[10])
    parser.add_argument(
        "--variants", nargs="*", default=["highs(incumbents=off)", "highs", "highs(incumbents=on)"], metavar="BACKEND"
    )
    parser.add_argument("--set", action="append", default=[], dest="options", metavar="NAME=VALUE")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--time-limit", type=float, default=20.0)
    args = parser.parse_args()
    variants = {spec: resolve_backend(spec) for spec in args.variants}
    variants |= {option: WithOption(option=option) for option in args.options}
    with tempfile.TemporaryDirectory() as folder:
        for name, problem in instances(args.widths, args.horizons, Path(folder)):
            model = r2m.compile(problem, bounds="crown").model
            found: dict[str, list[str]] = {label: [] for label in variants}
            for seed in range(args.seeds):
                for label, backend in variants.items():
                    begun = time.process_time()
                    options = r2m.SolveOptions(time_limit=args.time_limit, threads=1, seed=seed)
                    solution = run(model, backend, options)
                    seconds = time.process_time() - begun
                    found[label].append(f"{seconds:6.2f} s {solution.objective:9.5f} >= {solution.bound:9.5f}")
            for label, results in found.items():
                print(f"{name:34} {label:30} {' | '.join(results)}", flush=True)


if __name__ == "__main__":
    main()
