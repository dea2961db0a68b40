"""Whether `solve` keeps to its time limit: real seconds from call to answer, on small and on hopeless problems.

    python benchmarks/time_limits.py                            # about 15 minutes
    python benchmarks/time_limits.py --limits 2 --only push_t --bounds crown

The limit is kept where a call takes at most 1.1 times the limit and half a second. `push_t` and the networks over boxes
are read from the folder that `--nets` names, and left out where it is absent.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

import relu2mip as r2m
from relu2mip.errors import NoIncumbent, Relu2MipError
from relu2mip.ir.samples import tiny

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "cartpole"
Problem = r2m.Trajectory | r2m.BoxProblem


def push_t(folder: Path, net: str, horizon: int) -> r2m.Trajectory:
    """Push the T of case 0 to its target, without obstacles."""
    case = json.loads((folder / "case0.json").read_text())
    pusher, start, target = (np.array(case[key]) for key in ("pusher", "start_keypoints", "target_keypoints"))
    absolute = np.hstack([np.eye(8), np.tile(np.eye(2), (4, 1))])
    low, high = np.r_[np.full(8, -6.0), -1.0, -1.0], np.r_[np.full(8, 6.0), 7.0, 7.0]
    return r2m.Trajectory(
        r2m.load(folder / f"{net}.onnx"),
        horizon,
        np.r_[start - np.tile(pusher, 4), pusher],
        r2m.Box(-0.25, 0.25),
        "change",
        states=r2m.Box(low, high),
        cost=r2m.costs.L1(target=target, terminal=1.0, keypoints=(absolute, np.zeros(8))),
    )


def over_box(path: Path) -> r2m.BoxProblem:
    """The first output of a network, as large as it gets within 0.1 around 0."""
    net = r2m.load(path)
    size = sum(port.size for port in net.outputs)
    return r2m.BoxProblem(net, -0.1, 0.1, np.eye(size)[0], "max")


def problems(nets: Path) -> Iterator[tuple[str, Callable[[], Problem]]]:
    """Names and makers."""
    yield "cartpole", lambda: r2m.Trajectory.from_toml(EXAMPLE / "problem.toml")
    for net in ("dynamics_2x16", "dynamics_2x32"):
        for horizon in (10, 30):
            yield f"cartpole {net} {horizon} steps", lambda net=net, horizon=horizon: cartpole(net, horizon)
    if (nets / "push_t").is_dir():
        for net in ("distilled_2x8", "distilled_2x32", "dynamics_768"):
            for horizon in (5, 20):
                name = f"push_t {net} {horizon} steps"
                yield name, lambda net=net, horizon=horizon: push_t(nets / "push_t", net, horizon)
    for path in sorted(nets.glob("*.onnx")):
        yield f"box {path.stem}", lambda path=path: over_box(path)


def cartpole(net: str, horizon: int) -> r2m.Trajectory:
    """The example with another network and horizon."""
    text = (EXAMPLE / "problem.toml").read_text().replace("horizon = 10", f"horizon = {horizon}")
    path = EXAMPLE / f".time_limits_{net}_{horizon}.toml"
    path.write_text(text.replace("dynamics.onnx", f"{net}.onnx"))
    try:
        return r2m.Trajectory.from_toml(path)
    finally:
        path.unlink()


def measure(problem: Problem, limit: float, **options: object) -> tuple[float, str]:
    """Seconds, and how it ended."""
    begun = perf_counter()
    try:
        answer = r2m.solve(problem, time_limit=limit, **options)
        how = f"{answer.status}, plan {answer.objective:.5g}, bound {answer.bound:.5g}"
        how += "" if answer.has_plan else ", CHECK FAILED"
    except NoIncumbent as error:
        how = f"no plan ({error.stop})"
    except Relu2MipError as error:
        how = f"{type(error).__name__}: {str(error)[:60]}"
    return perf_counter() - begun, how


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure whether solve keeps to its time limit.")
    parser.add_argument("--nets", type=Path, default=ROOT.parent / "shared" / "nets")
    parser.add_argument("--limits", type=float, nargs="+", default=[2.0, 5.0, 10.0])
    parser.add_argument("--backends", nargs="+", default=["highs"])
    parser.add_argument("--bounds", nargs="+", default=["auto"])
    parser.add_argument("--only", default="", help="part of a problem's name")
    arguments = parser.parse_args()
    for backend in arguments.backends:  # imports are not part of what is measured
        r2m.solve(r2m.BoxProblem(tiny(), -1, 1, [1.0]), backend)
    late = calls = 0
    for name, make in problems(arguments.nets):
        if arguments.only not in name:
            continue
        try:
            problem = make()
        except Relu2MipError as error:
            print(f"{name:36} left out: {str(error).splitlines()[0][:70]}")
            continue
        for backend in arguments.backends:
            for bounds in arguments.bounds:
                for limit in arguments.limits:
                    seconds, how = measure(problem, limit, backend=backend, bounds=bounds)
                    kept = seconds <= 1.1 * limit + 0.5
                    late, calls = late + (not kept), calls + 1
                    word = "ok  " if kept else "LATE"
                    print(f"{name:36} {backend:7} {bounds:8} {limit:4g} s: {seconds:6.2f} s {word} {how}", flush=True)
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"load {load} on {os.cpu_count()} cores; seconds mean little where it is above them")
    print(f"{calls - late} of {calls} calls kept to their limit")


if __name__ == "__main__":
    main()
