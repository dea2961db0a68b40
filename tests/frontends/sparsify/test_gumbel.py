"""Gumbel-softmax gates: their samples, their price, and which units they give up first."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from relu2mip.errors import InvalidOption  # noqa: E402
from relu2mip.frontends.sparsify import Gumbel, Kind, gates_of, sparsify  # noqa: E402

PI = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.6, 0.2], [0.9, 0.05, 0.05]])


def gated(family: Gumbel, pi: torch.Tensor = PI) -> nn.Module:
    """One hidden layer of as many units, with these probabilities."""
    units = len(pi)
    model = nn.Sequential(nn.Linear(2, units), nn.ReLU(), nn.Linear(units, 1))
    network = sparsify(model, torch.zeros(1, 2), family)
    network.gates[0].logits.data = pi.log() + 3.0  # log pi up to a constant
    return network.train()


@pytest.mark.parametrize("straight_through", [False, True])
def test_samples_follow_pi(straight_through: bool):
    torch.manual_seed(0)
    family = Gumbel(straight_through=straight_through)
    network = gated(family, PI.repeat(2500, 1))
    family.before_step(network, 0.5)
    relu, identity = network.gates[0].coefficients()
    assert ((relu >= 0) & (identity >= 0) & (relu + identity <= 1 + 1e-6)).all()
    samples = torch.stack([relu, identity, 1 - relu - identity], dim=1).argmax(dim=1).view(2500, 4)
    shares = torch.stack([(samples == k).float().mean(dim=0) for k in range(3)], dim=1)
    torch.testing.assert_close(shares, PI, atol=0.04, rtol=0)
    if straight_through:
        torch.testing.assert_close(torch.stack([relu, identity]), torch.stack([relu, identity]).round())


def test_straight_through_has_the_gradient_of_the_soft_sample():
    gradients = []
    for straight_through in (False, True):
        torch.manual_seed(1)
        family = Gumbel(straight_through=straight_through)
        network = gated(family)
        family.before_step(network, 0.0)
        relu, identity = network.gates[0].coefficients()
        (2 * relu + 3 * identity).sum().backward()
        gradients.append(network.gates[0].logits.grad)
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(*gradients)


def test_the_temperature_falls_geometrically():
    family = Gumbel(temperature=2.0, final_temperature=0.5)
    network = gated(family)
    found = []
    for progress in (0.0, 0.5, 1.0):
        family.before_step(network, progress)
        found.append(network.gates[0].temperature)
    assert found == pytest.approx([2.0, 1.0, 0.5])


def test_one_sample_holds_for_a_whole_minibatch():
    family = Gumbel()
    network = gated(family)
    family.before_step(network, 0.0)
    x = torch.randn(5, 2)
    first = network(x)
    torch.testing.assert_close(network(x), first, rtol=0, atol=0)
    family.before_step(network, 0.0)
    assert (network(x) - first).abs().max() > 1e-4


def test_in_eval_mode_units_are_their_most_likely_kind():
    network = gated(Gumbel()).eval()
    relu, identity = network.gates[0].coefficients()
    assert relu.tolist() == [1, 0, 0, 1]
    assert identity.tolist() == [0, 0, 1, 0]


def test_the_price_is_of_gated_units_alone():
    family = Gumbel(penalty_weight=0.1, identity_weight=0.5)
    network = gated(family)
    network.gates[0].kind[3] = int(Kind.RELU)
    expected = 0.1 * (PI[:3, 0].sum() + 0.5 * PI[:3, 1].sum())
    torch.testing.assert_close(family.penalty(network), expected)


def test_a_lower_price_by_gradient_means_fewer_relus():
    family = Gumbel(penalty_weight=1.0)
    network = gated(family)
    family.penalty(network).backward()
    assert (network.gates[0].logits.grad[:, 0] > 0).all()


def test_narrow_fixes_the_units_with_the_largest_share_of_identity_or_zero():
    family = Gumbel()
    network = gated(family)
    gate = network.gates[0]
    family.narrow(network, 3)
    assert gate.kind.tolist() == [Kind.GATED, Kind.ZERO, Kind.GATED, Kind.GATED]
    family.narrow(network, 1)
    assert gate.kind.tolist() == [Kind.IDENTITY, Kind.ZERO, Kind.IDENTITY, Kind.GATED]
    gate.logits.data.zero_()  # a unit that is fixed stays what it is
    family.narrow(network, 1)
    assert gate.kind.tolist() == [Kind.IDENTITY, Kind.ZERO, Kind.IDENTITY, Kind.GATED]


def test_equal_shares_of_identity_and_zero_become_identity():
    family = Gumbel()
    network = gated(family, torch.tensor([[0.2, 0.4, 0.4]]))
    family.narrow(network, 0)
    assert network.gates[0].kind.tolist() == [Kind.IDENTITY]


def test_fixed_units_are_buffers_and_compute_what_they_are():
    family = Gumbel()
    network = gated(family)
    gate = network.gates[0]
    gate.kind.copy_(torch.tensor([1, 2, 3, 0]))
    assert "gates.0.kind" in dict(network.named_buffers())
    assert [name for name, _ in gate.named_parameters()] == ["logits"]
    family.before_step(network, 0.0)
    x = torch.tensor([[-2.0, -2.0, -2.0, 1.0]])
    assert gate(x)[0, :3].tolist() == [0.0, -2.0, 0.0]
    gate(x).sum().backward()
    assert gate.logits.grad[:3].abs().max() == 0
    assert gate.logits.grad[3].abs().max() > 0


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("penalty_weight", -1.0),
        ("penalty_weight", float("nan")),
        ("identity_weight", 1.5),
        ("temperature", 0.0),
        ("final_temperature", 2.0),
        ("initial", 1.0),
    ],
)
def test_an_option_out_of_range_is_named(option: str, value: float):
    with pytest.raises(InvalidOption, match=f"gumbel: {option} is"):
        replace(Gumbel(), **{option: value})


def test_gates_of_a_network_are_found_by_name():
    assert list(gates_of(gated(Gumbel()))) == ["gates.0"]
