"""A whole agent with fewer units: whoever reads a unit that goes loses the column, in every network and optimiser."""

from __future__ import annotations

import torch
from torch import nn

from relu2mip.frontends.reinforcement.dense import DenseBlock
from relu2mip.frontends.reinforcement.gates import UnitGate, unit_gates
from relu2mip.frontends.reinforcement.policy import FeaturePolicy, Hidden
from relu2mip.frontends.reinforcement.removal import Remover


@torch.no_grad()
def remove_units(policy: FeaturePolicy, tolerance: float) -> int:
    """Remove the units with theta below the tolerance; how many went.

    The last unit of a layer of an agent network stays, since nothing would pass it. The networks compute the same in
    evaluation mode as with these theta at 0.
    """
    dense = [gate.kept(tolerance) for gate in _dense_gates(policy)]
    chains = [[gate.kept(tolerance, least=1) for gate in unit_gates(network)] for network in _chains(policy)]
    before = sum(gate.size for gate in unit_gates(policy)) - sum(gate.size for gate in _target_gates(policy))
    after = sum(map(len, dense)) + sum(len(kept) for one in chains for kept in one)
    if after == before:
        return 0
    remover = Remover(optimisers(policy))
    device = next(policy.parameters()).device
    features = joint = torch.arange(policy.observations, device=device)
    actions = policy.actor.heads[0].out_features
    if policy.ofenet is not None:
        first = len(policy.ofenet.observation.widths)
        total = policy.ofenet.observation.outputs
        features = remover.dense(policy.ofenet.observation, features, dense[:first])
        inputs = torch.cat([features, torch.arange(total, total + actions, device=device)])
        joint = remover.dense(policy.ofenet.action, inputs, dense[first:])
        remover.columns(policy.ofenet.predictor, joint)
    else:
        joint = torch.arange(len(features) + actions, device=device)
    last = remover.chain(policy.actor.latent_pi, features, chains[0])
    for head in policy.actor.heads:
        remover.columns(head, last)
    for number, kept in enumerate(chains[1 : 1 + policy.critic.n_critics]):
        for critic in (policy.critic, policy.critic_target):
            remover.chain(critic.q_networks[number], joint, kept)
    for network in filter(None, (policy.value, policy.value_target)):
        remover.chain(network, features, chains[-1])
    return before - after


def optimisers(policy: FeaturePolicy) -> list[torch.optim.Optimizer]:
    """Those of the networks that are trained."""
    networks = (policy.actor, policy.critic, policy.ofenet, policy.value)
    return [network.optimizer for network in networks if network is not None]


def hidden_of(policy: FeaturePolicy) -> Hidden:
    """The units of the agent networks as they are now."""
    policy_widths, *critics = [_widths(network) for network in _chains(policy)[: 1 + policy.critic.n_critics]]
    return Hidden(policy_widths, tuple(critics), None if policy.value is None else _widths(policy.value))


def _widths(network: nn.Sequential) -> tuple[int, ...]:
    """The hidden units of fully connected layers: of each layer in front of an activation."""
    layers = list(network)
    return tuple(one.out_features for one in layers[:-1] if isinstance(one, nn.Linear))


def _chains(policy: FeaturePolicy) -> list[nn.Sequential]:
    value = [] if policy.value is None else [policy.value]
    return [policy.actor.latent_pi, *policy.critic.q_networks, *value]


def _dense_gates(policy: FeaturePolicy) -> list[UnitGate]:
    blocks: list[DenseBlock] = [] if policy.ofenet is None else [policy.ofenet.observation, policy.ofenet.action]
    return [gate for block in blocks for gate in unit_gates(block)]


def _target_gates(policy: FeaturePolicy) -> list[UnitGate]:
    value = [] if policy.value_target is None else list(unit_gates(policy.value_target))
    return [*unit_gates(policy.critic_target), *value]
