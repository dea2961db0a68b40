"""Collect transitions of a contact task under random pushes that mostly touch something, or of a standard task.

    python examples/environments/collect.py push transitions.npz --rollouts 2500 --seed 0
    python examples/environments/collect.py sort discs.npz --rollouts 7500 --discs 2
    python examples/environments/collect.py reacher reacher.npz

The file is one of transitions as `relu2mip sparsify` reads it; `moved` says where anything but the pusher moved, and
`metadata` is the datasheet: names, seed, how much moves and how far.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))

from environments import CartPole, Push, Reacher, Rope, Sort
from environments.standard import Standard
from environments.task import PUSHER, REACH, WORKSPACE, Array, Task

MOTION = 0.1
"""How far something has to move, px, to be said to move."""

CONTACT, AIM, NOISE = 5, 0.75, 5.0
"""Steps that a push goes on for, the share of a control that aims, and the noise of one, px."""

NEAREST = 0.7
"""How often a push aims at what is nearest, and not at anything."""


def rollout(
    task: Task, rng: np.random.Generator, steps: int, start: tuple[Array, Array] | None = None
) -> tuple[Array, Array]:
    """States (steps + 1, n) and controls (steps, 2) of pushes at random points of what can be moved.

    start: a layout and a place for the pusher, by default random ones.
    A control that would end within the pusher's radius of the edge is turned round, even one that points inwards, so
    that the pusher moves by what the control says, but for rare steps from near the edge, which are cut there.
    """
    task.layout, task.pusher = task.draw_layout(rng) if start is None else start
    states, controls, goal = [task.state], [], np.zeros(2)
    for t in range(steps):
        if t % CONTACT == 0:
            points = task.seen(task.layout).reshape(-1, 2)
            nearest = np.linalg.norm(points - task.pusher, axis=1).argmin()
            goal = points[nearest if rng.random() < NEAREST else rng.integers(len(points))]
            goal = goal + task.compact * rng.uniform(0.0, 0.6) * (points.mean(axis=0) - goal)
            goal = goal + rng.uniform(-15, 15, 2)
            aims = rng.random() < 0.85
        away = goal - task.pusher
        aimed = AIM * rng.uniform(5, REACH) * away / (np.linalg.norm(away) + 1e-9) + NOISE * rng.normal(size=2)
        control = np.clip(aimed if aims else rng.uniform(-REACH, REACH, 2), -REACH, REACH)
        following = task.pusher + control
        control = np.where((following < PUSHER) | (following > WORKSPACE - PUSHER), -control, control)
        task.layout, task.pusher = task.transition(task.layout, task.pusher, control)
        states.append(task.state)
        controls.append(control)
    return np.array(states), np.array(controls)


def collect(task: Task | Standard, rollouts: int = 2500, steps: int = 20, seed: int = 0) -> dict[str, NDArray[Any]]:
    """The arrays of a file of transitions; what moves is told of contact tasks, since in others everything does."""
    rng = np.random.default_rng(seed)
    run = task.rollout if isinstance(task, Standard) else partial(rollout, task)
    found = [run(rng, steps) for _ in range(rollouts)]
    state, following = (np.concatenate([states[part] for states, _ in found]) for part in (slice(-1), slice(1, None)))
    data = {
        "state": state.astype(np.float32),
        "control": np.concatenate([controls for _, controls in found]).astype(np.float32),
        "next_state": following.astype(np.float32),
        "rollout": np.repeat(np.arange(rollouts), [len(controls) for _, controls in found]),
    }
    if isinstance(task, Task):
        data["moved"] = np.abs(following - state)[:, :-2].max(axis=1) > MOTION
    return data


def datasheet(data: dict[str, NDArray[Any]], task: Task | Standard, **facts: Any) -> dict[str, Any]:
    """What a file of transitions holds. Raises `ValueError` where nothing moves."""
    return {
        **facts,
        "state_names": list(task.state_names),
        "control_names": list(task.control_names),
        "transitions": len(data["state"]),
        "rollouts": int(data["rollout"][-1]) + 1,
        **(_motion(data) if "moved" in data else {}),
        "lower": data["state"].min(axis=0).round(1).tolist(),
        "upper": data["state"].max(axis=0).round(1).tolist(),
    }


def _motion(data: dict[str, NDArray[Any]]) -> dict[str, Any]:
    if not data["moved"].any():
        raise ValueError("nothing moves in these data; collect more rollouts, or longer ones")
    moves = np.abs(data["next_state"] - data["state"])[data["moved"]][:, :-2]
    return {
        "share that moves": round(float(data["moved"].mean()), 3),
        "moves, px: median, 95th percentile": np.percentile(moves.max(axis=1), [50, 95]).round(1).tolist(),
    }


def id_of(task: Task | Standard) -> str:
    """What gymnasium calls it."""
    return task.name if isinstance(task, Standard) else f"{type(task).__name__}-v0"


def main() -> None:
    parser = argparse.ArgumentParser(description="Collect transitions of a task into an .npz file.")
    parser.add_argument("task", choices=("push", "sort", "rope", "cartpole", "reacher"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--rollouts", type=int, default=2500)
    parser.add_argument("--steps", type=int, default=20, help="of a rollout")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shape", default="T", help="of the object of push: T, L, box")
    parser.add_argument("--discs", type=int, default=2, help="of sort")
    arguments = parser.parse_args()
    makes: dict[str, Callable[[], Task | Standard]] = {
        "push": lambda: Push(arguments.shape), "sort": lambda: Sort(arguments.discs), "rope": Rope,
        "cartpole": CartPole, "reacher": Reacher,
    }  # fmt: skip
    task = makes[arguments.task]()
    data = collect(task, arguments.rollouts, arguments.steps, arguments.seed)
    sheet = datasheet(data, task, environment=id_of(task), seed=arguments.seed)
    np.savez_compressed(arguments.path, **data, metadata=np.array(json.dumps(sheet)))
    for key, value in sheet.items():
        print(f"{key}: {value}")


if __name__ == "__main__":
    main()
