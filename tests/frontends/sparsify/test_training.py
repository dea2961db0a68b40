"""Real training on tiny data: errors fall, rounds leave the units they say, runs repeat and resume exactly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

import relu2mip as r2m  # noqa: E402
from relu2mip.errors import BackendUnavailable, InvalidOption  # noqa: E402
from relu2mip.frontends.sparsify import (  # noqa: E402
    Gumbel,
    Kind,
    Member,
    ProgressBars,
    Regression,
    Schedule,
    Simulation,
    TensorBoard,
    Watch,
    gates_of,
    interaction,
    load_member,
    mlp,
    train,
)
from relu2mip.ir.lower import lower  # noqa: E402
from relu2mip.passes import simplify  # noqa: E402
from tests.frontends.sparsify.models import samples, system  # noqa: E402

SHORT = Schedule(units=(6, 3), epochs=40, round_epochs=20, finetune_epochs=20, batch=128, learning_rate=1e-2)
FAMILY = Gumbel(penalty_weight=1e-3)


def relus(member: Member) -> int:
    return sum(gate.count(Kind.RELU) for gate in gates_of(member.network).values())


@pytest.fixture(scope="module")
def family() -> list[Member]:
    objective = Regression(samples())
    return train(mlp(objective, (16, 16)), objective, SHORT, FAMILY)


def test_every_round_leaves_its_units(family: list[Member]):
    assert [member.name for member in family] == ["full", "units-6", "units-3"]
    assert [relus(member) for member in family] == [32, 6, 3]
    assert all(member.relus <= relus(member) for member in family)


def test_training_brings_the_error_down(family: list[Member]):
    objective = Regression(samples())
    before = objective.errors(mlp(objective, (16, 16)))["output"]
    affine = np.linalg.lstsq(np.c_[objective.data.input, np.ones(400)], objective.data.output, rcond=None)[1]
    affine_error = float(np.sqrt(affine[0] / 400) / objective.data.output.std())
    errors = [member.errors["output"] for member in family]
    assert before > 0.5
    assert max(errors) < affine_error / 2 < before / 2


def test_the_network_that_was_given_stays_as_it_is():
    objective = Regression(samples(100))
    network = mlp(objective, (4,))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    train(network, objective, replace(SHORT, units=(2,), epochs=2), FAMILY)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not gates_of(network)


def test_a_few_iterations_of_lbfgs_polish():
    objective = Regression(samples())
    schedule = replace(SHORT, units=(4,), finetune_epochs=10)
    errors = [
        train(mlp(objective, (16,)), objective, replace(schedule, polish=polish), FAMILY)[-1].errors["output"]
        for polish in (0, 50)
    ]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize(("window", "predicts"), [(1, "change"), (2, "change"), (1, "state")])
def test_training_on_several_steps_of_dynamics(window: int, predicts: str):
    objective = Simulation(system(40), window=window, steps=3, predicts=predicts, horizons=(1, 5))
    network = mlp(objective, (16,))
    before = objective.errors(network)
    member = train(network, objective, replace(SHORT, units=(4,)), FAMILY)[-1]
    assert list(member.errors) == ["1 step", "5 steps"]
    assert all(error < before[what] / 3 for what, error in member.errors.items())
    if predicts == "change":  # a state is harder to predict by the spread of its change, by which errors are divided
        assert all(error < 0.15 for error in member.errors.values())


def test_training_an_interaction_network():
    objective = Simulation(system(40, objects=3), horizons=(1, 5))
    network = interaction(objective, 2, edge=(8,), node=(8,))
    before = objective.errors(network)
    member = train(network, objective, replace(SHORT, units=(6,)), FAMILY)[-1]
    assert relus(member) == 6
    assert all(error < 0.3 < before[what] / 2 for what, error in member.errors.items())
    four = Simulation(system(6, objects=4), horizons=(1,))  # a number of objects it never saw
    assert four.errors(member.network)["1 step"] < four.errors(network)["1 step"] / 2


def test_the_error_of_several_steps_is_that_of_the_rollout():
    """Against a rollout by hand."""
    data = system(5)
    objective = Simulation(data, window=2, steps=3, validation=0.0)
    network = mlp(objective, (5,)).eval()
    start = 4  # rows of the first rollout: its states 4 and 5 are the window
    states = np.concatenate([data.state[:12], data.next_state[11:12]])
    past, total = [states[4], states[5]], 0.0
    spread = (data.next_state - data.state).std(axis=0)
    for t in range(3):
        seen = torch.tensor(np.concatenate(past[-2:]))[None], torch.tensor(data.control[start + t : start + t + 2]).T
        with torch.no_grad():
            past.append(past[-1] + network(*seen).numpy()[0])
        total += float((((past[-1] - states[6 + t]) / spread) ** 2).mean())
    with torch.no_grad():
        loss = objective.loss(network, torch.tensor([start]))
    assert float(loss) == pytest.approx(total / 3, rel=1e-4)


def test_a_run_repeats_and_another_seed_differs():
    objective = Regression(samples(100))
    runs = [
        train(mlp(objective, (6,)), objective, replace(SHORT, units=(3,), epochs=5, seed=seed), FAMILY)[-1]
        for seed in (0, 0, 1)
    ]
    first, second, third = (run.network.state_dict() for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], third[name]) for name in first)


def test_the_random_numbers_of_the_program_are_left_alone():
    objective = Regression(samples(100))
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(mlp(objective, (6,)), objective, replace(SHORT, units=(3,), epochs=2), FAMILY)
    assert torch.equal(torch.rand(3), expected)


class Interrupt(Watch):
    """Stops training in a phase."""

    def phase(self, name: str, epochs: int) -> None:
        if name == "3 units: train":
            raise KeyboardInterrupt


def test_a_run_is_resumed_to_the_same_end(tmp_path: Path):
    objective = Regression(samples(200))
    schedule = replace(SHORT, epochs=5, round_epochs=4, finetune_epochs=3)
    network = mlp(objective, (8, 8))
    with pytest.raises(KeyboardInterrupt):
        train(network, objective, schedule, FAMILY, tmp_path / "run", watch=[Interrupt()])
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["full.onnx", "full.pt", "run.json", "units-6.onnx", "units-6.pt"]
    with pytest.raises(InvalidOption, match="has a run already; resume it"):
        train(network, objective, schedule, FAMILY, tmp_path / "run")
    with pytest.raises(InvalidOption, match="another gates"):
        train(network, objective, schedule, Gumbel(penalty_weight=0.5), tmp_path / "run", resume=True)
    with pytest.raises(InvalidOption, match="another objective"):
        train(network, Regression(samples(200, seed=1)), schedule, FAMILY, tmp_path / "run", resume=True)
    resumed = train(network, objective, schedule, FAMILY, tmp_path / "run", resume=True)
    straight = train(network, objective, schedule, FAMILY)
    for one, other in zip(resumed, straight, strict=True):
        assert (one.name, one.relus, one.errors) == (other.name, other.relus, other.errors)
        assert all(torch.equal(value, other.network.state_dict()[n]) for n, value in one.network.state_dict().items())
    for member in resumed:
        form = simplify(lower(r2m.load(member.path))).form
        assert form.relu_units == member.relus
    resumed[1].path.unlink()
    train(network, objective, schedule, FAMILY, tmp_path / "run", resume=True)
    assert resumed[1].path.exists()
    again = load_member(network, objective, FAMILY, tmp_path / "run")
    assert (again.name, again.units, again.relus) == ("units-3", 3, resumed[-1].relus)
    assert torch.equal(again.network(objective.inputs()[0]), resumed[-1].network(objective.inputs()[0]))
    assert load_member(network, objective, FAMILY, tmp_path / "run", "full").units is None
    with pytest.raises(InvalidOption, match="no member 'units-4'; it has units-3, units-6, full"):
        load_member(network, objective, FAMILY, tmp_path / "run", "units-4")


def test_a_damaged_checkpoint_is_named(tmp_path: Path):
    objective = Regression(samples(100))
    network = mlp(objective, (4,))
    (tmp_path / "units-2.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InvalidOption, match=r"units-2\.pt: damaged, or of another network"):
        load_member(network, objective, FAMILY, tmp_path)
    with pytest.raises(InvalidOption, match="has no trained member"):
        load_member(network, objective, FAMILY, tmp_path / "nowhere")


class Recorder(Watch):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.phases: list[tuple[str, int]] = []
        self.errors: list[float] = []
        self.members: list[str] = []
        self.closed = False

    def phase(self, name: str, epochs: int) -> None:
        self.phases.append((name, epochs))

    def epoch(self, error: float, penalty: float) -> None:
        self.errors.append(error)

    def member(self, member: Member) -> None:
        self.members.append(member.name)

    def close(self) -> None:
        self.closed = True


def test_a_watch_is_told_of_everything(capsys: pytest.CaptureFixture[str]):
    objective = Regression(samples(100))
    watch = Recorder()
    schedule = replace(SHORT, units=(2,), epochs=3, round_epochs=2, finetune_epochs=1)
    train(mlp(objective, (4,)), objective, schedule, FAMILY, watch=[watch, ProgressBars()])
    phases = [("all units: train", 3), ("all units: fine-tune", 1), ("2 units: train", 2), ("2 units: fine-tune", 1)]
    assert watch.phases == phases
    assert len(watch.errors) == 7
    assert (watch.members, watch.closed) == (["full", "units-2"], True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "2 units: fine-tune" in captured.err


def test_tensorboard_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    with pytest.raises(BackendUnavailable, match="pip install tensorboard"):
        TensorBoard(tmp_path)


def test_tensorboard_writes_events(tmp_path: Path):
    pytest.importorskip("tensorboard")
    objective = Regression(samples(100))
    schedule = replace(SHORT, units=(2,), epochs=3, round_epochs=2, finetune_epochs=1)
    train(mlp(objective, (4,)), objective, schedule, FAMILY, watch=[TensorBoard(tmp_path)])
    assert list(tmp_path.glob("events*"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"units": (8, 8)}, "fewer in each round"),
        ({"units": (-1,)}, "whole numbers, at least 0"),
        ({"units": (2.5,)}, "whole numbers"),
        ({"epochs": -1}, "epochs is -1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"gate_learning_rate": float("nan")}, "gate_learning_rate is nan"),
        ({"device": "tpu"}, "device is 'tpu'"),
    ],
)
def test_a_schedule_out_of_range_is_refused(options: dict, words: str):
    with pytest.raises(InvalidOption, match=words):
        Schedule(**options)


def test_more_units_than_the_network_has_are_refused(tmp_path: Path):
    objective = Regression(samples(100))
    with pytest.raises(InvalidOption, match="units starts with 40; the network has 8 units"):
        train(mlp(objective, (8,)), objective, Schedule(units=(40, 2)), FAMILY, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_diverging_error_stops_training():
    objective = Regression(samples(100))
    with pytest.raises(InvalidOption, match=r"all units: train: the error is .* lower learning_rate"):
        train(mlp(objective, (8, 8, 8)), objective, replace(SHORT, learning_rate=1e30), FAMILY)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    objective = Regression(samples(100))
    with pytest.raises(InvalidOption, match='give "cpu" or "auto"'):
        train(mlp(objective, (4,)), objective, replace(SHORT, device="cuda"), FAMILY)
    train(mlp(objective, (8,)), objective, replace(SHORT, units=(2,), epochs=1, device="auto"), FAMILY)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_training_on_a_gpu(tmp_path: Path):
    objective = Simulation(system(40, objects=3), horizons=(1, 5))
    network = interaction(objective, 2, edge=(8,), node=(8,))
    run = train(network, objective, replace(SHORT, units=(6,), device="cuda"), FAMILY, tmp_path / "run")
    assert run[-1].errors["1 step"] < 0.3
    assert simplify(lower(r2m.load(run[-1].path))).form.relu_units >= run[-1].relus


def test_run_json_says_what_was_asked(tmp_path: Path):
    objective = Regression(samples(100))
    train(mlp(objective, (4,)), objective, replace(SHORT, units=(2,), epochs=1), FAMILY, tmp_path / "run")
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["schedule"]["units"] == [2]
    assert run["gates"]["penalty_weight"] == 1e-3
    assert run["objective"]["data"] == objective.data.digest


def test_a_model_of_the_users_own():
    objective = Regression(samples())
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
    before = objective.errors(model)["output"]
    member = train(model, objective, replace(SHORT, units=(8,), polish=50), FAMILY)[-1]
    assert member.errors["output"] < before / 10
