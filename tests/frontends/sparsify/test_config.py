"""The file of `relu2mip sparsify`, and both commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from typer.testing import CliRunner, Result  # noqa: E402

from relu2mip.cli.app import app  # noqa: E402
from relu2mip.errors import InvalidData, InvalidOption, Relu2MipError, UnknownOption  # noqa: E402
from relu2mip.frontends.sparsify import Gumbel, Regression, Simulation, gates_of  # noqa: E402
from relu2mip.frontends.sparsify.config import read_config  # noqa: E402
from tests.frontends.sparsify.models import samples, system  # noqa: E402

FULL = """
folder = "runs/points"
seed = 3

[data]
file = "points.npz"
state_names = ["position", "speed"]

[objective]
window = 2
steps = 2
horizons = [1, 4]

[network]
kind = "mlp"
hidden = [8]

[gates]
family = "gumbel"
penalty_weight = 1e-3

[schedule]
units = [4, 2]
epochs = 3
round_epochs = 2
finetune_epochs = 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = system()
    arrays = {name: getattr(data, name) for name in ("state", "control", "next_state", "rollout")}
    np.savez(tmp_path / "points.npz", **arrays)
    np.savez(tmp_path / "samples.npz", input=samples().input, output=samples().output)
    return tmp_path


def read(folder: Path, text: str):
    (folder / "config.toml").write_text(text)
    return read_config(folder / "config.toml")


def test_every_table_is_read(folder: Path):
    config = read(folder, FULL)
    assert config.folder == folder / "runs" / "points"
    assert isinstance(config.objective, Simulation)
    assert (config.objective.window, config.objective.steps, config.objective.horizons) == (2, 2, (1, 4))
    assert config.objective.data.state_names == ("position", "speed")
    assert config.family == Gumbel(penalty_weight=1e-3)
    assert (config.schedule.units, config.schedule.seed, config.objective.seed) == ((4, 2), 3, 3)
    assert not gates_of(config.network)


def test_defaults_and_samples(folder: Path):
    config = read(folder, 'folder = "run"\n[data]\nfile = "samples.npz"')
    assert isinstance(config.objective, Regression)
    assert config.family == Gumbel()


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (("seed = 3", "sed = 3"), UnknownOption, "unknown key 'sed': did you mean 'seed'"),
        (("window = 2", "windw = 2"), UnknownOption, r"key in \[objective\]: 'windw': did you mean 'window'"),
        (("hidden = [8]", "hiden = [8]"), UnknownOption, r"key in \[network\]: 'hiden'"),
        (("epochs = 3", "epoch = 3"), UnknownOption, r"key in \[schedule\]: 'epoch': did you mean 'epochs'"),
        (("penalty_weight", "penalty"), UnknownOption, r"key in \[gates\]: 'penalty'"),
        (("file =", "path ="), UnknownOption, r"key in \[data\]: 'path'"),
        (('kind = "mlp"', 'kind = "mlpp"'), UnknownOption, r"kind in \[network\]: 'mlpp': did you mean 'mlp'"),
        (('"gumbel"', '"gumble"'), UnknownOption, "did you mean 'gumbel'"),
        (("window = 2", 'window = "2"'), InvalidOption, "objective.window is '2'; give a whole number"),
        (("window = 2", "window = true"), InvalidOption, "objective.window is True"),
        (("hidden = [8]", "hidden = 8"), InvalidOption, "network.hidden is 8; give a list of whole numbers"),
        (("units = [4, 2]", "units = [2, 4]"), InvalidOption, "fewer in each round"),
        (("penalty_weight = 1e-3", "penalty_weight = -1"), InvalidOption, "penalty_weight is -1"),
        (('[network]\nkind = "mlp"', "network = 3\n[other]"), InvalidOption, "network is 3|unknown key"),
        (('folder = "runs/points"', ""), InvalidOption, "has no folder"),
        (('file = "points.npz"', 'file = "nowhere.npz"'), InvalidData, "there is no file"),
        (('file = "points.npz"', ""), InvalidOption, "needs file, or environment"),
        (('file = "points.npz"', 'environment = "CartPole-v1"'), InvalidOption, "has no transitions"),
        (('"points.npz"', '"points.npz"\ntransitions = 5'), InvalidOption, "leave it out beside file"),
        (('kind = "mlp"\nhidden = [8]', 'kind = "interaction"'), InvalidOption, "has no features"),
        (("[data]", "[data"), InvalidOption, "not a TOML file"),
    ],
)
def test_a_wrong_file_is_refused(folder: Path, change: tuple[str, str], error: type[Relu2MipError], words: str):
    assert change[0] in FULL
    text = FULL.replace(*change, 1)
    if change[1].startswith("network = 3"):
        text = "network = 3\n" + FULL.replace('[network]\nkind = "mlp"\nhidden = [8]\n', "")
    with pytest.raises(error, match=words) as caught:
        read(folder, text)
    assert "config.toml" in str(caught.value)
    assert not (folder / "runs").exists()


def run(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_commands(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    (folder / "config.toml").write_text(FULL)
    found = json.loads(run("sparsify", "config.toml", "--json").stdout)
    assert [row["member"] for row in found] == ["full", "units-4", "units-2"]
    assert [row["relus"] for row in found] == [8, 4, 2]
    assert "has a run already" in run("sparsify", "config.toml", code=1).stderr
    (folder / "runs" / "points" / "units-2.pt").unlink()
    again = json.loads(run("sparsify", "config.toml", "--resume", "--json").stdout)
    assert again == found
    run("export", "config.toml", "--member", "units-4", "--output", "four.onnx")
    info = json.loads(run("info", "four.onnx", "--json").stdout)
    assert info["normal_form"]["relu_units"] == info["metadata"]["relus"] == 4
    assert info["metadata"]["state_names"] == ["position", "speed"]
    shown = " ".join(run("info", "four.onnx").stdout.split())
    assert "metadata: state names position, speed" in shown
    assert "no member" in run("export", "config.toml", "--member", "x", "-o", "x.onnx", code=1).stderr
    assert "use .onnx" in run("export", "config.toml", "-o", "x.txt", code=1).stderr
    assert "no interaction network" in run("export", "config.toml", "-o", "x.onnx", "--objects", "4", code=1).stderr
