"""`relu2mip rl` from a file to ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import relu2mip as r2m
from relu2mip.cli.app import RL, app
from tests.frontends.reinforcement import agents  # noqa: F401 - registers the environment

TEXT = """
folder = "runs"
environment = "IntegratorForTests-v0"
steps = 60
seeds = [0]
[sac]
learning_starts = 20
batch_size = 16
device = "cpu"
[evaluation]
every = 30
episodes = 1
[arms.ofe]
hidden = [6]
features = { observation = [4], action = [4], pretraining = 5 }
[arms.prune]
hidden = [6]
features = { observation = [4], action = [4], pretraining = 5 }
pruning = { policy = 0.1, start = 25, end = 50, policy_rate = 0.2, interval = 5 }
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """An experiment in a file."""
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    return str(path)


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(app, ["rl", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_an_experiment_is_trained_reported_and_exported(config: str, tmp_path: Path):
    rows = json.loads(run("train", config, "--json").stdout)
    assert [row["arm"] for row in rows] == ["ofe", "prune"]
    assert rows[1]["deployed_ratio"] < 1 == rows[0]["deployed_ratio"]
    assert "has a run already; resume it" in run("train", config, code=1).output
    again = run("train", config, "--resume", "--json")
    assert json.loads(again.stdout) == json.loads(run("report", config, "--json").stdout) == rows
    assert "dR" in run("report", config).stdout
    files = [tmp_path / name for name in ("policy.onnx", "dynamics.onnx")]
    run("export", config, "--arm", "prune", "--policy", str(files[0]), "--predictor", str(files[1]))
    assert [[port.name for port in r2m.load(file).inputs] for file in files] == [["state"], ["state", "control"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "--arm", "prun"), "did you mean 'prune'"),
        (("report",), "has no run"),
        (("report", "--plot", "curves.txt"), "cannot write .txt"),
        (("export", "--arm", "prune", "--policy", "policy.onnx"), "has no run"),
        (("export", "--arm", "prune"), "nothing to export"),
    ],
)
def test_what_cannot_be_done_is_said(config: str, arguments: tuple[str, ...], words: str):
    command, *options = arguments
    assert words in run(command, config, *options, code=1).output.replace("\n", " ")


@pytest.mark.parametrize("command", RL)
def test_help_has_examples(command: str):
    shown = run(command, "--help").stdout
    assert "Examples:" in shown
    assert f"relu2mip rl {command} config.toml" in shown
    assert "".join((RL[command].__doc__ or "").split()) in "".join(shown.split())
