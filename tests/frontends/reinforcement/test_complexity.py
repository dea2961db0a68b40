"""Complexity: prices against automatic differentiation, C at theta in {0, 1} against what is counted."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from relu2mip.frontends.reinforcement import Pruning, deployed_parameters, trained_parameters  # noqa: E402
from relu2mip.frontends.reinforcement.complexity import (  # noqa: E402
    Amounts,
    chain_complexity,
    chain_prices,
    dense_complexity,
    feature_complexity,
    feature_prices,
)
from relu2mip.frontends.reinforcement.gates import unit_gates  # noqa: E402
from relu2mip.frontends.reinforcement.prices import agent_networks, amounts_of, set_prices  # noqa: E402
from relu2mip.frontends.reinforcement.shrink import remove_units  # noqa: E402
from tests.frontends.reinforcement.agents import agent, randomised  # noqa: E402


def variables(*values: float) -> list:
    return [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]


@pytest.mark.parametrize("rho", [1.0, 0.5, 0.0])
def test_prices_of_features_are_the_derivatives_of_their_complexity(rho: float):
    first, second, heads = variables(3.5, 0.25, 6.0), variables(2.0, 4.75), variables(5.5, 7.0, 1.5, 2.25)
    amounts = Amounts(3, 2, first, second, heads[0], [(heads[1], True), (heads[2], True), (heads[3], False)])
    feature_complexity(amounts, rho).backward()
    prices = feature_prices(amounts, rho)
    for widths, found in zip((first, second), prices, strict=True):
        derivatives = [torch.zeros(()).double() if width.grad is None else width.grad for width in widths]
        torch.testing.assert_close([torch.as_tensor(price).detach().double() for price in found], derivatives)


@pytest.mark.parametrize("widths", [(3.5,), (3.5, 2.25), (4.0, 0.5, 6.75)])
def test_prices_of_a_chain_are_the_derivatives_of_its_complexity(widths: tuple[float, ...]):
    layers, inputs = variables(*widths), 5.5
    chain_complexity(inputs, layers, 2).backward()
    torch.testing.assert_close(
        [torch.as_tensor(price).detach().double() for price in chain_prices(inputs, layers, 2)],
        [layer.grad for layer in layers],
    )


@pytest.mark.parametrize("value_network", [False, True])
def test_every_gate_has_the_derivative_of_the_whole_complexity_as_its_price(value_network: bool):
    found = randomised(agent(value_network=value_network), zeros=0.0)
    pruning = Pruning(features=0.3, policy=0.5, critics=0.7, value=0.9, share=0.5)
    for gate in unit_gates(found.policy):
        gate.theta.requires_grad_()
    (pruning.features * feature_complexity(amounts_of(found.policy), pruning.share)).backward()
    ofenet = found.policy.ofenet
    expected = {
        gate: gate.theta.grad.clone() for part in (ofenet.observation, ofenet.action) for gate in unit_gates(part)
    }
    for network, joint, outputs, price in agent_networks(found.policy, pruning):
        gates = list(unit_gates(network))
        for gate in gates:
            gate.theta.grad = None
        inputs = amounts_of(found.policy).inputs(joint).detach()
        (price * chain_complexity(inputs, [gate.expected for gate in gates], outputs)).backward()
        expected |= {gate: gate.theta.grad.clone() for gate in gates}
    for gate in unit_gates(found.policy):
        gate.theta.requires_grad_(False)
    set_prices(found.policy, pruning)
    assert len(expected) == 4 + 2 * (3 + value_network)
    for gate, slopes in expected.items():
        torch.testing.assert_close(gate.price.expand(gate.size), slopes)


def test_complexity_at_zeros_and_ones_counts_the_parameters_that_are_left():
    found = randomised(agent(value_network=True), zeros=0.4)
    for gate in unit_gates(found.policy):
        gate.theta.copy_((gate.theta > 0).float())
        gate.theta[0] = 1.0
    policy, amounts = found.policy, amounts_of(found.policy)
    observation = float(dense_complexity(2, amounts.observation_layers))
    chains = [
        float(chain_complexity(amounts.inputs(joint), [gate.expected for gate in unit_gates(network)], outputs))
        for network, joint, outputs, _ in agent_networks(policy, Pruning())
    ]
    features = float(feature_complexity(amounts, 1.0))
    first = [float(1 + amounts.inputs(joint)) * float(width) for width, joint in amounts.others]
    first.append(float(1 + amounts.observation_features) * float(amounts.policy))
    assert remove_units(policy, 0.1) > 5
    assert observation + chains[0] == deployed_parameters(policy)
    assert features - sum(first) + sum(chains) == trained_parameters(policy)
