"""What environments can be trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from relu2mip.errors import InvalidProblem


def check_spaces(observation: Any, action: Any) -> None:
    """Raise `InvalidProblem` unless observations are a vector and actions a bounded box of one axis."""
    if not isinstance(action, spaces.Box):
        raise InvalidProblem(
            f"the actions of the environment are {action}; SAC needs a box of continuous actions: "
            "choose such an environment, or one whose actions are made continuous"
        )
    if not (isinstance(observation, spaces.Box) and len(observation.shape) == 1):
        shape = getattr(observation, "shape", None)
        raise InvalidProblem(
            f"the observations of the environment are {type(observation).__name__} of shape {shape}, not a vector; "
            "images and dictionaries have no dense layers: flatten it with gymnasium.wrappers.FlattenObservation"
        )
    if len(action.shape) != 1 or not (np.isfinite(action.low).all() and np.isfinite(action.high).all()):
        raise InvalidProblem(f"the actions of the environment are {action}; give a box with finite limits, one axis")
