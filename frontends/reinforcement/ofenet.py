"""The feature extractor: it learns what to predict the next observation from, beside the agent that reads its features.

    z_o     = phi_o(o)               features of an observation, for the policy
    z_{o,a} = phi_{o,a}([z_o ; a])   features of an observation and an action, for the Q networks
    o'      ~ W_pred z_{o,a}         squared error, on the replay buffer

Both parts are dense blocks (`dense.py`). Source: Ota et al., Can Increasing Input Dimensionality Improve Deep
Reinforcement Learning?, ICML 2020; with gates, Guenter and Sideris, 2025.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.reinforcement.dense import DenseBlock


@dataclass(frozen=True)
class Features:
    """The sizes and the training of a feature extractor.

    observation, action: the units of each layer of phi_o and phi_{o,a}.  pretraining: updates on the random phase,
    before the first of the agent.  learning_rate: of Adam.  decay: lambda, the weight of half the squared weights.

    Raises `InvalidOption` for a value out of range.
    """

    observation: tuple[int, ...] = (32, 32, 32, 32)
    action: tuple[int, ...] = (32, 32, 32, 32)
    pretraining: int = 1000
    learning_rate: float = 3e-4
    decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("observation", "action"):
            widths = tuple(getattr(self, name))
            object.__setattr__(self, name, widths)
            if not widths or min(widths) < 0:
                raise InvalidOption(f"features.{name} is {list(widths)}; give the units of each layer, at least 0")
        if self.pretraining < 0:
            raise InvalidOption(f"features.pretraining is {self.pretraining}; give a number of updates, at least 0")
        if not 0 < self.learning_rate < float("inf"):
            raise InvalidOption(f"features.learning_rate is {self.learning_rate}; give a positive number")
        if not 0 <= self.decay < float("inf"):
            raise InvalidOption(f"features.decay is {self.decay}; give a number, at least 0")


class OFENet(nn.Module):
    """observations (batch, d_o), actions (batch, d_a) -> next observations (batch, d_o).

    Actions are those of the replay buffer, scaled to [-1, 1].
    """

    optimizer: torch.optim.Optimizer

    def __init__(self, observation: int, action: int, features: Features, activation: str, gated: bool) -> None:
        super().__init__()
        self.observation = DenseBlock(observation, features.observation, activation, gated)
        self.action = DenseBlock(self.observation.outputs + action, features.action, activation, gated)
        self.predictor = nn.Linear(self.action.outputs, observation)

    def features(self, observations: Tensor) -> Tensor:
        """z_o, (batch, D_o)."""
        found: Tensor = self.observation(observations)
        return found

    def joint(self, features: Tensor, actions: Tensor) -> Tensor:
        """z_{o,a} of z_o and actions, (batch, D_{o,a}); z_o and the actions come first in it."""
        found: Tensor = self.action(torch.cat([features, actions], dim=-1))
        return found

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """The next observations."""
        found: Tensor = self.predictor(self.joint(self.features(observations), actions))
        return found
