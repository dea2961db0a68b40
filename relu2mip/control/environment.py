"""Systems that a controller acts on: step functions, and gymnasium environments with what of them is state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers, refuse
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.trajectory.problem import Trajectory

BEYOND = 1e-5
"""How far controls may go beyond the actions, as a share of their range: those are float32 mostly."""


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
        found = numbers(self._step(self.state, control), "what step returned").reshape(-1)
        if found.shape != self._initial.shape:
            raise InvalidProblem(f"step: what it returned has shape {found.shape}; give {self._initial.shape}")
        self.state = found
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
        if not all(hasattr(env, part) for part in ("observation_space", "action_space")):
            refuse(env, "environment", "a gymnasium environment, as gymnasium.make makes it")
        self.env, self._state = env, state
        self.actions = None if actions is None else numbers(actions, "actions").reshape(len(np.atleast_1d(actions)), -1)
        if wrong := self._wrong():
            raise InvalidProblem(f"environment: {wrong}")

    def _wrong(self) -> str:
        """What is wrong with its spaces, whatever the problem."""
        seen, done = self.env.observation_space, self.env.action_space
        count, given = getattr(done, "n", None), 0 if self.actions is None else len(self.actions)
        if count is not None and given != count:
            more = f", not {given} of them" if given else ""
            return f"it has {count} discrete actions; give actions, the control of each{more}"
        if count is None and given:
            return "its actions are not discrete; give no actions"
        if count is None and not hasattr(done, "low"):
            return f"its actions are {done}; wrap it in one with a Box of them"
        if seen.shape is None and not callable(self._state):
            return f"it observes {seen}; wrap it in gymnasium's FlattenObservation"
        return ""

    def check(self, problem: Trajectory) -> None:
        """Raise `InvalidProblem` where the environment's spaces do not fit the network of a problem."""
        space = self.env.observation_space
        size = self._read(space.sample() if space.shape is None else np.zeros(space.shape)).size
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
        if self.actions is None:
            self._check_range(*(side[0] for side in problem.control_limits))

    def _check_range(self, low: Array, high: Array) -> None:
        """Actions beyond the space are clipped to it, so that the system would do another thing than the plan."""
        space = self.env.action_space
        least, most = (np.asarray(side, dtype=np.float64).ravel() for side in (space.low, space.high))
        room = BEYOND * (most - least)
        if ((low < least - room) | (high > most + room)).any():
            raise InvalidProblem(
                f"environment: controls range from {low} to {high}, its actions from {least} to {most}; "
                "narrow the controls, or wrap it in gymnasium's RescaleAction"
            )

    def reset(self, seed: int) -> Array:
        """The state that the environment begins in."""
        observation, _ = self.env.reset(seed=seed)
        return self._read(observation)

    def step(self, control: Array) -> tuple[Array, float, bool]:
        """One step of the environment."""
        if self.actions is None:
            space = self.env.action_space
            inside = np.clip(control, space.low.ravel(), space.high.ravel())
            action: Any = inside.reshape(space.shape).astype(space.dtype)
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

    def _read(self, observation: Any) -> Array:
        if callable(self._state):
            seen = observation.astype(np.float64) if isinstance(observation, np.ndarray) else observation
            return numbers(self._state(seen), "what state= returned").reshape(-1)
        flat = np.asarray(observation, dtype=np.float64)
        if self._state is None:
            return flat.ravel()
        try:
            return flat.ravel()[list(self._state)]
        except IndexError:
            raise InvalidProblem(
                f"environment: state is {list(self._state)}; an observation has the entries 0 to {flat.size - 1}"
            ) from None
