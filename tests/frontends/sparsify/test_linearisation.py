"""Units become lines: the fit, the choice by trial, what compaction and ONNX make of it, and steps of a round."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import relu2mip as r2m
from relu2mip.errors import InvalidOption
from relu2mip.frontends.sparsify import (
    Kind,
    Linearisation,
    Member,
    Regression,
    Samples,
    Schedule,
    Simulation,
    Transitions,
    compact,
    densenet,
    gates_of,
    load_member,
    mlp,
    sparsify,
    train,
)
from relu2mip.frontends.sparsify.gates.linearisation import _fitted
from relu2mip.frontends.sparsify.shrinking import Gated


def hinges(count: int = 400) -> Regression:
    """|x| + small bumps: two units carry nearly all of it."""
    x = np.random.default_rng(0).uniform(-1, 1, (count, 2)).astype(np.float32)
    return Regression(Samples.of(x, np.abs(x[:, :1]) + 0.3 * x[:, 1:]))


def test_the_line_is_that_of_least_squares() -> None:
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).double() * 0.5
    x[:, 1] += 9.0
    x[:, 2] -= 9.0
    x[:, 3] = 0.7
    lines = _fitted(x)
    wanted = np.polyfit(x[:, 0].numpy(), x[:, 0].relu().numpy(), 1)
    assert np.allclose(lines[0], wanted)
    assert np.allclose(lines[1], [1.0, 0.0])
    assert np.allclose(lines[2], [0.0, 0.0])
    assert np.allclose(lines[3], [0.0, 0.7])


def test_units_without_use_go_first_and_nothing_changes() -> None:
    objective = hinges()
    model = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.3, 0.1], [0.2, 0.0], [0.1, -0.2], [0.0, 1.0]]))
        model[0].bias.copy_(torch.tensor([0.0, 0.0, 9.0, -9.0, 9.0, 9.0]))
        model[2].weight.copy_(torch.tensor([[1.0, 1.0, 0.4, 0.7, -0.3, 0.2]]))
    network = sparsify(model, objective.example(), Linearisation()).eval()
    x = torch.as_tensor(objective.data.input)
    before = network(x)
    Linearisation().before_narrow(network, 2, objective)
    gate = network.gates[0]
    assert [Kind(kind).name for kind in gate.kind.tolist()] == ["GATED", "GATED"] + ["IDENTITY"] * 4
    assert torch.allclose(network(x), before, atol=1e-5)


@torch.no_grad()
def test_the_best_choice_of_one_unit() -> None:
    objective = hinges()
    network = sparsify(mlp(objective, hidden=(5,), seed=3), objective.example(), Linearisation())
    everything = torch.arange(objective.samples)
    errors = []
    for unit in range(5):
        tried = sparsify(mlp(objective, hidden=(5,), seed=3), objective.example(), Linearisation())
        seen: list[torch.Tensor] = []
        handle = tried.gates[0].register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        objective.loss(tried, everything)
        handle.remove()
        tried.gates[0].straighten(unit, *_fitted(seen[0].double())[unit].tolist())
        errors.append(float(objective.loss(tried, everything)))
    Linearisation().before_narrow(network, 4, objective)
    assert network.gates[0].kind.tolist().index(int(Kind.IDENTITY)) == int(np.argmin(errors))
    assert float(objective.loss(network, everything)) == pytest.approx(min(errors), rel=1e-6)


@pytest.mark.parametrize("make", [mlp, densenet])
def test_compaction_and_onnx_compute_the_same(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    objective = hinges()
    options = {"hidden": (8, 8)} if make is mlp else {"growth": 6, "layers": 2}
    network = make(objective, **options)
    schedule = Schedule(
        units=(6, 3), epochs=40, round_epochs=5, finetune_epochs=40, step=0.4, batch=64, learning_rate=1e-2
    )
    members = train(network, objective, schedule, Linearisation(), tmp_path / "run")
    assert [member.relus for member in members[1:]] == [6, 3]
    x = torch.as_tensor(objective.data.input)
    for member in members:
        kinds = torch.cat([gate.kind for gate in gates_of(member.network).values()])
        assert member.units is None or int((kinds == Kind.RELU).sum()) == member.units
        compacted = compact(member.network, objective.example())
        assert torch.allclose(compacted(x), member.network(x), atol=1e-4)
        assert member.path is not None
        graph = r2m.load(member.path)
        assert np.allclose(graph.evaluate(objective.data.input)["output"], member.network(x).detach(), atol=1e-4)
    assert members[-1].errors["output"] < 0.5


@pytest.mark.parametrize("make", [mlp, densenet])
def test_a_run_is_resumed_with_the_layers_it_had(make, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    objective = hinges()
    options = {"hidden": (8, 8)} if make is mlp else {"growth": 6, "layers": 2}
    schedule = Schedule(units=(6, 3), epochs=5, round_epochs=2, finetune_epochs=2, step=0.3)

    def run(folder: str) -> list[Member]:
        return train(make(objective, **options), objective, schedule, Linearisation(), tmp_path / folder, resume=True)

    made, read = run("one"), run("one")
    x = torch.as_tensor(objective.data.input)
    for one, other in zip(made, read, strict=True):
        assert torch.equal(one.network(x), other.network(x))
    (tmp_path / "two").mkdir()
    for name in ("run.json", "full.pt", "units-6.pt"):
        shutil.copy(tmp_path / "one" / name, tmp_path / "two" / name)
    assert torch.equal(made[-1].network(x), run("two")[-1].network(x))
    for name in ("full", "units-6", "units-3"):
        member = load_member(make(objective, **options), objective, Linearisation(), tmp_path / "one", name)
        assert torch.equal(member.network(x), next(m for m in made if m.name == name).network(x))


def test_training_goes_on_with_what_is_left() -> None:
    """The function stays, units that are lines are gone from the layers, and the maps of units around them are not."""
    objective, family = hinges(), Linearisation()
    network = sparsify(densenet(objective, growth=6, layers=2), objective.example(), family)
    family.before_narrow(network, 5, objective)
    left = Gated(network).shrunk(objective, family)
    assert [tuple(kinds.tolist() for kinds in one) for one in left.history] == [
        tuple(gate.kind.tolist() for gate in gates_of(network).values())
    ]
    x = torch.as_tensor(objective.data.input)
    assert torch.allclose(left.network.eval()(x), network.eval()(x), atol=1e-5)
    gates = gates_of(left.network).values()
    assert sum(gate.size for gate in gates) == sum(gate.count(Kind.GATED) for gate in gates) == 5
    inputs, outputs, relus = 2, 1, [gate.size for gate in gates]
    layers = sum((inputs + sum(relus[:k])) * size + size for k, size in enumerate(relus))
    assert sum(p.numel() for p in left.network.parameters()) == layers + (inputs + 5) * outputs + outputs
    again = Gated(sparsify(densenet(objective, growth=6, layers=2), objective.example(), family))
    same = again.again(left.history, objective, family).network
    assert {k: v.shape for k, v in same.state_dict().items()} == {
        k: v.shape for k, v in left.network.state_dict().items()
    }


def test_rollouts_and_small_steps_help() -> None:
    """Of a pendulum: the same units after small steps and rollouts predict no worse ten steps ahead."""
    rng = np.random.default_rng(0)
    states, controls = [rng.uniform([-2, -2], [2, 2], (60, 2))], []
    for _ in range(20):
        controls.append(rng.uniform(-1, 1, (60, 1)))
        angle, speed = states[-1].T
        speed = speed + 0.2 * (np.abs(angle) - 1.0 + controls[-1][:, 0])
        states.append(np.stack([angle + 0.2 * speed, speed], axis=1).clip(-6, 6))
    data = Transitions.of_trajectories(np.stack(states, axis=1), np.stack(controls, axis=1))
    objective = Simulation(data)
    lengths = {"epochs": 40, "round_epochs": 5, "finetune_epochs": 20, "batch": 256}
    network = mlp(objective, hidden=(12,))
    plain = train(network, objective, Schedule(units=(2,), **lengths), Linearisation())[-1]
    rolled = Schedule(units=(2,), **lengths, step=0.2, rollout_steps=5, rollout_epochs=20)
    better = train(network, objective, rolled, Linearisation())[-1]
    assert better.relus == 2
    assert better.errors["10 steps"] < 1.05 * plain.errors["10 steps"]


def test_a_round_begins_with_the_member_before() -> None:
    objective = hinges()
    lengths = {"epochs": 5, "round_epochs": 0, "finetune_epochs": 10, "batch": 64}
    errors = []
    for carry in (False, True):
        schedule = Schedule(units=(7,), **lengths, carry=carry)
        full, fewer = train(mlp(objective, hidden=(8,)), objective, schedule, Linearisation())
        errors.append((full.errors["output"], fewer.errors["output"]))
    assert errors[0][0] == errors[1][0]
    assert errors[1][1] < errors[0][1]


def test_bad_options() -> None:
    with pytest.raises(InvalidOption, match="samples is 1"):
        Linearisation(samples=1)
    with pytest.raises(InvalidOption, match="step is 0"):
        Schedule(units=(2,), step=0.0)
    with pytest.raises(InvalidOption, match="together"):
        Schedule(units=(2,), rollout_steps=3)
    rolled = Schedule(units=(2,), epochs=0, round_epochs=0, finetune_epochs=0, rollout_steps=3, rollout_epochs=1)
    with pytest.raises(InvalidOption, match="has no steps"):
        train(mlp(hinges(), hidden=(4,)), hinges(), rolled, Linearisation())


def test_narrowings() -> None:
    assert Schedule(units=(36, 8)).narrowings(128) == [(36,), (8,)]
    steps = Schedule(units=(4,), step=0.1).narrowings(20)[0]
    assert steps[-1] == 4
    assert all(1 <= a - b <= max(1, int(0.1 * a)) for a, b in zip((20, *steps), steps, strict=False))
