"""Magnitude pruning: what is masked, that it stays at zero in every phase, and how many units that leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from relu2mip.errors import InvalidOption, UnsupportedNetwork  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Kind,
    MagnitudePruning,
    Regression,
    Schedule,
    compact,
    gates_of,
    harden,
    mlp,
    sparsify,
    train,
)
from tests.frontends.sparsify.models import Mixed, samples  # noqa: E402


def three_units() -> nn.Sequential:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    model[0].weight.data = torch.tensor([[0.5, 0.2], [-2.0, 0.4], [0.1, -0.6]])
    model[2].weight.data = torch.tensor([[5.0, 0.2, 3.0], [-4.0, 4.5, 4.5]])
    return model


def weights(network: nn.Module) -> list[list[list[float]]]:
    return [network.get_submodule(name).weight.tolist() for name in ("0", "2")]


def test_each_layer_has_its_threshold():
    family = MagnitudePruning()
    network = sparsify(three_units(), torch.zeros(1, 2), family)
    family.narrow(network, 3)  # the first layer loses the unit whose largest weight is 0.5, the second one of 4.5
    assert [gate.kind.tolist() for gate in gates_of(network).values()] == [[Kind.ZERO, 0, 0], [0, Kind.ZERO]]
    first, second = weights(network)
    assert torch.equal(torch.tensor(first), torch.tensor([[0.0, 0.0], [-2.0, 0.0], [0.0, -0.6]]))
    assert second == [[5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]


def test_one_threshold_for_the_network():
    """4.5 of the second layer is above all of the first; its unit keeps its largest weight though."""
    family = MagnitudePruning(scope="network")
    network = sparsify(three_units(), torch.zeros(1, 2), family)
    family.narrow(network, 2)
    assert [gate.count(Kind.GATED) for gate in gates_of(network).values()] == [1, 1]
    assert weights(network) == [[[0.0, 0.0], [-2.0, 0.0], [0.0, 0.0]], [[5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]


def test_masked_weights_stay_at_zero_through_every_phase():
    objective = Regression(samples())
    schedule = Schedule(units=(6, 3), epochs=20, round_epochs=20, finetune_epochs=20, polish=20, learning_rate=1e-2)
    members = train(mlp(objective, (8, 8)), objective, schedule, MagnitudePruning())
    masked: list[torch.Tensor] = []
    for member in members:
        layers = [member.network.get_submodule(f"core.{k}") for k in (0, 2)]
        zero = [layer.weight == 0 for layer in layers]
        assert all(bool((now | ~before).all()) for before, now in zip(masked, zero, strict=False))
        masked = zero
        for layer, gate in zip(layers, gates_of(member.network).values(), strict=True):
            dead = (layer.weight == 0).all(dim=1)
            assert torch.equal(dead, gate.kind == Kind.ZERO)
    assert sum(int(zero.sum()) for zero in masked) > 50


def test_pruning_gradually_beats_pruning_without_training_on():
    objective = Regression(samples())
    schedule = Schedule(units=(8, 5), epochs=40, round_epochs=40, finetune_epochs=40, batch=64, learning_rate=1e-2)
    errors = [
        train(mlp(objective, (16,)), objective, one, MagnitudePruning())[-1].errors["output"]
        for one in (schedule, replace(schedule, round_epochs=0, finetune_epochs=0))
    ]
    assert errors[0] < errors[1] / 2


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    keep=st.integers(0, 13),
    scope=st.sampled_from(["layer", "network"]),
    whole=st.booleans(),
)
def test_so_many_units_have_a_weight_left(seed: int, keep: int, scope: str, whole: bool):
    """Also where weights are equal."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 7), nn.ReLU(), nn.Linear(7, 1))
    if whole:
        for layer in (model[0], model[2]):
            layer.weight.data.mul_(8).round_().clamp_(min=1)
    family = MagnitudePruning(scope)
    network = sparsify(model, torch.zeros(1, 3), family)
    family.narrow(network, keep)
    alive = [network.get_submodule(name).weight.abs().amax(dim=1) > 0 for name in ("0", "2")]
    assert sum(int(one.sum()) for one in alive) >= keep
    gates = list(gates_of(network).values())
    assert [gate.count(Kind.GATED) for gate in gates] == [int((gate.kind == Kind.GATED).sum()) for gate in gates]
    assert sum(gate.count(Kind.GATED) for gate in gates) == keep
    assert all(bool(one[gate.kind == Kind.GATED].all()) for one, gate in zip(alive, gates, strict=True))
    assert compact(harden(network), (torch.zeros(2, 3),)).meta["relus"] <= keep


def test_units_without_weights_are_refused_at_once():
    with pytest.raises(UnsupportedNetwork, match=r"gates\.3"):
        sparsify(Mixed(), torch.rand(7, 6), MagnitudePruning())


def test_another_scope_is_refused():
    with pytest.raises(InvalidOption, match='scope is global; give "layer" or "network"'):
        MagnitudePruning(scope="global")
