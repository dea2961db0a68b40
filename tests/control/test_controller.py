"""A controller in the loop: it reaches the goal, keeps its log, goes down the ladder, and never falls over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.control import Controller, Run, Rung, simulate
from relu2mip.errors import InfeasibleProblem, InvalidOption, InvalidProblem, SolverFailure
from tests.conftest import ROOT
from tests.control_problems import POINT, model


@pytest.mark.parametrize("name", ["mip", "hybrid", "mppi", "cem", "gradient"])
def test_the_loop_reaches_the_goal(name: str) -> None:
    run = simulate(Controller(POINT, name, period=0.3), model(), 12, initial_state=[2.0, 0.0])
    assert len(run) == 12
    assert run.planned == 1.0
    assert np.abs(run.states[-1]).max() < 0.2
    assert np.nanmax(run.error) < 1e-9, "the model is the system"


def test_delay_window_and_reference_are_kept_by_the_controller() -> None:
    late = replace(POINT, delay=2, previous_controls=[[0.0], [0.0]])
    controller = Controller(late, "mip", period=1.0, reference=np.tile([1.0, 0.0], (30, 1)))
    pending = [np.zeros(1), np.zeros(1)]

    def step(state: np.ndarray, control: np.ndarray) -> np.ndarray:
        pending.append(control)
        return POINT.rollout(pending.pop(0)[None], state)[1]

    run = simulate(controller, step, 15, initial_state=[0.0, 0.0])
    assert np.nanmax(run.error) < 1e-9, "predictions know of the controls on their way"
    assert abs(run.states[-1, 0] - 1.0) < 0.2
    with pytest.raises(InvalidProblem, match="it has 30 rows; 40 steps with a horizon of 4 need 43"):
        simulate(controller, step, 40, initial_state=[0.0, 0.0])


def test_a_reference_may_depend_on_the_state() -> None:
    asked = []

    def reference(step: int, state: np.ndarray) -> np.ndarray:
        asked.append((step, state[0]))
        return np.array([2.0 if state[0] < 0.5 else 1.0, 0.0])

    run = simulate(Controller(POINT, "mip", period=1.0, reference=reference), model(), 12, initial_state=[0.0, 0.0])
    assert [step for step, _ in asked] == list(range(12))
    assert [place for _, place in asked] == run.states[:-1, 0].tolist()
    assert abs(run.states[-1, 0] - 1.0) < 0.2
    assert all(r == Rung.PLAN for r in run.rungs)
    wrong = Controller(POINT, "mip", period=1.0, reference=lambda step, state: np.zeros(5))
    wrong.act([0.0, 0.0])
    assert wrong.log[0].rung is Rung.SAFE
    assert "target" in wrong.log[0].faults[0]


def test_changes_of_control_count_from_the_control_that_was_applied() -> None:
    smooth = replace(POINT, cost=POINT.cost + r2m.costs.L1(control_rate=2.0))
    controller = Controller(smooth, "mip", period=2.0)
    first = controller.act([2.0, 0.0])
    controller.act([2.0 + first[0], first[0]])
    plan = controller.plan
    assert plan is not None
    now = smooth.changed(initial_state=[2.0 + first[0], first[0]], previous_controls=first)
    assert plan.cost == pytest.approx(now.evaluate_cost(plan.states, plan.controls))
    assert plan.cost == pytest.approx(r2m.solve(now, gap=1e-6).objective, rel=2e-3)


def test_a_network_with_a_window_sees_the_past() -> None:
    from tests.forms import mlp

    net = mlp([6, 5, 2], seed=1, scale=0.5)
    problem = r2m.Trajectory(
        net, horizon=3, initial_state=np.zeros((2, 2)), window=2, predicts="change", controls=r2m.Box(-1, 1),
        previous_controls=[0.0], states=r2m.Box(-9, 9), cost=r2m.costs.L1(state=1.0), period=1.0,
    )  # fmt: skip
    past = {"states": [np.zeros(2)], "controls": [np.zeros(1)]}

    def step(state: np.ndarray, control: np.ndarray) -> np.ndarray:
        window = np.stack([past["states"][-1], state])
        now = replace(problem, previous_controls=past["controls"][-1])
        past["states"].append(state)
        past["controls"].append(control)
        return now.rollout(control[None], window)[1]

    run = simulate(Controller(problem, "mip"), step, 6, initial_state=[0.0, 0.0])
    assert np.nanmax(run.error) < 1e-9


def test_the_ladder_ends_with_the_shifted_plan_and_the_safe_control(monkeypatch: pytest.MonkeyPatch) -> None:
    controller = Controller(POINT, "mip", period=1.0, safe_control=[0.5])
    first = controller.act([2.0, 0.0])
    plan = controller.plan
    assert plan is not None
    assert first == pytest.approx(plan.controls[0])

    def broken(*_: object) -> object:
        raise SolverFailure("gone")

    controller._planning = controller._spare = broken  # type: ignore[assignment]
    rungs = []
    for t in range(1, 6):
        control = controller.act([2.0, 0.0])
        rungs.append(controller.log[-1].rung)
        expected = plan.controls[t] if t < 4 else [0.5]
        assert control == pytest.approx(expected)
    assert rungs == [Rung.SHIFTED] * 3 + [Rung.SAFE] * 2


def test_strict_raises_where_the_ladder_would_begin() -> None:
    controller = Controller(POINT, "mip", period=1.0, strict=True)
    with pytest.raises(InvalidProblem, match="observation has nan"):
        controller.act([np.nan, 0.0])
    with pytest.raises(InvalidProblem, match=r"observation has shape \(3,\); give \(2,\)"):
        controller.act([0.0, 0.0, 0.0])
    far = replace(POINT, terminal=r2m.Box([2.9, 2.9], [3, 3]))
    with pytest.raises(InfeasibleProblem):
        Controller(far, "mip", period=1.0, strict=True).act([-3.0, -3.0])


def test_bad_settings_are_errors() -> None:
    with pytest.raises(InvalidOption, match="period is 0"):
        Controller(POINT, "mip", period=0)
    with pytest.raises(InvalidOption, match="period is None"):
        Controller(r2m.Trajectory(POINT.net, 2, [0.0, 0.0], r2m.Box(-1, 1), predicts="change"), "mip")
    with pytest.raises(InvalidProblem, match="safe_control"):
        Controller(POINT, "mip", safe_control=[2.0])
    with pytest.raises(InvalidProblem, match="target has shape"):
        Controller(POINT, "mip", reference=np.zeros((9, 3)))
    with pytest.raises(InvalidOption, match="steps is 0"):
        simulate(Controller(POINT, "mip"), model(), 0)
    with pytest.raises(InvalidProblem, match="give the one to start from"):
        simulate(Controller(POINT, "mip"), model(), 1)
    with pytest.raises(InvalidProblem, match="give a function step"):
        simulate(Controller(POINT, "mip"), 3, 1)


def test_a_step_without_a_bound_has_no_gap() -> None:
    controller = Controller(POINT, "cem(rounds=1)")
    controller.act([1.0, 0.0])
    (step,) = controller.log
    assert np.isnan(step.bound)
    assert np.isnan(step.gap), "and none of 0, which would be a proof"


def test_a_run_is_saved_loaded_drawn_and_summed_up(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    run = simulate(
        Controller(POINT, "hybrid", period=0.1), model(), 5, initial_state=[1.0, 0.0], disturbance=[0.01, 0.01]
    )
    again = Run.load(run.save(tmp_path / "run.npz"))
    np.testing.assert_array_equal(run.states, again.states)
    np.testing.assert_array_equal(run.predictions, again.predictions)
    assert again.rungs == run.rungs
    assert again.about == run.about
    assert set(again.stages) == set(run.stages)
    assert again.summary().startswith("5 steps by hybrid: 100% planned")
    assert again.plot(tmp_path / "run.png").stat().st_size > 10_000
    with pytest.raises(InvalidProblem, match=r"name the file \.npz"):
        run.save(tmp_path / "run.json")
    (tmp_path / "other.npz").write_bytes(b"no archive")
    with pytest.raises(InvalidProblem, match="holds no run"):
        Run.load(tmp_path / "other.npz")
    with pytest.raises(InvalidProblem, match="the run has no pictures"):
        run.animate(tmp_path / "run.gif")


def test_gymnasium_environments_are_checked_and_stepped(tmp_path) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    from relu2mip.control.environment import Environment

    net = r2m.load(ROOT / "examples/cartpole/family/units-8.onnx")
    problem = r2m.Trajectory(
        net, horizon=6, initial_state=r2m.Box([-1.5, -2, -0.3, -3], [1.5, 2, 0.3, 3]), controls=r2m.Finite([-1, 1]),
        states=r2m.Box([-2.4, -6, -0.5, -6], [2.4, 6, 0.5, 6]), period=0.2,
        cost=r2m.costs.L1(state=[0.1, 0.05, 1.0, 0.1], terminal=[0, 0, 5.0, 1.0]),
    )  # fmt: skip
    env = Environment(gymnasium.make("CartPole-v1"), actions=[-1.0, 1.0])
    run = simulate(Controller(problem, "mip"), env, 15, seed=1)
    assert len(run) == 15, "the pole does not fall"
    assert run.rewards.sum() == 15
    with pytest.raises(InvalidProblem, match="2 discrete actions; give actions"):
        Environment(gymnasium.make("CartPole-v1"))
    with pytest.raises(InvalidProblem, match=r"state is \[9\]; an observation has the entries 0 to 3"):
        simulate(Controller(problem, "mip"), Environment(env.env, state=[9], actions=[-1.0, 1.0]), 1)
    with pytest.raises(InvalidProblem, match="it observes 2 states"):
        simulate(Controller(problem, "mip"), Environment(env.env, state=[0, 1], actions=[-1.0, 1.0]), 1)


@pytest.mark.skipif(os.name != "posix", reason="a signal is sent to the process")
def test_ctrl_c_ends_a_run_with_what_was_run_so_far(tmp_path) -> None:
    example = ROOT / "examples" / "cartpole"
    text = (example / "problem.toml").read_text().replace("dynamics.onnx", (example / "dynamics.onnx").as_posix())
    (tmp_path / "task.toml").write_text(f'{text}\n[control]\nplanner = "mppi"\nperiod = 0.1\nsteps = 100000\n')
    code = "import relu2mip.cli as cli; print('ready', flush=True); cli.main()"
    command = [sys.executable, "-c", code, "mpc", "task.toml", "--output", "run.npz"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(6.0)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=100)
    assert process.returncode == 0, error
    assert "steps by mppi" in out
    assert 0 < len(Run.load(tmp_path / "run.npz")) < 100_000
