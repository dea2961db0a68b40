"""How many parameters a network is expected to have, and what a unit of each layer costs.

With w_l = |theta_l|_1 the expected number of units of layer l, the parameters are

    C_o        = sum_l (d_o + sum_{i<l} w_i) (1 + w_l) + 3 w_l                   features of observations
    C_{o,a}    = the same, with d_o + sum w^o + d_a in place of d_o              features of observations and actions
    C_pred     = (1 + d_o + d_a + sum w^o + sum w^{o,a}) d_o                      the predictor of the next observation
    C_x        = (1 + D_x) w_1 + sum_l (1 + w_l) w_{l+1} + (1 + w_L) D_out        an agent network of D_x inputs

A dense layer has its weights and biases, two numbers a unit for its normalisation, and the diagonal V on what it
passes on. At theta in {0, 1} these are the parameters of the network in which only units with theta = 1 are left. What
the feature extractor is held to counts also the first layers of the agent networks that read it, those not deployed
times rho:

    C_OFE = C_o + C_{pi,OFE} + rho (C_{o,a} + C_pred + sum_{x != pi} C_{x,OFE}),   C_{x,OFE} = (1 + D_x) w_1^x

The price of a unit is -log gamma_l = nu dC / dw_l; `feature_prices` and `chain_prices` are these derivatives, written
out. Source: Guenter and Sideris, Online Training and Pruning of Deep Reinforcement Learning Networks, 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

Amount = Any
"""A number, or a tensor with one, of units or parameters."""


@dataclass(frozen=True)
class Amounts:
    """The sizes that the complexity of a feature extractor depends on.

    observation, action: d_o and d_a.  observation_layers, action_layers: w_l of both parts.  policy: w_1 of the policy.
    others: for each other agent network, w_1 and whether it reads the features of actions too.
    """

    observation: int
    action: int
    observation_layers: Sequence[Amount]
    action_layers: Sequence[Amount]
    policy: Amount
    others: Sequence[tuple[Amount, bool]] = ()

    @property
    def observation_features(self) -> Amount:
        """D of a network on the features of observations."""
        return self.observation + sum(self.observation_layers)

    @property
    def joint_features(self) -> Amount:
        """D of a network on all features."""
        return self.observation_features + self.action + sum(self.action_layers)

    def inputs(self, joint: bool) -> Amount:
        """D of an agent network."""
        return self.joint_features if joint else self.observation_features


def dense_complexity(inputs: Amount, widths: Sequence[Amount]) -> Amount:
    """Parameters of dense layers, C_o or C_{o,a}.

    >>> dense_complexity(3, [4, 2])
    54
    """
    total, seen = 0, inputs
    for width in widths:
        total = total + seen * (1 + width) + 3 * width
        seen = seen + width
    return total


def chain_complexity(inputs: Amount, widths: Sequence[Amount], outputs: int) -> Amount:
    """Parameters of fully connected layers, C_x.

    >>> chain_complexity(3, [4], 2)
    26
    """
    sizes = [inputs, *widths, outputs]
    return sum((1 + before) * size for before, size in pairwise(sizes))


def feature_complexity(amounts: Amounts, rho: float) -> Amount:
    """C_OFE."""
    deployed = dense_complexity(amounts.observation, amounts.observation_layers)
    deployed = deployed + (1 + amounts.observation_features) * amounts.policy
    trained = dense_complexity(amounts.observation_features + amounts.action, amounts.action_layers)
    trained = trained + (1 + amounts.joint_features) * amounts.observation
    trained = trained + sum((1 + amounts.inputs(joint)) * first for first, joint in amounts.others)
    return deployed + rho * trained


def feature_prices(amounts: Amounts, rho: float) -> tuple[list[Amount], list[Amount]]:
    """dC_OFE / dw_l of the layers on observations and of those on actions.

    A unit costs its own parameters, one weight in each unit that reads it, and one entry of V in each layer behind.
    """
    first, second = amounts.observation_layers, amounts.action_layers
    joint = amounts.observation + sum(width for width, joint in amounts.others if joint)
    alone = sum(width for width, joint in amounts.others if not joint)
    behind = amounts.policy + rho * (alone + joint + sum(1 + width for width in second))
    outer = _dense_prices(amounts.observation, first, behind)
    inner = _dense_prices(amounts.observation_features + amounts.action, second, joint)
    return outer, [rho * price for price in inner]


def chain_prices(inputs: Amount, widths: Sequence[Amount], outputs: int) -> list[Amount]:
    """dC_x / dw_l: a unit has a row and a bias, and a column in the layer behind.

    >>> chain_prices(3, [4, 5], 2)
    [9, 7]
    """
    sizes = [inputs, *widths, outputs]
    return [1 + before + after for before, after in zip(sizes, sizes[2:], strict=False)]


def _dense_prices(inputs: Amount, widths: Sequence[Amount], behind: Amount) -> list[Amount]:
    seen = [inputs + sum(widths[:k]) for k in range(len(widths))]
    return [seen[k] + 3 + sum(1 + width for width in widths[k + 1 :]) + behind for k in range(len(widths))]
