"""Episodes that planners and policies have in common: where each begins, and when it is over.

    env = episode("push")
    env.reset(seed=7)                   # the same start and target for whoever acts
    env.task.cost(env.task.state)

Pushing and the rope begin near their targets, at most `NEAR` from where the thing lies; discs anywhere, and CartPole
where a controller can still save it. An episode ends after its steps, and before that where the cost is so small that
the thing counts as being there, so that nobody is asked to stay.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.tasks import TASKS, Array
from environments import CartPole, Push, Rope
from environments.rope import KEYS, chain, ends_of
from environments.task import WORKSPACE

NEAR = np.array([50.0, 50.0, 0.6])
"""How far a target may be along each axis, px, and how much it may be turned, rad."""

UPRIGHT = np.array([1.0, 1.0, 0.15, 1.0])
"""Largest position, velocity, angle and angular velocity of the pole at first."""

Begin = Callable[[Any, np.random.Generator], dict[str, Array]]


class Episode(gymnasium.Wrapper[Array, Any, Any, Any]):
    """A task with beginnings and ends.

    begin: options of the task's reset, for the task as it was reset, and a generator.  steps: at most.  there: cost
    below which the episode ends.
    """

    def __init__(self, task: Any, begin: Begin, steps: int, there: float) -> None:
        super().__init__(task)
        self.task, self.steps, self.there = task, steps, there
        self._begin, self._done = begin, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Begin the episode of a seed, or without one the next random one."""
        self.task.reset(seed=seed)
        seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self._done = 0
        given = self._begin(self.task, np.random.default_rng(seed))
        return self.task.reset(seed=seed, options={**given, **(options or {})})  # type: ignore[no-any-return]

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """A step of the task."""
        observation, reward, terminated, truncated, info = self.task.step(action)
        self._done += 1
        return observation, reward, terminated or info["cost"] < self.there, truncated or self._done >= self.steps, info


def near_pose(task: Push, rng: np.random.Generator) -> dict[str, Array]:
    """The object's pose as it is, moved and turned a little."""
    while True:
        target = task.keypoints(task.layout + rng.uniform(-NEAR, NEAR))
        if (target >= 0).all() and (target <= WORKSPACE).all():
            return {"layout": task.layout, "pusher": task.pusher, "target": target}


def near_line(task: Rope, rng: np.random.Generator) -> dict[str, Array]:
    """A straight line along the rope, moved and turned a little."""
    ends = ends_of(task.layout)
    (x, y), turned = ends[-1] - ends[0], rng.uniform(-NEAR[2], NEAR[2])
    while True:
        line = chain(np.full(len(ends) - 1, np.arctan2(y, x) + turned))
        line += ends.mean(axis=0) - line.mean(axis=0) + rng.uniform(-NEAR[:2], NEAR[:2])
        if (line >= 0).all() and (line <= WORKSPACE).all():
            return {"layout": task.layout, "pusher": task.pusher, "target": line[KEYS].ravel()}


def nearly_upright(task: CartPole, rng: np.random.Generator) -> dict[str, Array]:
    """Anywhere near the middle of the track, the pole within 9 degrees."""
    return {"state": rng.uniform(-UPRIGHT, UPRIGHT)}


def as_it_is(task: Any, rng: np.random.Generator) -> dict[str, Array]:
    """What the task itself draws."""
    return {"layout": task.layout, "pusher": task.pusher}


EPISODES: dict[str, tuple[Begin, int, float]] = {
    "push": (near_pose, 25, 5.0), "sort-2": (as_it_is, 40, 1e-9), "rope": (near_line, 30, 10.0),
    "cartpole": (nearly_upright, 50, 0.0),
}  # fmt: skip
"""How each task begins, its steps, and the cost below which it ends: half of what is success where it is a distance."""


def episode(task: str, **options: Any) -> Episode:
    """A task of `claims.tasks` with its beginnings and ends; options: of its environment, such as `render_mode`."""
    return Episode(TASKS[task].make(**options), *EPISODES[task])


def outcome(env: Episode, states: Sequence[Array]) -> dict[str, float]:
    """What became of an episode, from its states (steps + 1, n).

    cost, success: in the end.  mean: of the cost over the steps, as if it stayed what it is where the episode ends
    early.  reached: the step at which it was a success for the first time, -1 for never.
    """
    costs = np.array([env.task.cost(state) for state in states])
    success = np.array([env.task.success(state) for state in states])
    padded = np.concatenate([costs[1:], np.full(env.steps + 1 - len(costs), costs[-1])])
    return {
        "cost": float(costs[-1]), "mean": float(padded.mean()), "success": int(success[-1]),
        "reached": int(np.argmax(success)) if success.any() else -1, "steps": len(costs) - 1,
    }  # fmt: skip
