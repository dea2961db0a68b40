"""Random transitions of a gymnasium environment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relu2mip.errors import BackendUnavailable, InvalidData, InvalidOption
from relu2mip.frontends.sparsify.data import Transitions


def collect(
    environment: str,
    transitions: int,
    seed: int = 0,
    state_names: Sequence[str] = (),
    control_names: Sequence[str] = (),
) -> Transitions:
    """Transitions of an environment under random actions, episode after episode; observations are the states.

    environment: an id that `gymnasium.make` knows.  A discrete action is one control, its number.

    Raises `BackendUnavailable` without gymnasium, `InvalidOption` for an unknown id or a number below 1, and
    `InvalidData` where observations or actions are not vectors.
    """
    try:
        import gymnasium
    except ModuleNotFoundError as error:
        raise BackendUnavailable("environments need gymnasium; install it with pip install gymnasium") from error
    if transitions < 1:
        raise InvalidOption(f"transitions is {transitions}; give at least 1")
    try:
        simulator = gymnasium.make(environment)
    except gymnasium.error.Error as error:
        raise InvalidOption(f"environment is {environment!r}: {error}") from error
    spaces = gymnasium.spaces
    observations, actions = simulator.observation_space, simulator.action_space
    if not isinstance(observations, spaces.Box) or len(observations.shape) != 1:
        raise InvalidData(f"{environment} observes {observations}; states must be vectors")
    if not isinstance(actions, spaces.Discrete) and not (isinstance(actions, spaces.Box) and len(actions.shape) == 1):
        raise InvalidData(f"{environment} takes {actions}; controls must be vectors or one whole number")
    actions.seed(seed)
    rows: list[tuple[object, object, object, int]] = []
    rollout = 0
    state, _ = simulator.reset(seed=seed)
    while len(rows) < transitions:
        action = actions.sample()
        following, _, terminated, truncated, _ = simulator.step(action)
        rows.append((state, np.atleast_1d(action), following, rollout))
        state = following
        if terminated or truncated:
            rollout += 1
            state, _ = simulator.reset()
    simulator.close()
    states, controls, next_states, rollouts = (np.array(column) for column in zip(*rows, strict=True))
    return Transitions.of(states, controls, next_states, rollouts, state_names, control_names)
