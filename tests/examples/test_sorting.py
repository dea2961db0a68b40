"""The family of sorting at a tiny size: trained on two discs, compared on more, and its files."""

from __future__ import annotations

import copy
import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.ir.lower import lower
from relu2mip.passes import simplify

for package in ("torch", "gymnasium", "pymunk", "matplotlib", "PIL"):
    pytest.importorskip(package)

import torch  # noqa: E402
from PIL import Image  # noqa: E402

from relu2mip.frontends.sparsify import gates_of, sparsify  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def sorting():
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("environments.sorting")
    sys.path.remove(str(EXAMPLES))


def test_a_tiny_family(sorting, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, picture = tmp_path / "run", tmp_path / "errors.png"
    sorting.main([
        "--folder", str(folder), "--picture", str(picture), "--rollouts", "20", "--held-out", "12", "--discs", "2", "5",
        "--files", "3", "--units", "6", "--growth", "2", "--epochs", "2", "--step", "0.5", "--batch", "64",
    ])  # fmt: skip
    rows = json.loads((folder / "rows.json").read_text())
    assert [(row["units"], row["discs"]) for row in rows] == [(None, 2), (None, 5), (6, 2), (6, 5)]
    assert capsys.readouterr().out.count("a disc") == 4
    assert picture.stat().st_size > 1000
    small = rows[-1]
    assert small["own"] + small["pair"] <= 6 + 4 + 2
    net = r2m.load(folder / "removal" / "discs-3" / "units-6.onnx")
    assert simplify(lower(net)).form.relu_units == 3 * small["own"] + 6 * small["pair"]
    moving = tmp_path / "sort.gif"
    given = [
        "sort",
        "units-6",
        "--folder",
        str(folder / "removal" / "discs-3"),
        "--rollouts",
        "1",
        "--output",
        str(moving),
    ]
    importlib.import_module("environments.animate").main(given)
    with Image.open(moving) as shown:
        assert shown.n_frames > 10


def test_rows_left_out_are_those_that_teach_nothing(sorting) -> None:
    """A network is exactly right there; rollouts have no gaps."""
    whole = sorting.simulation(2, 30, 0)
    kept = sorting.near(whole.data)
    assert 0 < len(kept.state) < len(whole.data.state)
    assert kept.moved.sum() == whole.data.moved.sum()
    same = np.flatnonzero(kept.rollout[1:] == kept.rollout[:-1])
    assert np.array_equal(kept.next_state[same], kept.state[same + 1])


def test_units_whose_removal_costs_least_become_zero(sorting) -> None:
    objective = sorting.simulation(2, 30, 0)
    network = sorting.network(objective, (3,), (2,), 0)
    every = torch.arange(objective.samples)

    def error(layer: int, unit: int) -> float:
        without = copy.deepcopy(network)
        part = [without.own, without.pair][layer]
        for row in (part.layers[0].weight, part.layers[0].bias, part.controls[0].weight):
            row.data[unit] = 0.0
        with torch.no_grad():
            return float(objective.loss(without, every))

    errors = {(0, unit): error(0, unit) for unit in range(3)} | {(1, unit): error(1, unit) for unit in range(2)}
    gated = sparsify(network, objective.example(), sorting.Removal())
    sorting.Removal().before_narrow(gated, 3, objective)
    gone = {(k, u) for k, gate in enumerate(gates_of(gated).values()) for u in range(gate.size) if gate.kind[u] == 3}
    assert gone == set(sorted(errors, key=errors.__getitem__)[:2])


def test_steps_into_the_wall_are_left_out(sorting, monkeypatch: pytest.MonkeyPatch) -> None:
    collected = sorting.collect(sorting.Sort(2), 4, 10, 0)
    last = np.flatnonzero(collected["rollout"] == collected["rollout"][0])[-1]
    collected["next_state"][last, -2] = collected["state"][last, -2] + 0.5 * collected["control"][last, 0]
    monkeypatch.setattr(sorting, "collect", lambda *_: collected)
    data = sorting.simulation(2, 4, 0).data
    assert len(data.state) == 39
    assert not (data.state == collected["state"][last]).all(axis=1).any()
