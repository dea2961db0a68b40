"""Units that are unstable on the working set have a price: what it is, and that it makes units stable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import relu2mip as r2m  # noqa: E402
from relu2mip.errors import InvalidOption, UnsupportedNetwork  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Gumbel,
    Kind,
    Linearisation,
    Regression,
    Schedule,
    Simulation,
    densenet,
    gates_of,
    mlp,
    sparsify,
    train,
)
from relu2mip.frontends.sparsify.gates.working_set import WorkingSet, instability  # noqa: E402
from tests.frontends.sparsify.models import samples  # noqa: E402
from tests.frontends.sparsify.pushing import COORDINATES, pushing  # noqa: E402

SIMULATION = Simulation(pushing(), coordinates=COORDINATES)


def prepared(network: nn.Module, objective: Regression | Simulation, family: Linearisation | Gumbel) -> nn.Module:
    gated = sparsify(network, objective.example(), family)
    family.prepare(gated, objective)
    return gated


def test_instability_is_how_far_zero_is_from_the_middle():
    objective = Regression(samples(40))
    network = prepared(mlp(objective, (5,)), objective, Linearisation(unstable_weight=1.0, reach=0.25))
    layer = network.get_submodule("core.0")
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [1.0, 0.0], [-1.0, 0.0]]))
        layer.bias.copy_(torch.tensor([0.1, 0.0, -0.2, 9.0, -9.0]))
    (x,), units = objective.inputs(), objective.input_units[0]
    radius = 0.25 * (x.amax(dim=0) - x.amin(dim=0)) / torch.tensor(units.scale)
    centres = (x - torch.tensor(units.offset)) / torch.tensor(units.scale) @ layer.weight.T + layer.bias
    expected = (1 - centres.abs() / (radius @ layer.weight.abs().T)).clamp(min=0).mean(dim=0)
    (found,) = instability(network).values()
    torch.testing.assert_close(found, expected)
    assert (found[:3] > 0.1).all()
    assert (found[3:] == 0).all()
    with torch.no_grad():
        layer.weight.mul_(7.0)
        layer.bias.mul_(7.0)
    torch.testing.assert_close(instability(network)["gates.0"], expected)


def test_boxes_are_what_a_plan_may_see():
    index = torch.tensor([0, 5])
    states = SIMULATION.inputs()[0][index]
    (low, first), (high, last) = SIMULATION.boxes(index, 0.0)
    assert torch.equal(low, states)
    assert torch.equal(high, states)
    assert np.array_equal(first.numpy(), np.tile(SIMULATION.data.control.min(axis=0), (2, 1)))
    assert np.array_equal(last.numpy(), np.tile(SIMULATION.data.control.max(axis=0), (2, 1)))
    (low, _), (high, _) = SIMULATION.boxes(index, 2.0)
    change = np.abs(SIMULATION.data.next_state - SIMULATION.data.state)
    assert np.allclose((high - low) / 2, np.tile(2 * np.percentile(change, 95, axis=0), (2, 1)), rtol=1e-4, atol=1e-6)
    windows = Simulation(pushing(), window=2)
    (_, first), _ = windows.boxes(index, 0.0)
    assert torch.equal(first[:, :2], windows.inputs()[1][index][:, :2])  # controls that were given are known
    assert not torch.equal(first[:, 2:], windows.inputs()[1][index][:, 2:])


def test_the_price_is_of_what_may_be_a_relu():
    family = Gumbel(penalty_weight=0.0, unstable_weight=0.5, reach=1.0)
    network = prepared(mlp(SIMULATION, (6,)), SIMULATION, family)
    gate = network.gates[0]
    unstable, pi = instability(network)["gates.0"], gate.log_probabilities().exp()[:, 0]
    torch.testing.assert_close(family.penalty(network), 0.5 * (unstable * pi).sum())
    gate.kind[:] = int(Kind.RELU)
    gate.kind[:2] = int(Kind.ZERO)
    torch.testing.assert_close(family.member_penalty(network), 0.5 * unstable[2:].sum())
    assert Gumbel().member_penalty(network) == 0
    assert not hasattr(prepared(mlp(SIMULATION, (6,)), SIMULATION, Linearisation()), "working_set")


def test_members_have_fewer_unstable_units_and_so_do_programs(tmp_path: Path):
    schedule = Schedule(
        units=(8,), epochs=15, round_epochs=5, finetune_epochs=15, step=0.3, batch=64, carry=True, learning_rate=1e-2
    )
    unstable, binaries = {}, {}
    for weight in (0.0, 1e-2):
        family = Linearisation(unstable_weight=weight, reach=0.0)
        network = densenet(SIMULATION, growth=8, layers=2)
        member = train(network, SIMULATION, schedule, family, tmp_path / str(weight))[-1]
        member.network.add_module("working_set", WorkingSet(SIMULATION, 0.0))
        with torch.no_grad():
            unstable[weight] = float(sum(part.sum() for part in instability(member.network).values()))
        assert member.relus == 8
        assert member.errors["1 step"] < 0.1
        counts = []
        for state in SIMULATION.data.state[::40]:
            plan = r2m.Trajectory(
                r2m.load(member.path), 1, state, r2m.Box(-0.5, 0.7), states=r2m.Box(-30, 30), predicts="change"
            )
            counts.append(r2m.compile(plan, bounds="ibp").statistics.binaries)
        binaries[weight] = sum(counts)
    assert unstable[1e-2] < 0.7 * unstable[0.0]
    assert binaries[1e-2] < binaries[0.0]
    again = train(network, SIMULATION, schedule, family, tmp_path / str(weight), resume=True)[-1]
    assert again.errors == member.errors


@pytest.mark.parametrize("family", [Gumbel, Linearisation])
@pytest.mark.parametrize("option", ["unstable_weight", "reach"])
@pytest.mark.parametrize("value", [-1e-9, float("inf"), float("nan")])
def test_options_out_of_range_are_refused(family: type, option: str, value: float):
    with pytest.raises(InvalidOption, match=f"{family.name}: {option} is {value}; give a finite number, at least 0"):
        family(**{option: value})


class Softened(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 4), nn.Linear(4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.b((self.a(x).exp() - 2).relu())


def test_a_network_without_known_bounds_is_refused_before_training():
    with pytest.raises(UnsupportedNetwork, match=r"exp.*interval bounds of it are not known"):
        train(Softened(), Regression(samples(50)), Schedule(epochs=1), Linearisation(unstable_weight=1.0))


def test_gates_are_found_beside_the_working_set():
    network = prepared(mlp(SIMULATION, (6,)), SIMULATION, Linearisation(unstable_weight=1.0))
    assert list(gates_of(network)) == ["gates.0"]
