"""What holds of every gate family: counts, files and errors of real training on tiny data, and resuming."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import relu2mip as r2m  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Bernoulli,
    ChannelPruning,
    GateFamily,
    Gumbel,
    Kind,
    Linearisation,
    MagnitudePruning,
    Member,
    Regression,
    Schedule,
    Simulation,
    Stability,
    Watch,
    families,
    gates_of,
    load_member,
    mlp,
    sparsify,
    train,
)
from relu2mip.frontends.sparsify.config import read_config  # noqa: E402
from relu2mip.ir.lower import lower  # noqa: E402
from relu2mip.passes import simplify  # noqa: E402
from tests.frontends.sparsify.models import NETWORKS, OBJECTIVES, samples, system  # noqa: E402

SHORT = Schedule(units=(8, 4), epochs=40, round_epochs=20, finetune_epochs=20, batch=128, learning_rate=1e-2)
FAMILIES = [
    Gumbel(),
    ChannelPruning(),
    MagnitudePruning(),
    Stability(),
    Linearisation(),
    Bernoulli(penalty_weight=1e-2),
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def relus(member: Member) -> int:
    assert member.path is not None
    return simplify(lower(r2m.load(member.path))).form.relu_units


def test_every_registered_family_is_tested():
    assert sorted(family.name for family in FAMILIES) == sorted(families)
    assert {type(family) for family in FAMILIES} == {families[name] for name in families}


@each_family
def test_the_files_of_dynamics_have_the_units_asked_for(family: GateFamily, tmp_path: Path):
    """In the normal form; the file equals torch on states it was not trained on, and predicts them."""
    objective = Simulation(system(40), horizons=(1, 5))
    network = mlp(objective, (16,))
    before = objective.errors(network)
    members = train(network, objective, SHORT, family, tmp_path)
    data = system(5, seed=1)
    for units, member in zip(SHORT.units, members[1:], strict=True):
        assert relus(member) == member.relus == units
        (found,) = r2m.load(member.path).evaluate(data.state, data.control).values()
        expected = member.network(torch.tensor(data.state), torch.tensor(data.control)).detach().numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        assert all(error < before[what] / 3 for what, error in member.errors.items())


@each_family
def test_training_on_repairs_what_a_round_broke(family: GateFamily):
    objective = Regression(samples())
    unrepaired = replace(SHORT, units=(4,), round_epochs=0, finetune_epochs=0)
    broken = train(mlp(objective, (16,)), objective, unrepaired, family)[-1]
    repaired = train(mlp(objective, (16,)), objective, replace(SHORT, units=(4,)), family)[-1]
    assert repaired.errors["output"] < 0.4
    assert repaired.errors["output"] < broken.errors["output"] / 2


@each_family
@pytest.mark.parametrize("kind", ["window mlp", "densenet", "interaction"])
def test_every_architecture_keeps_the_units_asked_for(family: GateFamily, kind: str):
    objective = OBJECTIVES[kind]()
    schedule = replace(SHORT, units=(9,), epochs=2, round_epochs=2, finetune_epochs=1)
    member = train(NETWORKS[kind](objective), objective, schedule, family)[-1]
    assert sum(gate.count(Kind.RELU) for gate in gates_of(member.network).values()) == 9
    assert member.relus <= 9  # fewer where nothing reads a unit


class Interrupt(Watch):
    """Stops training in the last round."""

    def phase(self, name: str, epochs: int) -> None:
        if name == "4 units: train":
            raise KeyboardInterrupt


@each_family
def test_a_run_is_resumed_to_the_same_end(family: GateFamily, tmp_path: Path):
    objective = Regression(samples(200))
    schedule = replace(SHORT, epochs=5, round_epochs=4, finetune_epochs=3, polish=3)
    network = mlp(objective, (8, 8))
    with pytest.raises(KeyboardInterrupt):
        train(network, objective, schedule, family, tmp_path, watch=[Interrupt()])
    resumed = train(network, objective, schedule, family, tmp_path, resume=True)
    straight = train(network, objective, schedule, family)
    for one, other in zip(resumed, straight, strict=True):
        assert (one.name, one.relus, one.errors) == (other.name, other.relus, other.errors)
    again = load_member(network, objective, family, tmp_path)
    assert torch.equal(again.network(objective.inputs()[0]), straight[-1].network(objective.inputs()[0]))


@each_family
def test_a_configuration_names_it(family: GateFamily, tmp_path: Path):
    data = samples(50)
    np.savez(tmp_path / "data.npz", input=data.input, output=data.output)
    file = tmp_path / "run.toml"
    file.write_text(f'folder = "run"\n[data]\nfile = "data.npz"\n[gates]\nfamily = "{family.name}"\n')
    assert read_config(file).family == type(family)()


@each_family
def test_in_eval_mode_every_coefficient_is_0_or_1(family: GateFamily):
    objective = Regression(samples(50))
    network = sparsify(mlp(objective, (8,)), objective.example(), family).eval()
    for gate in gates_of(network).values():
        for coefficient in gate.coefficients():
            values = torch.as_tensor(coefficient)
            assert bool(((values == 0) | (values == 1)).all())
