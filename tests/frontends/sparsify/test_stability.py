"""Stability regularisation: exact on the box, more stable units than without, and no fewer ReLUs than bounds prove."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import relu2mip as r2m  # noqa: E402
from relu2mip.errors import InvalidNetwork, InvalidOption, UnsupportedNetwork  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Kind,
    Regression,
    Schedule,
    Simulation,
    Stability,
    gates_of,
    interaction,
    mlp,
    sparsify,
    train,
)
from tests.frontends.sparsify.models import samples, system  # noqa: E402

SCHEDULE = Schedule(epochs=60, finetune_epochs=0, batch=64, learning_rate=1e-2)


def prepared(family: Stability, objective: Regression, network: nn.Module) -> nn.Module:
    gated = sparsify(network, objective.example(), family)
    family.prepare(gated, objective)
    return gated


def unstable(family: Stability, network: nn.Module) -> int:
    return sum(int(((low < 0) & (high > 0)).sum()) for low, high in family.bounds(network).values())


def box_points(objective: Regression, count: int = 500) -> torch.Tensor:
    (x,) = objective.inputs()
    low, high = x.amin(dim=0), x.amax(dim=0)
    return low + (high - low) * torch.rand((count, x.shape[1]), generator=torch.Generator().manual_seed(0))


def test_fixing_stable_units_changes_nothing_on_the_box():
    objective, family = Regression(samples()), Stability(stability_weight=1e-2)
    trained = train(mlp(objective, (12, 12)), objective, SCHEDULE, family)[0].network
    fixed = prepared(family, objective, mlp(objective, (12, 12)))
    fixed.load_state_dict(trained.state_dict())
    for gate in gates_of(fixed).values():
        gate.kind.fill_(Kind.GATED)
    left = unstable(family, fixed)
    assert 0 < left < 24
    family.narrow(fixed, left)
    assert sum(gate.count(Kind.GATED) for gate in gates_of(fixed).values()) == left
    inside = box_points(objective)
    torch.testing.assert_close(fixed(inside), trained(inside), rtol=1e-5, atol=1e-5)
    far = 30 * (inside - inside.mean(dim=0))
    assert not torch.allclose(fixed(far), trained(far), atol=1e-3)  # outside it does
    family.narrow(fixed, left - 1)
    assert not torch.allclose(fixed(inside), trained(inside), atol=1e-5)  # an unstable unit


def test_the_penalty_makes_units_stable_and_the_compiler_finds_them(tmp_path: Path):
    objective = Regression(samples())
    found = {}
    for weight in (0.0, 1e-2):
        family = Stability(stability_weight=weight, l1_weight=0.0)
        member = train(mlp(objective, (12, 12)), objective, SCHEDULE, family, tmp_path / str(weight))[0]
        (x,) = objective.inputs()
        box = r2m.BoxProblem(r2m.load(member.path), x.amin(dim=0).numpy(), x.amax(dim=0).numpy(), [1.0])
        left = r2m.compile(box, bounds="ibp").normal_form.relu_units
        assert left == unstable(family, member.network)
        assert member.errors["output"] < 0.15
        found[weight] = left
    assert found[1e-2] <= found[0.0] - 5


def test_the_penalty_is_that_of_the_paper():
    objective, family = Regression(samples(50)), Stability(stability_weight=0.5, l1_weight=0.25)
    network = prepared(family, objective, mlp(objective, (4,)))
    first, second = (network.get_submodule(name) for name in ("core.0", "core.2"))
    x = objective.inputs()[0]
    units = objective.input_units[0]
    corners = [
        (x.amin(dim=0).numpy() - units.offset) / units.scale,
        (x.amax(dim=0).numpy() - units.offset) / units.scale,
    ]
    low = torch.tensor((corners[0] + corners[1]) / 2) @ first.weight.T + first.bias
    radius = torch.tensor((corners[1] - corners[0]) / 2) @ first.weight.abs().T
    stability = -torch.tanh(1 + (low - radius) * (low + radius))
    weights = first.weight.abs().sum() + second.weight.abs().sum()
    torch.testing.assert_close(family.penalty(network), 0.5 * stability.sum() + 0.25 * weights)
    network.gates[0].kind[:2] = int(Kind.IDENTITY)
    torch.testing.assert_close(family.penalty(network), 0.5 * stability[2:].sum() + 0.25 * weights)


def test_the_most_nearly_stable_units_go_first():
    objective, family = Regression(samples(50)), Stability()
    network = prepared(family, objective, mlp(objective, (5,)))
    layer = network.get_submodule("core.0")
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0]]).expand(5, 2))
        layer.bias.copy_(torch.tensor([0.0, 9.0, -9.0, 1.0, -0.5]))
    order = []
    for keep in (4, 3, 2, 1, 0):
        before = network.gates[0].kind.clone()
        family.narrow(network, keep)
        (unit,) = torch.nonzero(network.gates[0].kind != before).flatten().tolist()
        order.append((unit, Kind(int(network.gates[0].kind[unit])).name))
    assert sorted(order[:2]) == [(1, "IDENTITY"), (2, "ZERO")]
    assert order[2:4] == [(3, "IDENTITY"), (4, "ZERO")]


def test_the_margin_widens_the_box():
    objective = Regression(samples(50))
    network = prepared(Stability(), objective, mlp(objective, (4,)))
    wider = prepared(Stability(margin=0.5), objective, mlp(objective, (4,)))
    (low,), (high,) = network.stability_box.bounds()
    (lower,), (higher,) = wider.stability_box.bounds()
    torch.testing.assert_close(higher - lower, 2 * (high - low))
    torch.testing.assert_close(lower + higher, low + high)


def test_objects_share_their_bounds():
    objective = Simulation(system(20, objects=3), horizons=(1,))
    schedule = replace(SCHEDULE, units=(6,), epochs=20, round_epochs=10, finetune_epochs=5)
    network = interaction(objective, 2, (8,), (8,))
    member = train(network, objective, schedule, Stability())[-1]
    assert member.relus == 6
    assert member.errors["1 step"] < objective.errors(network)["1 step"] / 2


@pytest.mark.parametrize("option", ["stability_weight", "l1_weight", "margin"])
@pytest.mark.parametrize("value", [-1e-9, float("inf"), float("nan")])
def test_options_out_of_range_are_refused(option: str, value: float):
    with pytest.raises(InvalidOption, match=f"stability: {option} is {value}; give a finite number, at least 0"):
        Stability(**{option: value})


def test_a_network_that_was_not_prepared():
    network = sparsify(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(1, 2), Stability())
    with pytest.raises(InvalidNetwork, match="has no box; call prepare"):
        Stability().narrow(network, 1)


def test_a_layer_called_box_is_no_trouble():
    objective = Regression(samples(50))
    model = nn.Sequential(OrderedDict(box=nn.Linear(2, 3), relu=nn.ReLU(), out=nn.Linear(3, 1)))
    assert list(Stability().bounds(prepared(Stability(), objective, model))) == ["gates.0"]


class Softened(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 4), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b((self.a(x).exp() - 2).relu())


def test_a_network_without_known_bounds_is_refused_before_training(tmp_path: Path):
    objective = Regression(samples(50))
    with pytest.raises(UnsupportedNetwork, match=r"exp.*interval bounds of it are not known"):
        train(Softened(), objective, SCHEDULE, Stability(), tmp_path)
    assert not list(tmp_path.glob("*.onnx"))
