"""relu2mip on the problems of this folder, in the peers' form: ``build(problem)``, ``solve(model, ...)``.

Run as a script it prints the peak memory, in MB, of compiling one problem and of handing it over to HiGHS:
``python benchmarks/ours.py WIDTH HORIZON``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from problems import Outcome, Problem, random_problem

import relu2mip as r2m
from relu2mip.bounds import Bounds
from relu2mip.bounds.ibp import propagate
from relu2mip.ir.lower import lower


def trajectory(problem: Problem) -> r2m.Trajectory:
    """The problem in relu2mip's terms; reads the network."""
    cost = r2m.costs.Quadratic if problem.quadratic else r2m.costs.L1
    return r2m.Trajectory(
        r2m.load(problem.network),
        horizon=problem.horizon,
        initial_state=problem.initial_state,
        predicts="change",
        controls=r2m.Box(problem.control_lower, problem.control_upper),
        states=r2m.Box(problem.state_lower, problem.state_upper),
        cost=cost(target=problem.target, state=problem.state_weight, control=problem.control_weight),
    )


def build(problem: Problem) -> r2m.Compiled:
    """From the ONNX file to the MipModel: interval bounds, big-M."""
    return r2m.compile(trajectory(problem), bounds="ibp", formulation="big-m")


def solve(model: r2m.Compiled, time_limit: float, gap: float) -> Outcome:
    """Solve with HiGHS."""
    start = time.perf_counter()
    answer = model.solve("highs", time_limit=time_limit, gap=gap)
    return Outcome(answer.objective, answer.bound, time.perf_counter() - start)


def interval_bounds(path: Path) -> Callable[[], object]:
    """Interval propagation over the box [-1, 1], the network read and lowered already: ready to be timed."""
    form = lower(r2m.load(path))
    sizes = {i: form.values[i].size for i in form.inputs.values()}
    given = Bounds.of(form, {i: (np.full(size, -1.0), np.full(size, 1.0)) for i, size in sizes.items()})
    return lambda: propagate(form, list(given.lower), list(given.upper))


def peak_megabytes() -> float:
    """The most memory this process has held since it started.

    getrusage would also count what its parent held when it started this one, so Linux's own figure is taken.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM"))
    return int(peak) / 2**10


if __name__ == "__main__":
    width, horizon = map(int, sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        compiled = build(random_problem(Path(folder), width, horizon))
        after_compile = peak_megabytes()
        native = compiled.emit("highs")
        print(after_compile, peak_megabytes())
