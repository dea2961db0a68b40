"""How long and how large: relu2mip's compiler by itself, then its build time beside other tools.

    python benchmarks/compile.py --horizons 50 100 200 400 --peer-horizons 5 10 20 --repeats 7 --peers omlt

A build runs from the path of the ONNX file to the tool's own model, in this process, after imports and a
warm-up. The tools take turns within each repetition and ratios are formed within a repetition, so that a slow
spell of the machine falls on all. Every figure is min / median / max over the repetitions.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tools
from problems import Problem, random_layers, random_problem, write_network

WIDTH = 32
Samples = list[float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    horizons = [50, 100, 200, 400]
    parser.add_argument("--horizons", type=int, nargs="+", default=horizons, help="for relu2mip alone")
    parser.add_argument("--peer-horizons", type=int, nargs="+", default=[5, 10, 20], help="beside the peers")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--peers", nargs="*", choices=tools.PEERS, default=tools.PEERS, metavar="PEER")
    options = parser.parse_args()

    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {options.repeats} repetitions")
    installed, missing = tools.load([tools.OURS, *options.peers])
    tools.announce(installed, missing)
    with tempfile.TemporaryDirectory() as folder:
        problem = random_problem(Path(folder), WIDTH, horizon=1)
        if tools.OURS in installed:
            ours = installed[tools.OURS]
            horizon_table(ours, problem, options.horizons, options.repeats)
            resources(ours, max(options.horizons), options.repeats)
            interval_bounds(ours, Path(folder), options.repeats)
        peer_table(installed, problem, options.peer_horizons, options.repeats)


def horizon_table(ours: ModuleType, problem: Problem, horizons: Sequence[int], repeats: int) -> None:
    """Build and hand-over time of relu2mip by horizon."""
    warm = ours.build(replace(problem, horizon=2))
    warm.emit("highs")
    build: dict[int, Samples] = {horizon: [] for horizon in horizons}
    emit: dict[int, Samples] = {horizon: [] for horizon in horizons}
    calls: dict[int, Counter[str]] = {}
    for _ in range(repeats):
        for horizon in horizons:
            seconds, compiled = timed(ours.build, replace(problem, horizon=horizon))
            build[horizon].append(seconds)
            seconds, _native = timed(compiled.emit, "highs")
            emit[horizon].append(seconds)
    for horizon in horizons:
        compiled = ours.build(replace(problem, horizon=horizon))
        with counted_highs_calls() as counter:
            compiled.emit("highs")
        calls[horizon] = counter
    print(f"relu2mip, 2×{WIDTH} network, interval bounds, big-M")
    print(f"  {'H':>4}  {'ONNX to MipModel, s':26}{'hand-over to HiGHS, s':26}calls into HiGHS")
    for horizon in horizons:
        called = ", ".join(f"{count} {name}" for name, count in calls[horizon].items())
        print(f"  {horizon:4}  {spread(build[horizon]):26}{spread(emit[horizon]):26}{called}")
    if {100, 400} <= set(horizons):
        print(f"  time at H = 400 / at H = 100: {spread(ratios(build[400], build[100]), '.2f')}  (at most 5)")
    print()


def resources(ours: ModuleType, horizon: int, repeats: int) -> None:
    """Peak memory of a fresh process and import time."""
    script = str(Path(str(ours.__file__)))
    peaks = np.array([numbers([sys.executable, script, str(WIDTH), str(horizon)]) for _ in range(min(repeats, 3))])
    print(f"peak memory of a fresh process at H = {horizon}, MB")
    print(f"  after the MipModel  {spread(peaks[:, 0].tolist(), '.0f')}  (under 300)")
    print(f"  after the hand-over {spread(peaks[:, 1].tolist(), '.0f')}")
    clock = "import time; start = time.perf_counter(); import relu2mip; print(time.perf_counter() - start)"
    imports = [numbers([sys.executable, "-c", clock])[0] for _ in range(repeats)]
    print(f"import relu2mip, s    {spread(imports)}  (under 0.3)\n")


def interval_bounds(ours: ModuleType, folder: Path, repeats: int) -> None:
    """Interval bounds of a network of half a million parameters, in normal form already."""
    path = folder / "large.onnx"
    layers = random_layers([64, 480, 480, 480, 10], np.random.default_rng(0))
    write_network(path, layers)
    parameters = sum(weight.size + bias.size for weight, bias in layers)
    propagate = ours.interval_bounds(path)
    propagate()
    seconds = [timed(propagate)[0] for _ in range(repeats)]
    print(f"interval bounds of {parameters:,} parameters, s  {spread(seconds)}  (under 0.1)\n")


def peer_table(installed: dict[str, ModuleType], problem: Problem, horizons: Sequence[int], repeats: int) -> None:
    """Build time of every tool, the same problem, taking turns."""
    for tool in installed.values():
        tool.build(replace(problem, horizon=2))  # the warm-up
    print(f"build time of the same problem, 2×{WIDTH} network")
    print(f"  {'H':>4}  {'tool':24}{'s':26}times relu2mip's")
    for horizon in horizons:
        at_horizon = replace(problem, horizon=horizon)
        samples: dict[str, Samples] = {name: [] for name in installed}
        handed_over: Samples = []
        for _ in range(repeats):
            for name, tool in installed.items():
                seconds, model = timed(tool.build, at_horizon)
                samples[name].append(seconds)
                if name == tools.OURS:
                    handed_over.append(seconds + timed(model.emit, "highs")[0])
                del model
        if handed_over:
            samples = {tools.OURS: samples.pop(tools.OURS), f"{tools.OURS}, in HiGHS": handed_over, **samples}
        for name, seconds in samples.items():
            ratio = spread(ratios(seconds, samples[tools.OURS]), ".1f") if handed_over else "-"
            print(f"  {horizon:4}  {name:24}{spread(seconds):26}{ratio}")
    print("  relu2mip: MipModel; omlt: Pyomo model; gurobi-machinelearning: gurobipy; pyscipopt-ml: SCIP")


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Seconds of a call on a collected heap, and its result."""
    gc.collect()
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def ratios(above: Samples, below: Samples) -> Samples:
    """Ratios within each repetition."""
    return [a / b for a, b in zip(above, below, strict=True)]


def spread(samples: Sequence[float], form: str = ".4f") -> str:
    """Minimum / median / maximum."""
    return " / ".join(format(value, form) for value in np.quantile(samples, [0.0, 0.5, 1.0]))


def numbers(command: list[str]) -> Samples:
    """The numbers a command prints."""
    return [float(word) for word in subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()]


@contextmanager
def counted_highs_calls() -> Iterator[Counter[str]]:
    """Count the calls that build a model in HiGHS: all that pass, add or change something."""
    import highspy

    building = re.compile(r"pass(Model|Hessian|ColName|RowName)|add|change")
    names = [name for name in dir(highspy.Highs) if building.match(name)]
    originals = {name: getattr(highspy.Highs, name) for name in names}
    calls: Counter[str] = Counter()

    def counting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(*arguments: Any, **keywords: Any) -> Any:
            calls[name] += 1
            return original(*arguments, **keywords)

        return call

    own = {name for name in names if name in vars(highspy.Highs)}
    for name, original in originals.items():
        setattr(highspy.Highs, name, counting(name, original))
    try:
        yield calls
    finally:
        for name, original in originals.items():
            if name in own:
                setattr(highspy.Highs, name, original)
            else:
                delattr(highspy.Highs, name)


if __name__ == "__main__":
    main()
