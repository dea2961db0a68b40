"""CartPole-v1 and Reacher-v4 of gymnasium with what the contact tasks have: states to plan with, a cost, success.

    env = CartPole(), Reacher(render_mode="rgb_array")

The observation is the state followed by the target; costs are distances of a point from the target, in metres. Rewards
and ends of episodes are gymnasium's own. Reacher needs MuJoCo, from the extra `envs`; results depend on its version.
"""

import warnings
from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from environments.task import Array


class Standard(gymnasium.Wrapper[Array, Any, Any, Any]):
    """A task of gymnasium.

    actions: for discrete actions the control (m,) that each is, as `relu2mip.control.Environment` takes them.
    """

    name: ClassVar[str]
    state_names: ClassVar[tuple[str, ...]]
    control_names: ClassVar[tuple[str, ...]]
    actions: ClassVar[Array | None] = None
    success_at: ClassVar[float]
    """Largest distance that counts as there, m."""

    def __init__(self, **options: Any) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the version
            try:
                super().__init__(gymnasium.make(self.name, **options))
            except gymnasium.error.DependencyNotInstalled as error:
                raise ImportError(f"{self.name} needs MuJoCo; pip install 'relu2mip[envs]'") from error
        size = len(self.state_names) + len(self.target)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)

    @property
    @abstractmethod
    def state(self) -> Array:
        """What a planner starts from."""

    @state.setter
    @abstractmethod
    def state(self, state: Array) -> None: ...

    @property
    @abstractmethod
    def target(self) -> Array:
        """Where the point ought to be, or what says so."""

    @abstractmethod
    def cost(self, state: Array) -> float:
        """The stage cost at a state: the distance of the point from the target, m."""

    @abstractmethod
    def draw_state(self, rng: np.random.Generator) -> Array:
        """A random state to collect data from."""

    @abstractmethod
    def usable(self, state: Array) -> bool:
        """Whether a state is one to collect data at."""

    def success(self, state: Array) -> bool:
        """Whether a state is at the target."""
        return self.cost(state) < self.success_at

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """The episode that gymnasium begins; options: `state` to give the state."""
        given = options or {}
        for key in given:
            if key != "state":
                raise ValueError(f"reset has no option {key!r}; give state")
        self.env.reset(seed=seed)
        if "state" in given:
            self.state = self._checked(given["state"])
        return self._observation(), self._info()

    def step(self, action: Any) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """One step of gymnasium's."""
        _, reward, terminated, truncated, _ = self.env.step(action)
        return self._observation(), float(reward), terminated, truncated, self._info()

    def action_of(self, control: Array) -> Any:
        """The action that a control is."""
        if self.actions is None:
            return control
        return int(np.abs(self.actions - control).sum(axis=1).argmin())

    def next_state(self, state: Array, control: Array) -> Array:
        """The state after a control, from any state."""
        self.state = self._checked(state)
        self.env.unwrapped.step(self.action_of(np.asarray(control, dtype=np.float64)))
        return self.state

    def rollout(self, rng: np.random.Generator, steps: int) -> tuple[Array, Array]:
        """States (k + 1, n) and controls (k, m) under random controls, k at most `steps`: while states are usable.

        A control is drawn anew half of the time, and otherwise stays.
        """
        self.env.reset(seed=int(rng.integers(2**31)))
        states, controls = [self.draw_state(rng)], list[Array]()
        while len(controls) < steps and self.usable(states[-1]):
            if not controls or rng.random() < 0.5:
                space = self.env.action_space
                control = rng.choice(self.actions) if self.actions is not None else rng.uniform(space.low, space.high)
            controls.append(control)
            states.append(self.next_state(states[-1], control))
        return np.array(states), np.array(controls)

    def _checked(self, state: ArrayLike) -> Array:
        array = np.asarray(state, dtype=np.float64)
        if array.shape != (len(self.state_names),) or not np.isfinite(array).all():
            raise ValueError(f"state has shape {array.shape}; give {len(self.state_names)} finite numbers")
        return array

    def _observation(self) -> Array:
        return np.concatenate([self.state, self.target])

    def _info(self) -> dict[str, Any]:
        return {"cost": self.cost(self.state), "success": self.success(self.state)}


class CartPole(Standard):
    """Balance a pole on a cart. The point is the tip of the pole, its target upright over the middle of the track."""

    name, success_at = "CartPole-v1", 0.2
    state_names = ("position", "velocity", "angle", "angular_velocity")
    control_names = ("push",)
    actions = np.array([[-1.0], [1.0]])
    target = np.array([0.0, 1.0])

    @property
    def state(self) -> Array:
        """See `Standard`."""
        return np.array(self.env.unwrapped.state, dtype=np.float64)

    @state.setter
    def state(self, state: Array) -> None:
        self.env.unwrapped.state = state.copy()
        self.env.unwrapped.steps_beyond_terminated = None

    def cost(self, state: Array) -> float:
        """See `Standard`."""
        tip = state[0] + np.sin(state[2]), np.cos(state[2])
        return float(np.linalg.norm(tip - self.target))

    def draw_state(self, rng: np.random.Generator) -> Array:
        """See `Standard`."""
        return rng.uniform([-1.0, -1.5, -0.25, -1.5], [1.0, 1.5, 0.25, 1.5])

    def usable(self, state: Array) -> bool:
        """On the track, and far from lying."""
        return bool(abs(state[0]) < 2.4 and abs(state[2]) < 0.5)


class Reacher(Standard):
    """Bring the tip of an arm with two joints to a target. The state has the tip's place, so that costs are convex."""

    name, success_at = "Reacher-v4", 0.02
    state_names = (
        "cos_0", "cos_1", "sin_0", "sin_1", "angular_velocity_0", "angular_velocity_1", "tip_x", "tip_y",
    )  # fmt: skip
    control_names = ("torque_0", "torque_1")

    @property
    def state(self) -> Array:
        """See `Standard`."""
        data, model = self.env.unwrapped.data, self.env.unwrapped.model
        angles, along = data.qpos[:2], np.cumsum(data.qpos[:2])
        lengths = model.body("body1").pos[0], model.body("fingertip").pos[0]
        tip = lengths @ np.column_stack([np.cos(along), np.sin(along)])  # what MuJoCo holds is a stage of a step behind
        return np.concatenate([np.cos(angles), np.sin(angles), data.qvel[:2], tip])

    @state.setter
    def state(self, state: Array) -> None:
        """The tip follows from the angles."""
        arm = self.env.unwrapped
        arm.set_state(
            np.concatenate([np.arctan2(state[2:4], state[:2]), arm.data.qpos[2:]]),
            np.concatenate([state[4:6], arm.data.qvel[2:]]),
        )

    @property
    def target(self) -> Array:
        """See `Standard`."""
        return np.array(self.env.unwrapped.data.body("target").xpos[:2])

    def cost(self, state: Array) -> float:
        """See `Standard`."""
        return float(np.linalg.norm(state[6:8] - self.target))

    def draw_state(self, rng: np.random.Generator) -> Array:
        """See `Standard`."""
        angles = rng.uniform([-np.pi, -2.8], [np.pi, 2.8])
        self.state = np.concatenate([np.cos(angles), np.sin(angles), rng.uniform(-5, 5, 2), np.zeros(2)])
        return self.state

    def usable(self, state: Array) -> bool:
        """Everywhere."""
        return True
