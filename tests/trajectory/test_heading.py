"""A network that knows one direction: turned by its problem, everything turns with the world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.arrays import Array
from relu2mip.control import Controller, planner
from relu2mip.errors import CapabilityMissing, InvalidOption, InvalidProblem
from relu2mip.frontends.sparsify import Transitions
from relu2mip.ir.graph import Source
from relu2mip.ir.heading import Heading, rotation, turned
from relu2mip.ir.samples import boat
from relu2mip.study.peers.problem import PeerProblem

NAMES = ("tail_x", "tail_y", "nose_x", "nose_y")
PUSH = ("push_x", "push_y")


def sailing(angle: float, target: Array, **changes: Any) -> r2m.Trajectory:
    """Bring the nose to a target, both turned by an angle, where controls are in a circle's square."""
    turn = rotation(PUSH, -angle)
    start = np.concatenate([turn @ [0.3, 0.2], turn @ [1.3, 0.2]])
    given: dict[str, Any] = {
        "net": boat(), "horizon": 3, "initial_state": start, "predicts": "change", "controls": r2m.Box(-1, 1),
        "cost": r2m.costs.Quadratic(state=np.diag([0, 0, 1.0, 1.0]), target=np.concatenate([[0, 0], turn @ target])),
        "state_names": NAMES, "control_names": PUSH, "heading": ("tail", "nose"),
    }  # fmt: skip
    return r2m.Trajectory(**{**given, **changes})


def test_turning_vectors() -> None:
    rng = np.random.default_rng(0)
    points, angles = rng.normal(size=(20, 4)), rng.uniform(-4, 4, 20)
    found = turned(points, NAMES, angles)
    assert np.allclose(
        np.linalg.norm(found.reshape(20, 2, 2), axis=2), np.linalg.norm(points.reshape(20, 2, 2), axis=2)
    )
    assert np.allclose(turned(found, NAMES, -angles), points)
    assert np.allclose([rotation(NAMES, a) @ p for a, p in zip(angles, points, strict=True)], found)
    facing = turned(points, NAMES, Heading("tail", "nose").angles(points, NAMES))
    assert np.allclose(Heading("tail", "nose").angles(facing, NAMES), 0.0)


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.5, np.pi])
def test_rollouts_turn_with_the_world(angle: float) -> None:
    rng = np.random.default_rng(1)
    controls, target = rng.uniform(-0.6, 0.6, (5, 3, 2)), np.array([2.0, 0.0])
    straight, other = sailing(0.0, target), sailing(angle, target)
    back = rotation(NAMES, -angle)
    wanted = straight.rollout(controls) @ back.T
    found = other.rollout(controls @ rotation(PUSH, -angle).T)
    assert np.allclose(found, wanted)
    form = other.unrolled.form
    for u, states in zip(controls @ rotation(PUSH, -angle).T, found, strict=True):
        values = form.evaluate({"state@0": states[None, 0], **{f"control@{t}": u[None, t] for t in range(3)}})
        assert np.allclose([values[f"state@{t}"][0] for t in range(4)], states)


@pytest.mark.parametrize("backend", ["highs", "gurobi"])
def test_plans_and_costs_are_those_of_the_world(backend: str) -> None:
    """By a right angle the box of controls is itself again, so the optimum turns with everything else."""
    target = np.array([2.2, 0.6])
    cost = {"cost": r2m.costs.L1(state=[0, 0, 1.0, 1.0], target=[0, 0, *target])}
    straight = r2m.solve(sailing(0.0, target, **cost), backend=backend)
    turn = rotation(PUSH, -np.pi / 2)
    aim = {"cost": r2m.costs.L1(state=[0, 0, 1.0, 1.0], target=[0, 0, *(turn @ target)])}
    answer = r2m.solve(sailing(np.pi / 2, target, **aim), backend=backend)
    assert answer.objective == pytest.approx(straight.objective, abs=1e-6)
    # Plans of equal cost there may be several; this one has to do in the world what it says.
    states = sailing(np.pi / 2, target).rollout(answer.controls)
    assert np.allclose(states, answer.states, atol=1e-6)


def test_another_state_turns_the_network_anew() -> None:
    problem = sailing(0.0, np.array([2.0, 0.0]))
    turn = rotation(NAMES, -1.0)
    moved = problem.changed(initial_state=turn @ problem.initial_state)
    assert moved.unrolled.form is not problem.unrolled.form
    assert problem.changed(reference=np.ones(4)).unrolled.form is problem.unrolled.form
    u = np.full((3, 2), 0.4)
    assert np.allclose(moved.rollout(u @ rotation(PUSH, -1.0).T), problem.rollout(u) @ turn.T)


@pytest.mark.parametrize("name", ["mip", "mip(anew=never)", "hybrid", "mppi", "gradient"])
def test_a_loop_follows_a_boat_that_turns(name: str) -> None:
    """Each plan is for the direction of its own first state, also where a planner would only update its program."""
    problem = sailing(0.0, np.array([2.0, 0.0]))
    controller = Controller(problem, planner(name), period=0.4, strict=True)
    state = problem.initial_state
    for angle in (0.0, 0.8, 2.0):
        start = rotation(NAMES, -angle) @ state
        control = controller.act(start)
        made = controller.plan
        assert made is not None
        following = sailing(angle, np.array([2.0, 0.0])).changed(initial_state=start).rollout(made.controls)
        assert np.allclose(made.states, following, atol=1e-6)
        assert np.allclose(control, made.controls[0])


def test_saved_bounds_are_of_one_direction(tmp_path: Path) -> None:
    """The program of another direction looks the same, but for its numbers."""
    target = np.array([2.0, 0.0])
    bounded = sailing(0.7, target, states=r2m.Box(-9, 9))
    file = r2m.compile(bounded, bounds="crown").all_bounds.save(tmp_path / "bounds.npz")
    assert r2m.compile(bounded, bounds=f"file(path={file})").all_bounds.provenance
    with pytest.raises(InvalidProblem, match="another problem \\(heading: "):
        r2m.compile(replace(bounded, heading=("nose", "tail")), bounds=f"file(path={file})")


def test_other_tools_are_not_given_a_network_that_has_to_be_turned() -> None:
    cost = r2m.costs.L1(state=1.0, target=np.zeros(4))
    with pytest.raises(CapabilityMissing, match="not given a heading"):
        PeerProblem.of(sailing(0.7, np.ones(2), states=r2m.Box(-9, 9), cost=cost), "boat.onnx")


def test_scenarios_have_directions_of_their_own() -> None:
    problem = sailing(0.0, np.array([2.0, 0.0]))
    firsts = [problem.initial_state, rotation(NAMES, -1.2) @ problem.initial_state]
    both = r2m.scenarios(problem, initial_states=firsts)
    u = np.random.default_rng(0).uniform(-1, 1, (3, 2))
    wanted = np.concatenate([problem.changed(initial_state=first).rollout(u) for first in firsts], axis=1)
    assert np.allclose(both.rollout(u), wanted)


def test_the_file_says_it() -> None:
    net = replace(boat(), source=Source("boat.onnx", b"", "d", metadata={"relu2mip.heading": '["tail", "nose"]'}))
    assert sailing(0.5, np.ones(2), net=net, heading=None).heading == Heading("tail", "nose")
    with pytest.raises(InvalidProblem, match="the file of boat says"):
        sailing(0.5, np.ones(2), net=net, heading=("nose", "tail"))


def test_a_start_is_held_against_the_data_as_the_network_sees_it(caplog: pytest.LogCaptureFixture) -> None:
    said = {"heading": '["tail", "nose"]', "state_range": '{"lower": [-1, -1, -1, -1], "upper": [2, 1, 3, 1]}'}
    metadata = {f"relu2mip.{key}": value for key, value in said.items()}
    net = replace(boat(), source=Source("boat.onnx", b"", "d", metadata=metadata))
    sailing(2.0, np.ones(2), net=net)
    assert not caplog.messages
    sailing(2.0, np.ones(2), net=net, initial_state=rotation(NAMES, -2.0) @ [0.0, 5.0, 1.0, 5.0])
    assert "entry 1 is 5, its network was fitted to data in [-1, 1]; there it extrapolates" in caplog.text


def test_bad_input() -> None:
    target = np.array([2.0, 0.0])
    with pytest.raises(InvalidProblem, match="no states fin_x and fin_y; there are tail_x"):
        sailing(0.0, target, heading=("tail", "fin"))
    with pytest.raises(InvalidProblem, match="names of two points"):
        sailing(0.0, target, heading=("tail",))
    with pytest.raises(InvalidProblem, match="give state_names"):
        sailing(0.0, target, state_names=None)
    with pytest.raises(InvalidProblem, match="push_x is no vector in the plane"):
        sailing(0.0, target, control_names=("push_x", "speed"))
    with pytest.raises(InvalidProblem, match="at one place"):
        sailing(0.0, target, initial_state=np.zeros(4))
    # In the second box both corners have the same direction, and what is between has others.
    for box in (r2m.Box([0, 0, 1, 0], [0, 0, 1, 1]), r2m.Box([0, 0, 1, 1], [0, 0, 2, 2])):
        with pytest.raises(InvalidProblem, match=r"tail and nose are not at one place each.*give one initial state"):
            sailing(0.0, target, initial_state=box)


def test_data_are_cut_and_turned() -> None:
    rng = np.random.default_rng(0)
    state, push = rng.normal(size=(7, 9, 4)), rng.normal(size=(7, 8, 2))
    data = Transitions.of_trajectories(state, push, state_names=NAMES, control_names=PUSH)
    found = data.facing(["tail", "nose"], steps=3)
    assert np.bincount(found.rollout).tolist() == [3, 3, 2] * 7
    first = np.flatnonzero(np.diff(found.rollout, prepend=-1))
    assert np.allclose(Heading("tail", "nose").angles(found.state[first], NAMES), 0.0, atol=1e-5)
    angles = Heading("tail", "nose").angles(data.state[first], NAMES)[found.rollout]
    for mine, theirs, names in (
        (found.state, data.state, NAMES),
        (found.next_state, data.next_state, NAMES),
        (found.control, data.control, PUSH),
    ):
        assert np.allclose(turned(mine, names, -angles), theirs, atol=1e-5)
    often = data.facing(["tail", "nose"], steps=3, every=2)
    assert np.bincount(often.rollout).tolist() == [3, 3, 3, 2] * 7
    rows = np.tile([0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7], 7) + np.repeat(8 * np.arange(7), 11)
    starts = np.flatnonzero(np.diff(often.rollout, prepend=-1))
    angles = Heading("tail", "nose").angles(data.state[rows][starts], NAMES)[often.rollout]
    assert np.allclose(turned(often.state, NAMES, -angles), data.state[rows], atol=1e-5)
    whole = data.facing(["tail", "nose"], steps=20, every=5)
    assert np.bincount(whole.rollout).tolist() == [8] * 7
    with pytest.raises(InvalidOption, match="turned already"):
        found.facing(["tail", "nose"])
    with pytest.raises(InvalidOption, match="steps is 0 and every 0"):
        data.facing(["tail", "nose"], steps=0)
    with pytest.raises(InvalidOption, match="names of two points"):
        data.facing("tail")
