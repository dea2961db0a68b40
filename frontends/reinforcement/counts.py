"""The parameters that an agent has: those that are deployed, and those that training needs."""

from __future__ import annotations

from typing import Any

from torch import nn

from relu2mip.frontends.reinforcement.policy import FeaturePolicy
from relu2mip.frontends.reinforcement.shrink import hidden_of


def deployed_parameters(policy: FeaturePolicy) -> int:
    """Those of phi_o and of the policy network: what acting takes."""
    return _count(policy.actor) + (0 if policy.ofenet is None else _count(policy.ofenet.observation))


def trained_parameters(policy: FeaturePolicy) -> int:
    """Those of all networks that are trained; targets are copies and not counted."""
    networks = (policy.actor, policy.critic, policy.ofenet, policy.value)
    return sum(_count(network) for network in networks if network is not None)


def layer_sizes(policy: FeaturePolicy) -> dict[str, list[int]]:
    """The units of every hidden layer, by network."""
    hidden, ofenet = hidden_of(policy), policy.ofenet
    sizes: dict[str, Any] = {"policy": hidden.policy}
    sizes |= {f"critic {number}": widths for number, widths in enumerate(hidden.critics)}
    if hidden.value is not None:
        sizes["value"] = hidden.value
    if ofenet is not None:
        sizes |= {"observation features": ofenet.observation.widths, "action features": ofenet.action.widths}
    return {name: list(widths) for name, widths in sizes.items()}


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())
