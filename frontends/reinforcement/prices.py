"""What every gate of an agent costs, -log gamma, from the complexity of its networks at the current theta."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

import torch
from torch import nn

from relu2mip.frontends.reinforcement.complexity import Amounts, chain_prices, feature_prices
from relu2mip.frontends.reinforcement.gates import UnitGate, unit_gates
from relu2mip.frontends.reinforcement.policy import FeaturePolicy
from relu2mip.frontends.reinforcement.pruning import Pruning


@torch.no_grad()
def set_prices(policy: FeaturePolicy, pruning: Pruning) -> None:
    """Give every gate its price; after this they follow from the units that are expected to be left."""
    gates = list(unit_gates(policy))
    expected = dict(zip(gates, torch.stack([gate.expected for gate in gates]).tolist(), strict=True))
    amounts = amounts_of(policy, expected.__getitem__)
    if policy.ofenet is not None:
        first, second = feature_prices(amounts, pruning.share)
        _give(unit_gates(policy.ofenet.observation), first, pruning.features)
        _give(unit_gates(policy.ofenet.action), second, pruning.features)
    for network, joint, outputs, price in agent_networks(policy, pruning):
        gates = list(unit_gates(network))
        prices = chain_prices(amounts.inputs(joint), [expected[gate] for gate in gates], outputs)
        _give(gates, prices, price)


def amounts_of(policy: FeaturePolicy, expected: Callable[[UnitGate], Any] = attrgetter("expected")) -> Amounts:
    """The expected sizes of the networks, by those of their layers."""
    action, ofenet = policy.actor.heads[0].out_features, policy.ofenet

    def widths(network: nn.Module) -> list[Any]:
        return [expected(gate) for gate in unit_gates(network)]

    first, second = ([], []) if ofenet is None else (widths(ofenet.observation), widths(ofenet.action))
    others: list[tuple[Any, bool]] = [(widths(network)[0], True) for network in policy.critic.q_networks]
    if policy.value is not None:
        others.append((widths(policy.value)[0], False))
    return Amounts(policy.observations, action, first, second, widths(policy.actor.latent_pi)[0], others)


def agent_networks(policy: FeaturePolicy, pruning: Pruning) -> list[tuple[nn.Module, bool, int, float]]:
    """Each agent network: its hidden layers, whether it reads the features of actions, D_out, and nu."""
    networks: list[tuple[nn.Module, bool, int, float]] = [
        (policy.actor.latent_pi, False, 2 * policy.actor.heads[0].out_features, pruning.policy),
        *((network, True, 1, pruning.critics) for network in policy.critic.q_networks),
    ]
    if policy.value is not None:
        networks.append((policy.value, False, 1, pruning.value))
    return networks


def _give(gates: Iterable[UnitGate], amounts: Sequence[Any], price: float) -> None:
    for gate, amount in zip(gates, amounts, strict=True):
        gate.price.fill_(price * amount)
