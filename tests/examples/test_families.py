"""The families that are checked in: they say what they are, and a problem plans with each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.control import planner
from relu2mip.ir.heading import Heading
from relu2mip.ir.lower import lower
from relu2mip.passes import simplify

FAMILIES = Path(__file__).parents[2] / "examples" / "environments" / "families"
PUSH = sorted((FAMILIES / "push").glob("*.onnx"))
ROPE = sorted((FAMILIES / "rope").glob("*.onnx"))
SORT = sorted((FAMILIES / "sort" / "removal").rglob("*.onnx"))


@pytest.mark.parametrize("path", PUSH, ids=lambda path: path.stem)
def test_pushing(path: Path) -> None:
    net = r2m.load(path)
    assert net.source is not None
    assert simplify(lower(net)).form.relu_units == json.loads(net.source.metadata["relu2mip.relus"])
    bar = [200.0, 200.0, 200.0, 320.0]  # along y, and the network knows x
    state = np.array([*bar, 200.0, 260.0, 305.0, 260.0, 170.0, 260.0])
    problem = r2m.Trajectory(net, 3, state, r2m.Box(-30, 30), cost=r2m.costs.L1(state=[1.0] * 8 + [0, 0]))
    assert problem.heading == Heading("key_0", "key_1")
    # Pushed in the middle of the bar, the T goes the way the pusher does.
    states = problem.rollout(np.tile([25.0, 0.0], (3, 1)))
    moved = (states[-1] - state)[:8].reshape(4, 2).mean(axis=0)
    assert moved[0] > 20
    assert abs(moved[1]) < 20
    assert np.allclose(states[-1, -2:], state[-2:] + np.array([75.0, 0.0]), atol=1e-3)


@pytest.mark.parametrize("path", ROPE, ids=lambda path: path.stem)
def test_the_rope(path: Path) -> None:
    net = r2m.load(path)
    assert net.source is not None
    assert simplify(lower(net)).form.relu_units == json.loads(net.source.metadata["relu2mip.relus"])
    errors = json.loads(net.source.metadata["relu2mip.errors"])
    assert {"10 steps with motion", "10 steps at rest"} < set(errors)
    along = np.array([120.0, 213.0, 307.0, 400.0])  # the rope lies along y, and the network knows x
    state = np.array([*np.column_stack([np.full(4, 250.0), along]).ravel(), 220.0, 213.0])
    problem = r2m.Trajectory(net, 3, state, r2m.Box(-30, 30), cost=r2m.costs.L1(state=[1.0] * 8 + [0, 0]))
    assert problem.heading == Heading("key_0", "key_3")
    # Where it is pushed, it goes the way the pusher does, and further than at its other end.
    moved = (problem.rollout(np.tile([25.0, 0.0], (3, 1)))[-1] - state)[:8].reshape(4, 2)
    assert moved[1, 0] > 15
    assert moved[1, 0] > moved[3, 0] + 10


@pytest.mark.parametrize("path", SORT, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_sorting(path: Path) -> None:
    """What is out of reach stays where it is, whatever the plan."""
    net = r2m.load(path)
    discs = (net.inputs[0].size - 2) // 2
    assert discs == (8 if path.parent.name == "discs-8" else 2)
    centres = np.array([[250.0, 250.0], *([40.0 + 60 * k, 460.0] for k in range(discs - 1))])
    state = np.array([*centres.ravel(), 215.0, 250.0])
    weights = np.r_[1.0, 1.0, np.zeros(2 * discs)]
    aim = np.r_[300.0, 250.0, np.zeros(2 * discs)]
    problem = r2m.Trajectory(
        net, 2, state, r2m.Box(-30, 30), states=r2m.Box(0, 500), cost=r2m.costs.L1(state=weights, target=aim)
    )
    plan = planner("mppi(rounds=5)").plan(problem, deadline=20.0)
    assert plan.states[-1, 0] > 255
    assert np.array_equal(plan.states[-1, 2:-2], state[2:-2])


def test_they_are_there() -> None:
    assert len(PUSH) == 7
    assert len(ROPE) == 6
    assert len(SORT) == 7
