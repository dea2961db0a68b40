"""The tasks as the claims plan them: members by number of ReLUs, instances, problems, and what a plan costs in truth.

    task = TASKS["push"]
    env, state = task.instance(seed=0)
    problem = task.problem(task.members[24], horizon=10, env=env, state=state)
    true = task.replay(env, plan.controls)        # states (H + 1, n) by the simulator
    problem.evaluate_cost(true, plan.controls)

Stage costs are the sum of absolute differences along both axes, a mean over the points or discs, px; the last step
counts as well as each other. Discs go to the middles of their piles.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import relu2mip as r2m

EXAMPLES = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(EXAMPLES))  # the module `environments`

from environments import CartPole, Push, Rope, Sort  # noqa: E402
from environments.task import BEYOND, REACH, WORKSPACE, Task  # noqa: E402

Array = NDArray[np.float64]
FAMILIES = EXAMPLES / "environments" / "families"


@dataclass(frozen=True)
class Planned:
    """A task. make: its environment.  folder: of its members, files named `full.onnx` and `units-K.onnx`."""

    make: Callable[..., Any]
    folder: Path

    @cached_property
    def members(self) -> dict[int, Path]:
        """The members by their number of ReLUs, the most first."""
        paths = {relus(path): path for path in self.folder.glob("*.onnx")}
        return dict(sorted(paths.items(), reverse=True))

    def instance(self, seed: int) -> tuple[Any, Array]:
        """An environment at a random state with a random target, and that state."""
        env = self.make()
        env.reset(seed=seed)
        return env, env.state

    def problem(self, member: Path, horizon: int, env: Any, state: Array | r2m.Box) -> r2m.Trajectory:
        """To bring what moves to the target of an environment, from a state or a box of states."""
        raise NotImplementedError

    def replay(self, env: Any, controls: Array) -> Array:
        """The states (H + 1, n) that controls (H, m) lead to in an environment, which stays as it is."""
        raise NotImplementedError


class Pushing(Planned):
    """A contact task."""

    def problem(self, member: Path, horizon: int, env: Task, state: Array | r2m.Box) -> r2m.Trajectory:
        """See `Planned`."""
        n, m = len(env.state_names), len(env.control_names)
        points = (n - m) // 2
        target = self.target(env)
        lower, upper = (
            np.r_[np.full(n - m, -BEYOND), 0.0, 0.0],
            np.r_[np.full(n - m, WORKSPACE + BEYOND), [WORKSPACE] * m],
        )
        weights = np.r_[np.full(n - m, 1.0 / points), np.zeros(m)]
        return r2m.Trajectory(
            member, horizon, state, r2m.Box([-REACH] * m, [REACH] * m), states=r2m.Box(lower, upper),
            cost=r2m.costs.L1(target=np.r_[target, np.zeros(m)], state=weights),
        )  # fmt: skip

    def target(self, env: Task) -> Array:
        """Where the points ought to be, (n - m,)."""
        return env.target

    def replay(self, env: Task, controls: Array) -> Array:
        """See `Planned`."""
        layout, pusher, states = env.layout, env.pusher, [env.state]
        for control in controls:
            layout, pusher = env.transition(layout, pusher, control)
            states.append(np.concatenate([env.seen(layout), pusher]))
        return np.array(states)


class Sorting(Pushing):
    """Discs, each of which goes to its pile."""

    def target(self, env: Sort) -> Array:
        """See `Pushing`."""
        return env.target.reshape(-1, 2)[np.arange(env.discs) % env.piles].ravel()


class Balancing(Planned):
    """CartPole: bring position, angle and both velocities to zero."""

    def problem(self, member: Path, horizon: int, env: CartPole, state: Array | r2m.Box) -> r2m.Trajectory:
        """See `Planned`."""
        most, cost = np.array([2.4, 3.0, 0.5, 3.5]), r2m.costs.L1(state=[0.1, 0.05, 1.0, 0.1])
        return r2m.Trajectory(member, horizon, state, r2m.Finite([[-1.0, 1.0]]), states=r2m.Box(-most, most), cost=cost)

    def instance(self, seed: int) -> tuple[CartPole, Array]:
        """See `Planned`; anywhere data are collected, not only upright."""
        env, _ = super().instance(seed)
        env.reset(options={"state": env.draw_state(np.random.default_rng(seed))})
        return env, env.state

    def replay(self, env: CartPole, controls: Array) -> Array:
        """See `Planned`."""
        begun, states = env.state, [env.state]
        for control in controls:
            states.append(env.next_state(states[-1], control))
        env.state = begun
        return np.array(states)


TASKS: dict[str, Planned] = {
    "push": Pushing(Push, FAMILIES / "push"),
    "sort-2": Sorting(partial(Sort, 2), FAMILIES / "sort" / "removal"),
    "rope": Pushing(Rope, FAMILIES / "rope"),
    "cartpole": Balancing(CartPole, EXAMPLES / "cartpole" / "family"),
}


def relus(member: Path) -> int:
    """The number of ReLUs that a file says it has; of a network of discs, those per disc and pair."""
    metadata = {entry.key: entry.value for entry in onnx.load(member).metadata_props}
    return int(json.loads(metadata["relu2mip.relus"]))
