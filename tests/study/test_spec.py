"""A spec is the product that it says, checked whole before anything runs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import BackendUnavailable, InvalidOption, InvalidProblem, UnknownOption
from relu2mip.study import Arm, Axes, Limits, Networks, Problem, Study, Trial
from relu2mip.study.spec import partner
from tests.conftest import ROOT
from tests.study.small import TABLES, small, spec_text

CARTPOLE = ROOT / "examples" / "cartpole"


def test_file_and_python_describe_the_same_trials(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(spec_text())
    from_file, made = Study.from_toml(tmp_path / "study.toml"), small(tmp_path)
    assert [t.key for t in from_file.trials] == [t.key for t in made.trials]
    assert len({t.key for t in made.trials}) == 4


def test_a_trial_survives_json(tmp_path: Path) -> None:
    for trial in small(tmp_path).trials:
        again = Trial.from_dict(json.loads(json.dumps(trial.to_dict())))
        assert again == trial
        assert again.key == trial.key


def test_product_less_what_is_excluded(tmp_path: Path) -> None:
    study = small(
        tmp_path,
        networks=[Networks(random={"width": [4, 6], "seed": [0, 1]})],
        problems=[Problem(tables=TABLES, horizons=[1, 2, 3])],
        axes=Axes(
            bounds=["ibp", "crown"], formulation=["big-m", "ideal"], planner="cem", seed=[0, 1], time_limit=["1s", 5]
        ),
        exclude=[{"formulation": "ideal", "horizon": ">= 3"}, {"network": "random_2x6_*", "bounds": "ibp"}],
    )
    instances, arms = 4 * 3 * 2, 2 * 2 + 1
    assert (len(study.instances), len(study.arms)) == (instances, arms)
    ideal_far = 2 * 1 * 2 * 2 * 4
    narrow = 2 * 2 * 3 * 2 * 2
    both = 1 * 1 * 2 * 2 * 2
    assert len(study.trials) == instances * arms * 2 - ideal_far - narrow + both
    assert not [t for t in study.trials if t.arm.formulation == "ideal" and t.instance.horizon == 3]
    assert [t for t in study.trials if t.arm.planner and t.instance.horizon == 3], "a planner has no formulation"


def test_arms_of_an_instance_run_one_after_the_other_in_random_order(tmp_path: Path) -> None:
    study = small(tmp_path, count=12)
    blocks = [study.trials[k : k + 2] for k in range(0, 24, 2)]
    assert all(first.instance == second.instance for first, second in blocks)
    assert len({first.arm.formulation for first, _ in blocks}) == 2
    states = [block[0].instance.initial_state for block in blocks]
    assert states != sorted(states)
    assert [t.key for t in replace(study).trials] == [t.key for t in study.trials]
    assert [t.key for t in replace(study, seed=1).trials] != [t.key for t in study.trials]


def test_key_is_of_contents_not_of_places(tmp_path: Path) -> None:
    """A network that moves is the same trial, one that changes is not; nor is another limit, seed or state."""
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        shutil.copy(CARTPOLE / "dynamics.onnx", tmp_path / place / "net.onnx")

    def keys(folder: Path, **changes: object) -> list[str]:
        return [t.key for t in small(folder, networks=[Networks(files=["*.onnx"])], **changes).trials]

    first = keys(tmp_path / "a")
    assert keys(tmp_path / "b") == first
    assert not set(keys(tmp_path / "a", limits=Limits(threads=2))) & set(first)
    shutil.copy(CARTPOLE / "dynamics_2x16.onnx", tmp_path / "c.onnx")
    assert not set(keys(tmp_path)) & set(first)


def test_initial_states_are_drawn_with_a_seed_alike_for_all_networks(tmp_path: Path) -> None:
    study = small(tmp_path, networks=[Networks(random={"width": [4, 6]})], count=3)
    by_network: dict[str, list[list[float]]] = {}
    for instance in study.instances:
        by_network.setdefault(instance.network, []).append(instance.statement["initial_state"])
    first, second = by_network.values()
    assert first == second
    assert np.unique(first, axis=0).shape == (3, 4)
    assert np.abs(first).max() <= 0.5


def test_networks_of_a_family_come_from_full_to_few(tmp_path: Path) -> None:
    study = small(tmp_path, networks=[Networks(family=str(CARTPOLE / "family"))], count=1)
    assert [i.relus for i in study.instances] == [64, 32, 16, 8, 4]
    assert study.instances[0].network == "full"


def test_a_problem_file_brings_its_own_network_and_box_problems_have_no_steps(tmp_path: Path) -> None:
    study = Study("own", problems=[Problem(file=str(CARTPOLE / "problem.toml"))])
    (trial,) = study.trials
    assert (trial.instance.network, trial.instance.horizon, trial.instance.problem) == ("dynamics", 10, "problem")
    box = {"network": str(CARTPOLE / "dynamics.onnx"), "lower": -1, "upper": 1, "objective": [1, 0, 0, 0]}
    assert Study("box", problems=[Problem(tables=box)]).instances[0].horizon == 0


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"axes": Axes(formulation="big-n")}, UnknownOption, "did you mean 'big-m'"),
        ({"axes": Axes(bounds="crown+lq")}, UnknownOption, "lp"),
        ({"axes": Axes(backend="cvxpy(solver=NONE)"), "missing": "error"}, r2m.Relu2MipError, "NONE"),
        ({"axes": Axes(planner="cem(sample=3)")}, UnknownOption, "samples"),
        ({"axes": Axes(tool="omlet")}, UnknownOption, "omlt"),
        ({"axes": Axes(formulation=[])}, InvalidOption, "no trials"),
        ({"baseline": {"formulation": "sos1"}}, InvalidOption, "no arm has"),
        ({"baseline": {"formulaton": "sos1"}}, UnknownOption, "formulation"),
        ({"exclude": [{"horizn": 2}]}, UnknownOption, "horizon"),
        ({"exclude": [{}]}, InvalidOption, "everything"),
        ({"exclude": [{"horizon": "many"}]}, InvalidOption, ">= 20"),
        ({"exclude": [{"horizon": 2}]}, InvalidOption, "no trials"),
        ({"networks": [Networks(files=["nowhere/*.onnx"])]}, InvalidProblem, "no file"),
        ({"networks": [Networks(random={"widht": 4})]}, UnknownOption, "width"),
        ({"problems": [Problem(tables={**TABLES, "horizont": 4})]}, UnknownOption, "horizon"),
        ({"problems": [Problem(file="nowhere.toml")]}, InvalidProblem, "cannot read"),
        ({"problems": [Problem(tables=TABLES, networks=["other"])]}, UnknownOption, "other"),
        ({"problems": [Problem(tables=TABLES), Problem(tables=TABLES)]}, InvalidOption, "name of its own"),
        ({"problems": []}, InvalidProblem, "no problems"),
        ({"problems": [Problem(tables=TABLES, initial_states={"count": 2})]}, InvalidOption, "lower and upper"),
        ({"problems": [Problem(tables=TABLES, initial_states={"values": [[1, 2]]})]}, InvalidProblem, "shape"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else None,
)
def test_what_does_not_fit_is_refused_before_anything_runs(
    tmp_path: Path, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as raised:
        small(tmp_path, **changes).run(tmp_path / "study.db")
    assert words in str(raised.value)
    assert not (tmp_path / "study.db").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Axes(options=[{"presolv": False}]), "presolve"),
        (lambda: Axes(options=[{"time_limit": 3}]), "axis time_limit"),
        (lambda: Axes(time_limit=["soon"]), "time_limit"),
        (lambda: Axes(bounds=["ibp", "ibp"]), "once"),
        (lambda: Limits(memory="4 GB?"), "memory"),
        (lambda: Limits(memory="1MB"), "memory"),
        (lambda: Networks(), "one of"),
        (lambda: Networks(files="a.onnx", family="b"), "one of"),
        (lambda: Problem(), "a file or tables"),
    ],
)
def test_a_part_refuses_what_does_not_fit(make, words: str) -> None:
    with pytest.raises(r2m.Relu2MipError, match=words):
        make()


def test_unknown_keys_of_a_file_name_the_file_and_the_nearest(tmp_path: Path) -> None:
    for more, nearest in (("bassline = 3", "baseline"), ("[limits]\nmemry = 3", "memory")):
        (tmp_path / "study.toml").write_text(spec_text(more=more))
        with pytest.raises(UnknownOption, match=nearest) as raised:
            Study.from_toml(tmp_path / "study.toml")
        assert "study.toml" in str(raised.value)


def test_what_is_not_installed_is_an_error_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relu2mip.study.peers.find_spec", lambda name: None)
    axes = Axes(bounds="ibp", formulation="big-m", tool="omlt")
    with pytest.raises(BackendUnavailable, match="skip"):
        small(tmp_path, axes=axes).arms  # noqa: B018
    study = small(tmp_path, axes=axes, missing="skip")
    assert [str(arm) for arm in study.arms] == ["ibp · big-m · highs"]
    assert "omlt" in study.left_out[0]


def test_an_arm_is_compared_with_the_baseline_nearest_to_it() -> None:
    arms = [Arm(b, f, s) for b in ("ibp", "crown") for f in ("big-m", "ideal") for s in ("highs", "gurobi")]
    cem = Arm(planner="cem")
    baseline = {"formulation": "big-m"}
    assert partner(Arm("crown", "ideal", "gurobi"), baseline, arms) == Arm("crown", "big-m", "gurobi")
    assert partner(Arm("crown", "big-m", "gurobi"), baseline, arms) is None
    assert partner(cem, baseline, [*arms, cem]) == Arm("ibp", "big-m", "highs")
    assert partner(cem, {}, [*arms, cem]) is None
