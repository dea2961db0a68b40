"""The command `analyze` and its page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from relu2mip.analysis import jacobians
from relu2mip.cli.app import app
from tests.analysis.test_jacobians import pendulum
from tests.conftest import ROOT

CARTPOLE = ROOT / "examples" / "cartpole"


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["analyze", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_environment_is_measured_saved_and_shown(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    runs, page = tmp_path / "runs.npz", tmp_path / "page.html"
    how = "--rollouts", 2, "--steps", 15, "--output", runs, "--report", page
    first = json.loads(run("--environment", "Pendulum-v1", *how, "--json").stdout)
    assert first["about"]["name"] == "Pendulum-v1"
    assert 0 <= first["global_sparsity"] <= first["local_sparsity"] <= 1
    again = json.loads(run("--data", runs, "--json").stdout)
    assert again == first
    assert json.loads(run("--data", runs, "--threshold", "0.5", "--json").stdout)["threshold"] == 0.5
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 6
    assert not re.search(r"""(src|href)=["']?https?:""", text)
    assert "Pendulum-v1" in run("--data", runs).stdout


def test_a_network_over_a_box(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    page = tmp_path / "graph.html"
    network = CARTPOLE / "dynamics.onnx"
    found = json.loads(run("--network", network, "--box", "-1:1", "--report", page, "--json").stdout)
    assert np.shape(found["absent"]) == (4, 5)
    assert found["grade"] == "certified"
    assert np.shape(found["witnesses"]) == (4, 5, 5)
    assert "Enclosures" in page.read_text()
    assert "largest slope" in run("--network", network, "--box", "-1:1,-1:1,-1:1,-1:1,0:1", "--exact").stdout


def test_a_problem_over_its_horizon() -> None:
    found = json.loads(run("--problem", CARTPOLE / "problem.toml", "--json").stdout)
    assert np.shape(found["steps_until_a_control_acts"]) == (4, 1)
    assert "until a control acts" in run("--problem", CARTPOLE / "problem.toml").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one of"),
        (("--network", "x.onnx"), "--box belongs to"),
        (("--data", "x.npz", "--network", "x.onnx", "--box", "0:1"), "not --data and --network"),
        (("--environment", "Pendulum-v9"), "Pendulum-v1"),
        (("--environment", "Pendulum-v1", "--policy", "clever"), "random"),
        (("--environment", "Pendulum-v1", "--threshold", "-1"), "threshold"),
        (("--environment", "Pendulum-v1", "--rollouts", "0"), "rollouts"),
        (("--network", str(CARTPOLE / "dynamics.onnx"), "--box", "a:b"), "ranges"),
        (("--network", str(CARTPOLE / "dynamics.onnx"), "--box", "0:1,0:1"), "lower"),
        (("--network", str(CARTPOLE / "dynamics.onnx"), "--box=-1:1", "--exact", "--budget=-1"), "time_limit"),
        (("--data", "nothing.npz"), "nothing.npz"),
        (("--data", "nothing.npz", "--output", "a.npz"), "--environment"),
        (("--data", "nothing.npz", "--report", "a.txt"), ".html"),
    ],
)
def test_bad_input_is_one_message(arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments, code=1)
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_pages_hold_what_names_hold(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from relu2mip.analysis import measure
    from relu2mip.analysis.page import write_page

    found = jacobians(pendulum(), rollouts=1, steps=6)
    found.about["name"] = "<script>"
    text = write_page(found, measure(found), tmp_path / "page.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
