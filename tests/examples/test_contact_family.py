"""Families of contact tasks at a tiny size: they are trained, resumed, compared and drawn, and their files plan."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.control import planner

for package in ("torch", "gymnasium", "pymunk", "matplotlib", "PIL"):
    pytest.importorskip(package)

from PIL import Image  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def family():
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("environments.family")
    sys.path.remove(str(EXAMPLES))


@pytest.mark.parametrize("task", ["push", "rope"])
def test_a_tiny_family(task: str, family, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, picture, moving = tmp_path / "run", tmp_path / "errors.png", tmp_path / "task.gif"
    whole = task == "push"
    chosen = ["linearisation", "channel-pruning", "scratch"] if whole else ["linearisation"]
    given = [
        task, "--folder", str(folder), "--picture", str(picture), "--rollouts", "30", "--held-out", "20",
        "--units", *(["6", "4"] if whole else ["4"]), "--growth", "3", "--epochs", "2", "--step", "0.5",
        "--families", *chosen, "--seeds", *(["0", "3"] if whole else ["0"]),
    ]  # fmt: skip
    family.main(given)
    first = capsys.readouterr().out
    assert first.count("ReLUs") == (8 if whole else 2)
    assert len(json.loads((folder / "rows.json").read_text())) == (16 if whole else 2)
    assert picture.stat().st_size > 1000
    family.main(given)
    again = capsys.readouterr().out
    assert [line for line in first.splitlines() if "ReLUs" in line] == [
        line for line in again.splitlines() if "ReLUs" in line
    ]
    drawn = tmp_path / "again.png"
    family.main([task, "--families", "--rows", str(folder / "rows.json"), "--picture", str(drawn)])
    assert [line for line in capsys.readouterr().out.splitlines() if "ReLUs" in line] == [
        line for line in first.splitlines() if "ReLUs" in line
    ]
    assert drawn.stat().st_size > 1000
    animate = importlib.import_module("environments.animate")
    animate.main([task, "units-4", "--folder", str(folder), "--rollouts", "1", "--output", str(moving)])
    with Image.open(moving) as shown:
        assert shown.n_frames > 10
    net = r2m.load(folder / "units-4.onnx")
    problem = r2m.Trajectory(
        net, 2, np.linspace(200.0, 290.0, net.inputs[0].shape[0]), r2m.Box(-30, 30), states=r2m.Box(-500, 900),
        cost=r2m.costs.L1(state=1.0),
    )  # fmt: skip
    assert problem.heading is not None
    plan = planner("mip").plan(problem, deadline=10.0)
    assert np.allclose(plan.states[1:, -2:] - plan.states[:-1, -2:], plan.controls, atol=1e-3)
    assert r2m.compile(problem, bounds="ibp").statistics.units == 8
