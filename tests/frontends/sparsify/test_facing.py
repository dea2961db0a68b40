"""A family fitted to data that are turned, from a configuration to a file that its problem turns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import relu2mip as r2m
from relu2mip.errors import InvalidOption, InvalidProblem, UnknownOption
from relu2mip.frontends.sparsify import train
from relu2mip.frontends.sparsify.config import read_config
from relu2mip.ir.heading import Heading
from relu2mip.ir.samples import boat

STATES, CONTROLS = ["tail_x", "tail_y", "nose_x", "nose_y"], ["push_x", "push_y"]
CONFIG = """
folder = "run"
[data]
file = "voyages.npz"
state_names = ["tail_x", "tail_y", "nose_x", "nose_y"]
control_names = ["push_x", "push_y"]
[data.facing]
heading = ["tail", "nose"]
steps = 4
every = 2
[network]
hidden = [8]
[objective]
horizons = [1, 3]
[gates]
family = "linearisation"
[schedule]
units = [4]
epochs = 150
round_epochs = 30
finetune_epochs = 60
batch = 128
learning_rate = 1e-2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Voyages of a boat that keeps the direction it has, in all directions of the world."""
    rng, states, controls = np.random.default_rng(0), [], []
    for _ in range(60):
        angle, place = rng.uniform(-np.pi, np.pi), rng.normal(size=2)
        start = np.concatenate([place, place + np.array([np.cos(angle), np.sin(angle)])])
        pushes = rng.uniform(-1, 1, (8, 2))
        voyage = r2m.Trajectory(
            boat(), 8, start, r2m.Box(-1, 1), "change", state_names=STATES, control_names=CONTROLS,
            heading=("tail", "nose"),
        )  # fmt: skip
        states.append(voyage.rollout(pushes))
        controls.append(pushes)
    np.savez(tmp_path / "voyages.npz", state=np.array(states), control=np.array(controls))
    (tmp_path / "config.toml").write_text(CONFIG)
    return tmp_path


def test_a_file_says_its_heading_and_plans_in_every_direction(folder: Path) -> None:
    run = read_config(folder / "config.toml")
    member = train(run.network, run.objective, run.schedule, run.family, run.folder)[-1]
    assert member.relus == 4
    assert member.path is not None
    net = r2m.load(member.path)
    rng = np.random.default_rng(1)
    for angle in (0.3, 2.0, -2.8):
        start = np.array([0.5, 0.2, 0.5 + np.cos(angle), 0.2 + np.sin(angle)])
        problem = r2m.Trajectory(net, 3, start, r2m.Box(-1, 1))
        assert problem.heading == Heading("tail", "nose")
        truth = r2m.Trajectory(
            boat(), 3, start, r2m.Box(-1, 1), "change", state_names=STATES, control_names=CONTROLS,
            heading=("tail", "nose"),
        )  # fmt: skip
        pushes = rng.uniform(-1, 1, (30, 3, 2))
        away = problem.rollout(pushes)[:, -1] - truth.rollout(pushes)[:, -1]
        assert np.abs(away).max() < 0.15 * np.abs(truth.rollout(pushes)[:, -1] - start).max()


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("every = 2", "every = 9", InvalidOption, "steps is 4 and every 9"),
        ("every = 2", "often = 2", UnknownOption, r"key in \[data.facing\]: 'often'"),
        ('heading = ["tail", "nose"]', 'heading = ["tail", "bow"]', InvalidProblem, "no states bow_x and bow_y"),
        ('heading = ["tail", "nose"]', 'heading = ["tail"]', InvalidOption, "names of two points"),
        ('"push_y"]', '"speed"]', InvalidProblem, "push_x is no vector in the plane"),
    ],
)
def test_bad_configurations(folder: Path, old: str, new: str, error: type[Exception], words: str) -> None:
    (folder / "config.toml").write_text(CONFIG.replace(old, new, 1))
    with pytest.raises(error, match=words):
        read_config(folder / "config.toml")
