"""Runs: equal seeds give equal runs, resuming equals no interruption; reports; what files may say."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from relu2mip.errors import BackendUnavailable, InvalidOption, Relu2MipError, UnknownOption  # noqa: E402
from relu2mip.frontends.reinforcement import Watch, load_agent, read_experiment, report, train  # noqa: E402
from relu2mip.frontends.reinforcement.experiment import Experiment, SacOptions  # noqa: E402
from relu2mip.frontends.reinforcement.report import draw, last_score  # noqa: E402
from tests.conftest import ROOT  # noqa: E402
from tests.frontends.reinforcement.agents import PRUNING, experiment  # noqa: E402


class Interrupted(Exception):
    pass


class After(Watch):
    """Interrupts at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def record(self, record: dict) -> None:
        if record["step"] >= self.step:
            raise Interrupted


def records(asked: Experiment, arm: str = "prune") -> list[dict]:
    found = json.loads((asked.run(arm, 0) / "records.json").read_text())
    return [{name: value for name, value in one.items() if name != "seconds"} for one in found]


def test_equal_seeds_give_equal_runs_and_resuming_equals_no_interruption(tmp_path: Path):
    whole, again, parts = (experiment(tmp_path / name) for name in ("whole", "again", "parts"))
    expected = train(whole, "prune")
    train(again, "prune")
    for step in (25, 75):  # before pruning, and while theta moves
        with pytest.raises(Interrupted):
            train(parts, "prune", resume=True, watch=[After(step)])
    found = train(parts, "prune", resume=True)
    assert records(whole) == records(again) == records(parts)
    sizes = [one["deployed"] for one in records(whole)]
    assert sizes[0] > sizes[-1]
    assert [one["step"] for one in records(whole)] == [25, 50, 75, 100]
    weights, others = expected.policy.state_dict(), found.policy.state_dict()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    loaded = load_agent(parts, "prune", 0).policy.state_dict()
    assert all(torch.equal(weights[name], loaded[name]) for name in weights)
    with pytest.raises(InvalidOption, match="has a run already; resume it"):
        train(whole, "prune")
    with pytest.raises(InvalidOption, match="has another steps"):
        train(replace(whole, steps=200), "prune", resume=True)
    (parts.run("prune", 0) / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(InvalidOption, match=r"checkpoint\.pt: damaged"):
        train(parts, "prune", resume=True)


def test_another_seed_gives_another_run(tmp_path: Path):
    asked = experiment(tmp_path, seeds=(0, 1), steps=50, arms={"ofe": experiment(tmp_path).arms["ofe"]})
    first, second = (train(asked, "ofe", seed).policy.actor.mu.weight for seed in (0, 1))
    assert not torch.equal(first, second)


def test_tensorboard_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(BackendUnavailable, match="pip install tensorboard"):
        train(experiment(tmp_path / "runs"), "prune", tensorboard=True)
    assert not (tmp_path / "runs").exists()


def test_tensorboard_has_losses_and_returns_of_a_run(tmp_path: Path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    asked = experiment(tmp_path)
    plain = experiment(tmp_path / "plain")
    train(asked, "prune", tensorboard=True)
    train(plain, "prune")
    assert records(asked) == records(plain)
    events = EventAccumulator(str(asked.run("prune", 0)))
    events.Reload()
    assert {"train/critic_loss", "train/feature_loss", "rollout/ep_rew_mean"} <= set(events.Tags()["scalars"])
    losses = [event.value for event in events.Scalars("train/feature_loss")]
    assert len(losses) > 0
    assert all(0 < loss < math.inf for loss in losses)


def test_a_report_has_scores_and_ratios_of_what_finished(tmp_path: Path):
    asked = experiment(tmp_path)
    with pytest.raises(InvalidOption, match="train first"):
        report(asked)
    train(asked, "ofe")
    with pytest.raises(Interrupted):
        train(asked, "prune", watch=[After(25)])
    assert [row.arm for row in report(asked)] == ["ofe"]
    train(asked, "prune", resume=True)
    reference, pruned = report(asked)
    assert (reference.deployed_ratio, reference.trained_ratio) == (1.0, 1.0)
    assert pruned.deployed_ratio == pytest.approx(pruned.deployed / reference.deployed)
    assert pruned.deployed_ratio < 1
    assert pruned.trained_ratio < 1
    assert pruned.score == records(asked)[-1]["score"]
    assert math.isnan(pruned.interval)
    pytest.importorskip("matplotlib")
    draw(asked, tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").stat().st_size > 1000


def test_scores_are_those_of_the_last_fifth():
    found = [{"step": step, "score": score} for step, score in ((70, 1.0), (80, 2.0), (90, 3.0), (100, 5.0))]
    assert last_score(found, 100) == 4.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 20}, "not above the 20 steps of the random phase"),
        ({"steps": 80}, "arms.prune: pruning.end is 80, and training ends after 80 steps"),
        ({"sac": SacOptions(learning_starts=31)}, "pruning.start is 30, below the 31 steps"),
        ({"arms": {}}, "no arms"),
        ({"seeds": (0, 0)}, "different numbers"),
        ({"reference": "off"}, "did you mean 'ofe'"),
    ],
)
def test_experiments_that_cannot_be_are_refused(tmp_path: Path, changes: dict, words: str):
    with pytest.raises(Relu2MipError, match=words):
        experiment(tmp_path, **changes)


def test_unknown_arms_seeds_and_environments_are_refused(tmp_path: Path):
    asked = experiment(tmp_path)
    with pytest.raises(UnknownOption, match="did you mean 'prune'"):
        train(asked, "prun")
    with pytest.raises(InvalidOption, match="seed is 7"):
        train(asked, "prune", seed=7)
    with pytest.raises(InvalidOption, match="environment is 'Pendulum-v77'"):
        train(replace(asked, environment="Pendulum-v77"), "prune")
    with pytest.raises(InvalidOption, match="has no run"):
        load_agent(experiment(tmp_path / "empty"), "prune", 0)


TEXT = """
folder = "runs"
environment = "Pendulum-v1"
steps = 3000
[pruning]
start = 1500
end = 2000
[arms.ofe]
hidden = [8]
features = { observation = [4], action = [4] }
[arms.prune]
hidden = [8]
features = { observation = [4], action = [4] }
pruning = { policy = 1e-3, end = 2500 }
"""


def test_a_file_is_read_with_what_arms_share(tmp_path: Path):
    (tmp_path / "config.toml").write_text(TEXT)
    found = read_experiment(tmp_path / "config.toml")
    assert found.folder == tmp_path / "runs"
    assert found.arms["prune"].pruning == replace(PRUNING, **vars(found.arms["prune"].pruning))
    assert (found.arms["prune"].pruning.start, found.arms["prune"].pruning.end) == (1500, 2500)
    assert found.arms["ofe"].pruning is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("steps = 3000", "", "has no steps"),
        ("steps = 3000", 'steps = "many"', "steps is 'many'; give a whole number"),
        ("steps = 3000", "steps = 3000\nstep = 1", "did you mean 'steps'"),
        ("policy = 1e-3", "polic = 1e-3", r"key in \[arms.prune.pruning\]: 'polic'"),
        ("start = 1500", "begin = 1500", r"key in \[pruning\]: 'begin'"),
        ("observation = [4], action", "observation = 4, action", "arms.ofe.features.observation is 4"),
        ("[arms.prune]", "[arms.prune", "not a TOML file"),
    ],
)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, old: str, new: str, words: str):
    (tmp_path / "config.toml").write_text(TEXT.replace(old, new))
    with pytest.raises(Relu2MipError, match=words):
        read_experiment(tmp_path / "config.toml")


CONFIGURATIONS = sorted((ROOT / "examples" / "online_pruning").rglob("*.toml"))


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=[path.stem for path in CONFIGURATIONS])
def test_the_configurations_of_the_example_are_read(path: Path):
    assert {"sac", "sac-big", "ofe", "ofe-big", "prune-a", "prune-b", "prune-c"} == set(read_experiment(path).arms)
