"""Planning problems that bound methods are compared on, each (name, problem), small enough for Gurobi's pip licence.

CartPole models, random networks, a pendulum and a pusher trained here in a few seconds each (seeds fixed), and the
networks of ../shared/nets/push_t where present.

    python benchmarks/planning.py --time-limit 20 --only push-t       # what `auto` costs against `crown`

Each repeat has another seed of the solver. Printed is the ratio of total seconds (compiling included) as min / median /
max, and the bounds where the limit came first. Seconds are those of the processor, so that a busy machine counts for
little; limits are on the same clock (the solver's own limit is on the wall).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from ours import trajectory
from problems import Vector, random_problem, write_network

import relu2mip as r2m
from relu2mip.errors import Relu2MipError
from relu2mip.runtime.deadline import limited

ROOT = Path(__file__).resolve().parents[1]
PUSH_T = ROOT.parent / "shared" / "nets" / "push_t"
FOLDER = Path(tempfile.gettempdir()) / "relu2mip-benchmark-networks"


def instances(seeds: range = range(2)) -> Iterator[tuple[str, r2m.Trajectory]]:
    """All of them, one seed of random starts after another."""
    yield from cartpole()
    for seed in seeds:
        yield from pendulum(seed)
        yield from pusher(seed)
        yield from random(seed)
    yield from push_t()


def cartpole() -> Iterator[tuple[str, r2m.Trajectory]]:
    """Models of several sizes, two values of force or a continuous one."""
    folder = ROOT / "examples" / "cartpole"
    base = r2m.Trajectory.from_toml(folder / "problem.toml")
    files = (
        "dynamics.onnx",
        "dynamics_2x16.onnx",
        "family/units-8.onnx",
        "family/units-16.onnx",
        "family/units-32.onnx",
    )
    for file in files:
        for horizon in (5, 10):
            problem = dataclasses.replace(base, net=r2m.load(folder / file), horizon=horizon, options={})
            name = f"cartpole {Path(file).stem} H={horizon}"
            yield name, problem
            yield f"{name} continuous", dataclasses.replace(problem, controls=r2m.Box(-1, 1))


def random(seed: int) -> Iterator[tuple[str, r2m.Trajectory]]:
    """Random networks of two hidden layers."""
    FOLDER.mkdir(exist_ok=True)
    for width, horizon in ((8, 5), (8, 10), (16, 5), (32, 5)):
        yield f"random 2x{width} H={horizon} seed {seed}", trajectory(random_problem(FOLDER, width, horizon, seed))


def push_t() -> Iterator[tuple[str, r2m.Trajectory]]:
    """Stand-ins for a learned model of pushing a T: the distance of four keypoints from their targets at every step."""
    if not PUSH_T.is_dir():
        return
    for width in (8, 16, 24, 32):
        for case in (0, 1):
            for horizon in (3, 5):
                net = r2m.load(PUSH_T / f"distilled_2x{width}.onnx")
                yield f"push-t 2x{width} case {case} H={horizon}", pushed_t(net, case, horizon)


def pushed_t(net: r2m.Graph, case: int, horizon: int) -> r2m.Trajectory:
    """One of the published cases, without its obstacles."""
    data = json.loads((PUSH_T / f"case{case}.json").read_text())
    pusher, start = np.array(data["pusher"]), np.array(data["start_keypoints"])
    keypoints = np.hstack([np.eye(8), np.tile(np.eye(2), (4, 1))])
    return r2m.Trajectory(
        net,
        horizon,
        np.concatenate([start - np.tile(pusher, 4), pusher]),
        predicts="change",
        controls=r2m.Box(-0.25, 0.25),
        states=r2m.Box(-8, 8),
        cost=r2m.costs.L1(target=data["target_keypoints"], state=1.0, keypoints=(keypoints, np.zeros(8))),
    )


def pendulum(seed: int) -> Iterator[tuple[str, r2m.Trajectory]]:
    """Angle, angular velocity and torque, 2 x 8 ReLUs."""

    def change(x: Vector) -> Vector:
        angle, velocity, torque = x.T
        faster = 0.1 * (9.81 * np.sin(angle) - 0.2 * velocity + 6.0 * torque)
        return np.stack([0.1 * (velocity + faster), faster], axis=1)

    net = trained("pendulum", change, np.array([3.5, 6.0, 1.0]), 8)
    start = np.random.default_rng(seed).uniform([-0.6, -0.5], [0.6, 0.5]).round(3)
    for horizon in (5, 10):
        yield (
            f"pendulum 2x8 H={horizon} seed {seed}",
            r2m.Trajectory(
                net, horizon, start, r2m.Box(-1, 1), "change", states=r2m.Box([-3.5, -6], [3.5, 6]),
                cost=r2m.costs.L1(state=[1.0, 0.1], control=0.01, terminal=[5.0, 1.0]),
            ),
        )  # fmt: skip


def pusher(seed: int) -> Iterator[tuple[str, r2m.Trajectory]]:
    """A pusher and a square puck in the plane, 2 x 8 ReLUs: the puck moves only where the pusher gets into it."""
    reach = 0.3

    def change(x: Vector) -> Vector:
        after = x[:, :2] - x[:, 4:]
        far = np.abs(after).max(axis=1, keepdims=True)
        moved = np.where(np.abs(after) == far, np.sign(after) * np.maximum(reach - far, 0.0), 0.0)
        return np.hstack([moved - x[:, 4:], x[:, 4:]])

    net = trained("pusher", change, np.array([0.8, 0.8, 1.0, 1.0, 0.25, 0.25]), 8)
    rng = np.random.default_rng(seed)
    gap = rng.uniform(0.3, 0.5, 2).round(3) * rng.choice([-1.0, 1.0], 2)
    puck = np.hstack([np.eye(2), np.eye(2)])
    for horizon in (5, 8, 12):
        yield (
            f"pusher 2x8 H={horizon} seed {seed}",
            r2m.Trajectory(
                net, horizon, [*gap, 0.0, 0.0], r2m.Box(-0.25, 0.25), "change", states=r2m.Box(-3, 3),
                cost=r2m.costs.L1(target=np.round(1.5 * gap, 3), state=100.0, keypoints=(puck, np.zeros(2))),
            ),
        )  # fmt: skip


def trained(name: str, target: Callable[[Vector], Vector], limit: Vector, width: int) -> r2m.Graph:
    """A network with two hidden layers fitted to `target` on the box of +-`limit` by Adam; kept for the next run."""
    path = FOLDER / f"{name}_2x{width}.onnx"
    if not path.is_file():
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(0)
        FOLDER.mkdir(exist_ok=True)
        points = np.random.default_rng(0).uniform(-limit, limit, (20_000, limit.size))
        values = target(points)
        mean, spread = values.mean(axis=0), values.std(axis=0)
        scaled = torch.tensor(points / limit, dtype=torch.float32)
        wanted = torch.tensor((values - mean) / spread, dtype=torch.float32)
        sizes = [limit.size, width, width, spread.size]
        layers = [torch.nn.Linear(a, b) for a, b in pairwise(sizes)]
        net = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
        adam = torch.optim.Adam(net.parameters(), 1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 3000)
        for _ in range(3000):
            batch = torch.randint(len(scaled), (512,))
            loss = ((net(scaled[batch]) - wanted[batch]) ** 2).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
        weights = [(m.weight.detach().numpy().T.astype(float), m.bias.detach().numpy().astype(float)) for m in layers]
        weights[0] = weights[0][0] / limit[:, None], weights[0][1]
        weights[2] = weights[2][0] * spread, weights[2][1] * spread + mean
        write_network(path, weights)
    return r2m.load(path)


def pays(backend: str, only: str, repeats: int, limit: float) -> None:
    """Print what `auto` costs against `crown`, instance by instance."""
    print(f"{backend}: {'instance':36} {'unstable':>12} {'crown s':>8} {'auto s':>8}  auto / crown: min / median / max")
    for name, problem in instances():
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


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backends", nargs="+", default=["highs"])
    parser.add_argument("--time-limit", type=float, default=60.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="part of the names of the instances")
    options = parser.parse_args()
    for backend in options.backends:
        pays(backend, options.only, options.repeats, options.time_limit)


if __name__ == "__main__":
    main()
