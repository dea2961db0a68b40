"""The piecewise-affine example: its functions are what it says they are, and two ReLUs recover them."""

from __future__ import annotations

import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

EXAMPLE = Path(__file__).parents[2] / "examples" / "piecewise_affine"


@pytest.fixture(scope="module", autouse=True)
def _example_on_the_path():
    sys.path.insert(0, str(EXAMPLE))
    yield
    sys.path.remove(str(EXAMPLE))


@pytest.fixture(scope="module")
def functions() -> ModuleType:
    return importlib.import_module("functions")


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return importlib.import_module("recover")


def relu(x: NDArray) -> NDArray:
    return np.maximum(x, 0)


def crossing(x: NDArray, y: NDArray) -> NDArray:
    return 0.4 * x - 0.3 * y + relu(x + 0.5 * y - 0.1) - 1.2 * relu(y - 0.6 * x + 0.15)


def bent(x: NDArray, y: NDArray) -> NDArray:
    h = relu(x + 0.3 * y + 0.1)
    return 0.3 * y - 0.8 * h + relu(1.5 * h - y - 0.3)


@pytest.mark.parametrize("formula", [crossing, bent])
def test_the_pieces_are_the_formula_with_two_relus(functions: ModuleType, formula) -> None:
    function, points = functions.FUNCTIONS[formula.__name__], functions.grid(101)
    np.testing.assert_allclose(function(points), formula(*points.T), atol=1e-14)
    shares = np.bincount(function.piece(points), minlength=4) / len(points)
    assert (shares > 0.1).all()
    planes = np.column_stack([function.gradients, function.offsets])
    assert len(np.unique(planes, axis=0)) == 4


def test_samples_repeat_and_stay_in_the_square(functions: ModuleType) -> None:
    points, values = functions.BENT.samples(50, seed=3)
    again, other = functions.BENT.samples(50, seed=3), functions.BENT.samples(50, seed=4)
    assert points.shape == (50, 2)
    assert values.shape == (50,)
    assert np.abs(points).max() <= 1
    np.testing.assert_array_equal(again[0], points)
    assert not np.array_equal(other[0], points)


def test_a_small_network_recovers_crossing_pieces(example: ModuleType, functions: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    schedule = replace(example.SCHEDULE, units=(6, 2), epochs=30, round_epochs=15, batch=64)
    found = example.recover(functions.CROSSING, "gates", 1, schedule, count=400, hidden=(16, 16), side=50)
    other = example.recover(functions.CROSSING, "channel pruning", 1, schedule, count=400, hidden=(16, 16, 16), side=50)
    assert found.relus == 2
    assert found.error < 0.01
    assert found.pieces > 0.99
    assert other.relus == 0  # fewer units than layers: a constant
    assert other.error > 0.3
    assert other.pieces < 0.1
    row = json.loads(json.dumps(found.row()))
    assert (row["function"], row["method"], row["relus"]) == ("crossing", "gates", 2)
    picture = tmp_path / "picture.png"
    example.draw([found, other], picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_gradients_are_those_of_the_network(example: ModuleType) -> None:
    torch = importlib.import_module("torch")
    network = torch.nn.Linear(2, 1)
    values, gradients = example.evaluated(network, np.array([[0.5, -1.0], [0.0, 0.25]]))
    weight = network.weight.detach().numpy()[0]
    np.testing.assert_allclose(gradients, [weight, weight])
    np.testing.assert_allclose(values, [[0.5, -1.0], [0.0, 0.25]] @ weight + network.bias.item(), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["crossing", "bent"])
def test_two_of_576_relus_recover_all_pieces(example: ModuleType, functions: ModuleType, name: str) -> None:
    """One of the ten seeds of docs/results.md."""
    found = example.recover(functions.FUNCTIONS[name], "gates", 0)
    assert found.relus == 2
    assert found.error < 0.01
    assert found.pieces > 0.99
    pruned = example.recover(functions.FUNCTIONS[name], "channel pruning, one layer", 0)
    assert pruned.relus == 2
    assert pruned.error > 10 * found.error
