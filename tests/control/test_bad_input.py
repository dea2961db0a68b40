"""Bad input to controllers, loops and `relu2mip mpc`: one clear error that names the place, before anything is run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import relu2mip as r2m
from relu2mip.cli.app import app
from relu2mip.control import Controller, planner, simulate
from relu2mip.control.environment import Environment
from relu2mip.errors import InvalidOption, InvalidProblem
from tests.conftest import ROOT
from tests.control_problems import POINT, model

HERE = POINT.changed(initial_state=[1.0, 0.5])
POST = r2m.Outside(r2m.Box([0.5, 0.0], [1.5, 1.0]), name="post")
COVERED = replace(HERE, constraints=[POST])
QUICK = "cem(rounds=1,samples=32)"
COVERS = r"constraint 'post': its region covers the initial state, \[1. , 0.5\]; start outside of it, or let it hold at"


class TestAnObstacleThatCoversTheInitialState:
    @pytest.mark.parametrize(
        "use",
        [
            r2m.solve,
            lambda problem: Controller(problem, QUICK),
            lambda problem: planner(QUICK).plan(problem, deadline=0.1),
            lambda problem: simulate(Controller(replace(POINT, constraints=[POST]), QUICK), model(), 2,
                                     initial_state=[1.0, 0.5]),
        ],
        ids=["solve", "Controller", "plan", "simulate"],
    )  # fmt: skip
    def test_is_said(self, use: Callable[[r2m.Trajectory], object]) -> None:
        with pytest.raises(InvalidProblem, match=COVERS):
            use(COVERED)

    @pytest.mark.parametrize(
        "region",
        [r2m.Ball([1.0, 0.5], 0.1), r2m.Polygon([[0, 0], [3, 0], [1, 3]]), r2m.Box([0.9, -np.inf], [1.1, np.inf])],
    )
    def test_of_any_region_and_any_keypoint(self, region: object) -> None:
        post = r2m.Outside(region, keypoints=([[9, 9], [9, 9], [1, 0], [0, 1]], [0, 0, 0, 0]), name="post")  # type: ignore[arg-type]
        with pytest.raises(InvalidProblem, match="'post1': its region covers the initial state"):
            r2m.solve(replace(HERE, constraints=[post]))

    @pytest.mark.parametrize(
        "post",
        [
            replace(POST, region=r2m.Box([1.0, 0.0], [1.5, 1.0])),
            replace(POST, steps=[2, 3, 4]),
            replace(POST, path=np.zeros((4, 2))),
            replace(POST, margin=-0.5),
        ],
        ids=["beside", "later", "moving", "narrow"],
    )
    def test_is_not_said_where_it_does_not(self, post: r2m.Outside) -> None:
        controller = Controller(replace(HERE, constraints=[post]), QUICK)
        assert controller.act([1.0, 0.5]).shape == (1,)

    def test_a_box_of_initial_states_may_be_covered_in_part(self) -> None:
        inside = r2m.Box([0.6, 0.1], [1.4, 0.9])
        Controller(replace(COVERED, initial_state=r2m.Box([0.6, 0.1], [2.0, 0.9])), QUICK)
        with pytest.raises(InvalidProblem, match="covers the initial state, the box from"):
            Controller(replace(COVERED, initial_state=inside), QUICK)

    def test_a_loop_that_gets_into_one_goes_on(self) -> None:
        controller = Controller(replace(POINT, constraints=[POST]), "hybrid", period=0.3)
        controller.act([1.0, 0.5])
        assert controller.log[0].states is not None


@pytest.mark.parametrize("period", [0, -1.0, np.nan, np.inf, "fast"])
def test_a_period_is_a_time(period: object) -> None:
    with pytest.raises(InvalidOption, match=r"period is .*; give the seconds that a step may take, above 0"):
        Controller(POINT, QUICK, period=period)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (None, "trust region: data is None; give arrays state and control by name, or the path"),
        ("nowhere.npz", "trust region: nowhere.npz holds no data"),
        ({}, "the data have no array 'state'"),
        ({"state": np.zeros((0, 2)), "control": np.zeros((0, 1))}, r"state has shape \(0, 2\) .* at least 2"),
        ({"state": np.full((9, 2), np.nan), "control": np.zeros((9, 1))}, "finite"),
    ],
)
def test_a_trust_region_needs_data(data: object, told: str) -> None:
    with pytest.raises(InvalidProblem, match=told):
        r2m.trust_region(data)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (np.zeros((12, 2)), "reference: it has 12 rows; 10 steps with a horizon of 4 need 13: give more rows"),
        (np.zeros((20, 3)), r"target has shape \(4, 3\)"),
        (np.zeros((0, 2)), "reference is empty; give a row for each step to come"),
        (np.full((20, 2), np.nan), "give finite numbers"),
        ("goal", "reference is 'goal'; give numbers"),
    ],
)
def test_a_reference_is_as_long_as_steps_and_horizon_need(reference: object, told: str) -> None:
    with pytest.raises(InvalidProblem, match=told):
        simulate(Controller(POINT, QUICK, reference=reference), model(), 10, initial_state=[1.0, 0.0])  # type: ignore[arg-type]


def test_a_reference_needs_a_cost() -> None:
    with pytest.raises(InvalidProblem, match="reference: the problem has no cost whose target it would be"):
        Controller(replace(POINT, cost=None), QUICK, reference=np.zeros((20, 2)))


@pytest.mark.parametrize(
    ("name", "how", "told"),
    [
        ("Pendulum-v1", {}, "it observes 3 states, the network integrator has 2; say with state="),
        ("Pendulum-v1", {"state": [0, 5]}, r"state is \[0, 5\]; an observation has the entries 0 to 2"),
        ("Pendulum-v1", {"actions": [0.0, 1.0]}, "its actions are not discrete; give no actions"),
        ("CartPole-v1", {}, "it has 2 discrete actions; give actions, the control of each$"),
        ("CartPole-v1", {"actions": [0.0]}, "it has 2 discrete actions; .*, not 1 of them"),
        ("CartPole-v1", {"actions": [[0, 1], [1, 0]], "state": [0, 1]}, "an action is 2 controls, the network"),
        ("Blackjack-v1", {"actions": [0, 1]}, "it observes Tuple.*; wrap it in gymnasium's FlattenObservation"),
    ],
)
def test_environments_whose_spaces_do_not_fit(name: str, how: dict, told: str) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    with pytest.raises(InvalidProblem, match=f"environment: {told}"):
        simulate(Controller(POINT, QUICK), Environment(gymnasium.make(name), **how), 2)


def test_controls_beyond_the_actions_are_not_clipped_in_silence() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    env = Environment(gymnasium.make("Pendulum-v1"), state=[0, 1])
    assert len(simulate(Controller(POINT.changed(controls=r2m.Box(-2, 2)), QUICK), env, 2)) == 2
    with pytest.raises(InvalidProblem, match=r"controls range from \[-3.\] to \[1.\], its actions from \[-2.\] to"):
        simulate(Controller(POINT.changed(controls=r2m.Box(-3, 1)), QUICK), env, 2)
    with pytest.raises(InvalidProblem, match="environment is 'CartPole-v1'; give a gymnasium environment"):
        Environment("CartPole-v1")


def test_states_may_be_read_off_any_observation() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    env = Environment(gymnasium.make("Blackjack-v1"), state=lambda seen: [seen[0] / 32, seen[1] / 11], actions=[-1, 1])
    assert len(simulate(Controller(POINT, QUICK), env, 1)) == 1


@pytest.mark.parametrize(
    ("given", "error", "told"),
    [
        ({"steps": 0}, InvalidOption, "steps is 0; give a whole number, at least 1"),
        ({"steps": "3"}, InvalidOption, "steps is '3'"),
        ({"seed": -1}, InvalidOption, "seed is -1"),
        ({"disturbance": [0.1, 0.1, 0.1]}, InvalidProblem, r"disturbance has shape \(3,\); give \(2,\)"),
        ({"disturbance": lambda *_: np.zeros(3)}, InvalidProblem, r"what disturbance returned has shape \(3,\)"),
        ({"system": lambda x, u: x[:1]}, InvalidProblem, r"step: what it returned has shape \(1,\); give \(2,\)"),
        ({"system": lambda x, u: None}, InvalidProblem, "what step returned is None"),
        ({"system": "CartPole-v1"}, InvalidProblem, "give a function step"),
        ({"initial_state": [0.0]}, InvalidProblem, r"initial_state has shape \(1,\); give \(2,\)"),
    ],
)
def test_loops_that_cannot_be_run(given: dict, error: type[Exception], told: str) -> None:
    call = {"system": model(), "steps": 3, "initial_state": [1.0, 0.0], **given}
    with pytest.raises(error, match=told):
        simulate(Controller(POINT, QUICK), **call)


def test_what_is_no_problem() -> None:
    for given in ("problem.toml", r2m.BoxProblem(POINT.net, -1, 1, [1.0, 0.0]), None):
        with pytest.raises(InvalidProblem, match=r"problem is .*; give a Trajectory"):
            Controller(given, QUICK)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("mppi(samples=0)", "mppi: samples is 0; give at least 1"),
        ("mppi(temperature=0)", "mppi: temperature is 0.0; give at least"),
        ("mppi(correlation=2)", "mppi: correlation is 2.0; give 0 to 1"),
        ("cem(elites=0)", "cem: elites is 0; give 1 to 512"),
        ("cem(samples=8)", "cem: elites is 32; give 1 to 8"),
        ("cem(rounds=0)", "cem: rounds is 0"),
        ("gradient(seed=-1)", "gradient: seed is -1"),
    ],
)
def test_options_of_planners_out_of_their_range(spec: str, told: str) -> None:
    with pytest.raises(InvalidOption, match=told):
        planner(spec)


FILES = {
    "outside = { centre = [0.0, -0.4], radius = 0.3 }\nname = 'post'": "constraint 'post': its region covers the",
    "trust_region = 'nowhere.npz'": "trust region: .*nowhere.npz holds no data",
}
TABLES = {
    "period = 0": "period is 0; give a number above 0",
    "steps = 3": "period is None; give the seconds that a step may take, above 0: here or in the problem",
    "period = 1.0\nreference = [[0.0, 0.0, 0.0, 0.0]]": "reference: it has 1 rows; 50 steps .* need 59",
    "period = 1.0\nenvironment = 'Pendulum-v1'": "environment: it observes 3 states, the network dynamics has 4",
    "period = 1.0\nenvironment = 'CartPoll-v1'": "gymnasium cannot make 'CartPoll-v1'",
    "period = 1.0\nenvironment = 'CartPole-v1'": "2 discrete actions; give actions",
    "period = 1.0\nsafe_control = [3.0]": "safe_control .* lies outside the set of controls",
    "perod = 1.0": "'perod': did you mean 'period'",
}


@pytest.mark.parametrize(
    ("added", "told"),
    [(f"[[constraints]]\n{text}\n[control]\nperiod = 1.0", told) for text, told in FILES.items()]
    + [(f"[control]\n{text}", told) for text, told in TABLES.items()],
)
def test_on_the_command_line_the_file_is_named(added: str, told: str, tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    example = ROOT / "examples" / "cartpole"
    text = (example / "problem.toml").read_text().replace("dynamics.onnx", (example / "dynamics.onnx").as_posix())
    (tmp_path / "task.toml").write_text(f"{text}\n{added}\n")
    result = CliRunner().invoke(app, ["mpc", str(tmp_path / "task.toml")])
    assert result.exit_code == 1
    assert result.stdout == ""
    assert re.search(f"error: .*task.toml: .*{told}", result.stderr), result.stderr


def test_a_reference_in_a_file_is_followed(tmp_path: Path) -> None:
    example = ROOT / "examples" / "cartpole"
    text = (example / "problem.toml").read_text().replace("dynamics.onnx", (example / "dynamics.onnx").as_posix())
    table = f"[control]\nperiod = 1.0\nsteps = 3\nreference = {np.zeros((12, 4)).tolist()}\nplanner = '{QUICK}'"
    (tmp_path / "task.toml").write_text(f"{text}\n{table}\n")
    result = CliRunner().invoke(app, ["mpc", str(tmp_path / "task.toml")])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("3 steps by cem")
