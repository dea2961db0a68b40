"""Systems that a controller acts on: step functions, and gymnasium environments with what of them is state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.trajectory.problem import Trajectory


class System(Protocol):
    """Anything that `simulate` can step."""

    def reset(self, seed: int) -> Array:
        """The first state (n,)."""
        ...

    def step(self, control: Array) -> tuple[Array, float, bool]:
        """The next state (n,), the reward (NaN where there is none), and whether the run ends here."""
        ...

    def frame(self) -> Array | None:
        """A picture (height, width, 3) of where it is, uint8; None where it draws none."""
        ...


class StepFunction:
    """A system given by next_state = step(state, control)."""

    def __init__(self, step: Callable[[Array, Array], ArrayLike], initial_state: ArrayLike) -> None:
        self._step = step
        self._initial = numbers(initial_state, "initial_state").reshape(-1)
        self.state = self._initial

    def reset(self, seed: int) -> Array:
        """The initial state."""
        self.state = self._initial.copy()
        return self.state

    def step(self, control: Array) -> tuple[Array, float, bool]:
        """One step."""
        self.state = numbers(self._step(self.state, control), "what step returned").reshape(-1)
        return self.state, float("nan"), False

    def frame(self) -> None:
        """It draws nothing."""


class Environment:
    """A gymnasium environment.

    state: which entries of the observation are states, in the network's order, or a function that reads the states off
    an observation; by default all.  actions: for a `Discrete` action space, the control (m,) that each action is.

    Raises `InvalidProblem` where the spaces do not fit a problem (`check`).
    """

    def __init__(
        self,
        env: Any,
        state: Sequence[int] | Callable[[Array], ArrayLike] | None = None,
        actions: ArrayLike | None = None,
    ) -> None:
        self.env, self._state = env, state
        count = getattr(env.action_space, "n", None)
        self.actions = None if actions is None else numbers(actions, "actions").reshape(len(np.atleast_1d(actions)), -1)
        if count is not None and (self.actions is None or len(self.actions) != count):
            raise InvalidProblem(f"environment: it has {count} discrete actions; give actions, the control of each")

    def check(self, problem: Trajectory) -> None:
        """Raise `InvalidProblem` where the environment's spaces do not fit the network of a problem."""
        size = self._read(np.zeros(self.env.observation_space.shape)).size
        if size != problem.n:
            raise InvalidProblem(
                f"environment: it observes {size} states, the network {problem.net.name} has {problem.n}; "
                "say with state= which entries they are"
            )
        m = self.actions.shape[1] if self.actions is not None else int(np.prod(self.env.action_space.shape))
        if m != problem.m:
            raise InvalidProblem(
                f"environment: an action is {m} controls, the network {problem.net.name} has {problem.m}"
            )

    def reset(self, seed: int) -> Array:
        """The state that the environment begins in."""
        observation, _ = self.env.reset(seed=seed)
        return self._read(observation)

    def step(self, control: Array) -> tuple[Array, float, bool]:
        """One step of the environment."""
        if self.actions is None:
            space = self.env.action_space
            action: Any = (
                np.clip(control, space.low.ravel(), space.high.ravel()).reshape(space.shape).astype(space.dtype)
            )
        else:
            action = int(np.abs(self.actions - control).sum(axis=1).argmin())
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return self._read(observation), float(reward), bool(terminated or truncated)

    def frame(self) -> Array | None:
        """The picture of the environment in mode "rgb_array"; raises `Relu2MipError` where it cannot draw."""
        if getattr(self.env, "render_mode", None) != "rgb_array":
            return None
        try:
            return np.asarray(self.env.render())
        except Exception as error:
            raise Relu2MipError(f"environment: it cannot draw itself: {error}") from error

    def _read(self, observation: ArrayLike) -> Array:
        flat = np.asarray(observation, dtype=np.float64)
        if callable(self._state):
            return numbers(self._state(flat), "what state= returned").reshape(-1)
        if self._state is None:
            return flat.ravel()
        try:
            return flat.ravel()[list(self._state)]
        except IndexError:
            raise InvalidProblem(
                f"environment: state is {list(self._state)}; an observation has the entries 0 to {flat.size - 1}"
            ) from None
