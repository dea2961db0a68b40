"""Rows with motion and rows at rest: how they are told apart, weighted, reported, and shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner  # noqa: E402

from relu2mip.cli.app import app  # noqa: E402
from relu2mip.errors import InvalidData, InvalidOption, Relu2MipError, UnknownOption  # noqa: E402
from relu2mip.frontends.sparsify import Gumbel, Schedule, Simulation, Transitions, load_data, mlp, train  # noqa: E402
from tests.frontends.sparsify.models import system  # noqa: E402
from tests.frontends.sparsify.pushing import CONTROLS, COORDINATES, STATES, pushing  # noqa: E402

DATA = pushing()
ARRAYS = {name: getattr(DATA, name) for name in ("state", "control", "next_state", "rollout")}


def test_a_row_moves_where_a_named_state_changes_by_more_than_the_tolerance():
    change = np.abs(DATA.next_state - DATA.state)
    np.testing.assert_array_equal(DATA.moved, (change[:, :4] > 1e-4).any(axis=1))
    assert 0.2 < DATA.moved.mean() < 0.8
    tolerance = float(np.median(change[DATA.moved, 0]))
    coarse = DATA.with_motion(["corner_0_x"], tolerance)
    np.testing.assert_array_equal(coarse.moved, change[:, 0].astype(np.float64) > tolerance)
    assert coarse.digest != DATA.digest != Transitions.of(**ARRAYS).digest


@pytest.mark.parametrize(
    ("states", "tolerance", "error", "words"),
    [
        (
            ["corner_0"],
            100.0,
            InvalidData,
            r"no row moves: corner_0 change by 0\.\d+ at most, and tolerance is 100; lower",
        ),
        (["corner_2"], 0.1, UnknownOption, "name in motion: 'corner_2': did you mean 'corner_1'"),
        (["push"], 0.1, UnknownOption, "name in motion: 'push'"),
        (["hand"], -1.0, InvalidOption, "tolerance -1.0; give names and 0 or more"),
        (["hand"], float("nan"), InvalidOption, "tolerance nan"),
        ([], 0.1, InvalidOption, "give names"),
    ],
)
def test_motion_that_cannot_be_told(states: list, tolerance: float, error: type[Relu2MipError], words: str):
    with pytest.raises(error, match=words):
        DATA.with_motion(states, tolerance)


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        (np.zeros(len(DATA.state), bool), "moved is false in every row; leave it out"),
        (np.ones(3, bool), r"moved has shape \(3,\)"),
        (np.full(len(DATA.state), 2), "give 360 entries, true or false"),
        (np.full(len(DATA.state), np.nan), "give 360 entries, true or false"),
    ],
)
def test_an_array_that_does_not_say_which_rows_move(moved: np.ndarray, words: str):
    with pytest.raises(InvalidData, match=words):
        Transitions.of(**ARRAYS, moved=moved)


def test_files_say_names_and_motion(tmp_path: Path):
    path = tmp_path / "data.npz"
    metadata = json.dumps({"state_names": STATES, "control_names": CONTROLS, "seed": 3})
    np.savez(path, **ARRAYS, moved=DATA.moved.astype(np.uint8), metadata=metadata)
    data = load_data(path)
    assert (data.state_names, data.control_names) == (STATES, CONTROLS)
    assert data.digest == DATA.digest
    assert load_data(path, control_names=["a", "b"]).control_names == ("a", "b")
    states, controls = DATA.state.reshape(30, 12, 6), DATA.control.reshape(30, 12, 2)
    states = np.concatenate([states, DATA.next_state.reshape(30, 12, 6)[:, -1:]], axis=1)
    np.savez(path, state=states, control=controls, length=np.full(30, 11), moved=DATA.moved.reshape(30, 12))
    np.testing.assert_array_equal(load_data(path).moved, DATA.moved.reshape(30, 12)[:, :11].ravel())
    np.savez(path, state=states, control=controls, moved=DATA.moved)
    with pytest.raises(InvalidData, match=r"data.npz: moved has shape \(360,\); give \(R, T\)"):
        load_data(path)
    for wrong, words in (
        ("[1]", "metadata is no JSON object"),
        ('{"state_names": "x"}', "state_names in metadata is 'x'"),
    ):
        np.savez(path, **ARRAYS, metadata=wrong)
        with pytest.raises(InvalidData, match=words):
            load_data(path)


@pytest.mark.parametrize("steps", [1, 5])
def test_errors_with_motion_and_at_rest_make_up_the_error(steps: int):
    objective = Simulation(pushing(60), coordinates=COORDINATES, horizons=(steps,), validation=0.3)
    network = mlp(objective, (8,))
    name = f"{steps} step{'s' * (steps > 1)}"
    errors, deviations = objective.errors(network), objective.deviations(network, steps)
    assert list(errors) == [name, f"{name} with motion", f"{name} at rest"]
    assert deviations.moved is not None
    np.testing.assert_array_equal(deviations.moved, np.abs(deviations.change[:, :4]).max(axis=1) > 1e-4)
    share = deviations.moved.mean()
    together = share * errors[f"{name} with motion"] ** 2 + (1 - share) * errors[f"{name} at rest"] ** 2
    assert errors[name] ** 2 == pytest.approx(together, rel=1e-6)


def test_without_motion_in_the_data_there_is_one_error():
    objective = Simulation(system(), horizons=(1, 40))
    assert list(objective.errors(mlp(objective, (4,)))) == ["1 step"]
    assert objective.deviations(mlp(objective, (4,)), 40).error.shape == (0, 2)


@pytest.mark.parametrize("steps", [1, 3])
def test_stretches_with_motion_are_weighted(steps: int):
    objective = Simulation(DATA, steps=steps, validation=0.0)
    weighted = replace(objective, motion_weight=3.0)
    network = mlp(objective, (8,))
    with torch.no_grad():
        each = np.array([float(objective.loss(network, torch.tensor([k]))) for k in range(objective.samples)])
        found = float(weighted.loss(network, torch.arange(objective.samples)))
    moved = np.lib.stride_tricks.sliding_window_view(DATA.moved.reshape(30, 12), steps, axis=1).any(axis=2).ravel()
    assert 0 < moved.sum() < len(moved)
    assert found == pytest.approx(np.average(each, weights=np.where(moved, 3.0, 1.0)), rel=1e-4)
    assert weighted.describe()["motion_weight"] == 3.0


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_out_of_range(weight: float):
    with pytest.raises(InvalidOption, match="motion_weight is"):
        Simulation(DATA, motion_weight=weight)


def test_a_weight_needs_data_that_tell_which_rows_move():
    with pytest.raises(InvalidData, match="the data do not tell which rows move"):
        Simulation(system(), motion_weight=2.0)


def test_info_shows_errors_with_motion_and_at_rest(tmp_path: Path):
    objective = Simulation(DATA, coordinates=COORDINATES, horizons=(1,))
    schedule = Schedule(units=(2,), epochs=2, round_epochs=1, finetune_epochs=1)
    member = train(mlp(objective, (4,)), objective, schedule, Gumbel(), tmp_path / "run")[-1]
    result = CliRunner().invoke(app, ["info", str(member.path)])
    shown = " ".join(result.output.split())
    for name, error in member.errors.items():
        assert f"metadata: error, {name} {error:.4f}"[:-1] in shown
    assert f"metadata: motion {DATA.moved.mean():.3f}"[:-1] in shown
    found = json.loads(CliRunner().invoke(app, ["info", str(member.path), "--json"]).stdout)["metadata"]
    assert found["errors"] == member.errors
    assert found["coordinates"]["known"] == {"hand": "hand + push"}
