"""Bernoulli gates: the step of theta, prices, convergence to 0 or 1, and pruning while training goes on."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from relu2mip.errors import InvalidOption  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Bernoulli,
    Kind,
    Regression,
    Schedule,
    gates_of,
    harden,
    mlp,
    sparsify,
    train,
)
from relu2mip.frontends.sparsify.gates.weights import unit_parameters  # noqa: E402
from tests.frontends.sparsify.models import Messages, image, samples  # noqa: E402


def gated(family: Bernoulli, *widths: int) -> nn.Module:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for fan_in, fan_out in zip((2, *widths), widths, strict=False):
        parts += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return sparsify(nn.Sequential(*parts, nn.Linear(widths[-1], 1)), torch.zeros(1, 2), family)


def test_theta_takes_a_projected_step_against_the_sample_s_gradient():
    family = Bernoulli(penalty_weight=0.3, rate=0.5, initial=0.6)
    network = gated(family, 5)
    gate = network.gates[0]
    gate.theta.copy_(torch.tensor([0.6, 0.95, 0.2, 0.5, 1.0]))
    before = gate.theta.clone()
    family.before_step(network, 0.0)
    x = torch.randn(50, 2)
    (network(x) - 3 * x[:, :1].abs()).square().mean().backward()
    # dC/dxi by hand: the chain rule through the last layer
    h, out = network.get_submodule("0")(x).relu(), network.get_submodule("2")
    error = 2 * (out(gate.sample * h) - 3 * x[:, :1].abs()) / 50
    slope = (error * out.weight * h).sum(dim=0).detach()
    family.after_step(network)
    torch.testing.assert_close(gate.theta, (before - 0.5 * (slope + 0.3)).clamp(0, 1))
    assert torch.equal(gate.kind == Kind.ZERO, gate.theta < 0.1)


def test_samples_are_drawn_with_probability_theta():
    family = Bernoulli()
    network = gated(family, 4)
    gate = network.gates[0]
    gate.theta.copy_(torch.tensor([0.0, 0.3, 0.8, 1.0]))
    torch.manual_seed(0)
    drawn = []
    for _ in range(2000):
        family.before_step(network, 0.0)
        drawn.append(gate.sample.detach())
    mean = torch.stack(drawn).mean(dim=0)
    assert torch.equal(mean[[0, 3]], torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(mean, gate.theta, rtol=0, atol=0.05)
    x = torch.randn(6, 2)
    h = network.get_submodule("0")(x).relu()
    expected = network.get_submodule("2")(gate.sample * h)
    torch.testing.assert_close(network(x), expected)
    torch.testing.assert_close(network.eval()(x), network.get_submodule("2")(h * torch.tensor([0.0, 0.0, 1.0, 1.0])))


def test_a_unit_is_priced_by_its_parameters():
    network = gated(Bernoulli(penalty_weight=0.6), 3, 4)
    assert list(unit_parameters(network).values()) == [2 + 1 + 4, 3 + 1 + 1]
    mean = (3 * 7 + 4 * 5) / 7
    assert [float(gate.price) for gate in gates_of(network).values()] == pytest.approx([0.6 * 7 / mean, 0.6 * 5 / mean])
    gates = list(gates_of(network).values())
    gates[0].kind[0] = int(Kind.ZERO)
    expected = 0.8 * (2 * gates[0].price + 4 * gates[1].price)
    torch.testing.assert_close(Bernoulli().penalty(network), expected)


def test_parameters_of_other_models_are_counted():
    messages = sparsify(Messages(), (torch.rand(7, 3, 2), torch.rand(7, 1)), Bernoulli())
    assert list(unit_parameters(messages).values()) == [4 + 1 + 1 + 2, 7 + 1]
    convolutions = sparsify(image(), torch.rand(2, 1, 8, 8), Bernoulli())
    assert next(iter(unit_parameters(convolutions).values())) == 9 + 1 + 4 * 9


def test_probabilities_end_at_0_or_1_and_units_go_while_training():
    """The claim of the paper: a deterministic network, without a count given."""
    objective = Regression(samples())
    schedule = Schedule(epochs=400, finetune_epochs=100, batch=64, learning_rate=1e-2)
    member = train(mlp(objective, (24,)), objective, schedule, Bernoulli(penalty_weight=0.02, rate=0.1))[0]
    (gate,) = gates_of(member.network).values()
    assert 2 <= member.relus <= 8
    assert torch.equal(gate.kind == Kind.ZERO, gate.theta < 0.1)
    assert int(((gate.theta < 0.1) | (gate.theta > 0.9)).sum()) >= 22
    assert member.errors["output"] < 0.1


def test_hardened_units_are_plain_relus():
    network = gated(Bernoulli(), 6, 6)
    for gate in gates_of(network).values():
        gate.theta.fill_(0.2)
    x = torch.randn(5, 2)
    plain = x
    for name in ("0", "2"):
        plain = network.get_submodule(name)(plain).relu()
    torch.testing.assert_close(harden(network)(x), network.get_submodule("4")(plain))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"penalty_weight": -1.0}, "penalty_weight is -1.0; give a finite number, at least 0"),
        ({"penalty_weight": float("inf")}, "penalty_weight is inf"),
        ({"rate": 0.0}, "rate is 0.0; give a positive number"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"threshold": 1.0}, "threshold is 1.0; give a probability, at least 0 and below 1"),
        ({"threshold": -0.1}, "threshold is -0.1"),
        ({"initial": 1.5}, "initial is 1.5; give a probability above the threshold"),
        ({"initial": 0.1}, "initial is 0.1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, words: str):
    with pytest.raises(InvalidOption, match=f"bernoulli: {words}"):
        Bernoulli(**options)
