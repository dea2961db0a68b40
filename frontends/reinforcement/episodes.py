"""Episodes that can be gone back to: each starts from a seed of its own, and its actions are kept while it lasts.

A simulator has no saved state in general. But the same seed and the same actions lead to the same state, so an episode
that was interrupted is played again up to where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.monitor import Monitor

from relu2mip.errors import InvalidOption


class Episodes(gymnasium.Wrapper):
    """An environment whose k-th episode always starts the same.

    number: of the current episode, from 0.  actions: those taken in it.
    """

    def __init__(self, env: Any, seed: int) -> None:
        super().__init__(env)
        self.seed, self.number = seed, -1
        self.actions: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start the next episode; a seed from outside is not asked."""
        self.number, self.actions = self.number + 1, []
        own = np.random.SeedSequence([self.seed, self.number]).generate_state(1)[0]
        return self.env.reset(seed=int(own), options=options)

    def step(self, action: Any) -> Any:
        """One step, whose action is kept."""
        self.actions.append(np.array(action))
        return self.env.step(action)


def make_environment(name: str, seed: int) -> tuple[Monitor, Episodes]:
    """An environment by its name in gymnasium, and the part of it that counts episodes.

    Raises `InvalidOption` where there is no such environment.
    """
    try:
        episodes = Episodes(gymnasium.make(name), seed)
    except (gymnasium.error.Error, ImportError) as error:
        raise InvalidOption(f"environment is {name!r}: {error}") from error
    return Monitor(episodes), episodes


def replay(environment: Monitor, episodes: Episodes, number: int, actions: Sequence[Any]) -> Any:
    """Bring an environment to where an episode was after these actions; the observation there."""
    episodes.number = number - 1
    observation, _ = environment.reset()
    for action in actions:
        observation, *_ = environment.step(action)
    return observation
