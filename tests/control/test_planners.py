"""Every planner: what it costs is what the network says, sets are kept, deadlines hold, and the proven ones agree."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.control import Hybrid, Mip, planner
from relu2mip.control.mip import BranchAndBound
from relu2mip.errors import BackendUnavailable, InfeasibleProblem, InvalidOption, InvalidProblem, UnknownOption
from relu2mip.registry import planners
from tests.control_problems import POINT
from tests.forms import mlp

NAMES = list(planners)
PROVING = ["mip", "hybrid"]
SECONDS = {"mip": 20.0, "hybrid": 2.0}
"""Enough to prove on a slow machine; `mip` ends as soon as it has."""

START = POINT.changed(initial_state=[2.0, -0.5])
CASES = {
    "box": START,
    "finite": START.changed(controls=r2m.Finite([[-1, 0, 1]])),
    "mixed sets": r2m.Trajectory(
        mlp([4, 6, 2], seed=2, scale=0.7),
        horizon=3,
        initial_state=[0.2, -0.1],
        predicts="change",
        controls=[r2m.Box(-1, 1), r2m.Finite([-1, 1])],
        states=r2m.Box(-5, 5),
        cost=r2m.costs.L1(state=1.0),
    ),
    "rates": replace(START, control_rate=r2m.Box(-0.5, 0.5), previous_controls=[0.25]),
    "linear": replace(START, constraints=[r2m.Linear(state=[[1.0, 1.0]], upper=1.8)]),
    "delay": replace(START, delay=2, previous_controls=[[0.1], [0.2]]),
    "quadratic": replace(START, cost=r2m.costs.Quadratic(state=1.0, control=0.1)),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_a_plan_is_what_the_network_says(name: str, case: str) -> None:
    problem = CASES[case]
    plan = planner(name).plan(problem, deadline=SECONDS.get(name, 0.5))
    assert plan.feasible
    assert plan.controls.shape == (problem.horizon, problem.m)
    np.testing.assert_allclose(problem.rollout(plan.controls), plan.states, atol=1e-9)
    assert problem.evaluate_cost(plan.states, plan.controls) == pytest.approx(plan.cost, abs=1e-9)
    low, high = problem.control_limits
    assert ((plan.controls >= low - 1e-12) & (plan.controls <= high + 1e-12)).all()
    for k, values in enumerate(problem.control_values):
        assert values is None or np.isin(plan.controls[:, k], values).all()
    optimum = r2m.solve(problem, gap=1e-6).objective
    assert plan.cost >= optimum - 1e-4 * max(1.0, abs(optimum))
    if name in PROVING:
        assert plan.bound is not None
        assert plan.bound <= optimum + 1e-6 * max(1.0, abs(optimum))
        assert plan.cost <= optimum + 2e-3 * max(1.0, abs(optimum))
    else:
        assert plan.bound is None
        assert plan.gap is None


@pytest.mark.parametrize("name", ["mppi(rounds=3)", "cem(rounds=3)", "gradient(restarts=1)"])
def test_the_same_seed_gives_the_same_plan(name: str) -> None:
    first, second = (planner(name).plan(START, deadline=60) for _ in range(2))
    np.testing.assert_array_equal(first.controls, second.controls)
    other = planner(name.replace(")", ",seed=1)")).plan(START, deadline=60)
    assert not np.array_equal(first.controls, other.controls)


@pytest.mark.parametrize("name", NAMES)
def test_a_start_is_never_lost(name: str) -> None:
    good = planner("mip").plan(START, deadline=10.0)
    plan = planner(name).plan(START, good.controls, deadline=0.02)
    assert plan.cost <= good.cost + 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_at_its_deadline_a_planner_returns(name: str) -> None:
    net = mlp([5, 24, 24, 4], seed=0, scale=0.6)
    problem = r2m.Trajectory(
        net, horizon=12, initial_state=np.zeros(4), predicts="change", controls=r2m.Box(-1, 1),
        states=r2m.Box(-30, 30), cost=r2m.costs.L1(state=1.0, target=1.0),
    )  # fmt: skip
    working = planner(name).prepared(problem)
    for deadline in (0.05, 0.3):
        begun = time.perf_counter()
        plan = working(problem, None, deadline)
        spent = time.perf_counter() - begun
        assert plan.feasible
        assert spent < 4 * deadline + 1.0, "machines are slow now and then; benchmarks/control.py measures this"


@pytest.mark.parametrize("name", NAMES)
def test_no_plan_is_said_or_the_least_bad_one_returned(name: str) -> None:
    far = replace(START, terminal=r2m.Box([-3, -3], [-2.9, -2.9]))
    if name == "mip":
        with pytest.raises(InfeasibleProblem, match="no plan satisfies"):
            planner(name).plan(far, deadline=1.0)
    elif name == "hybrid":
        with pytest.raises(InfeasibleProblem, match="no plan satisfies"):
            planner(name).plan(far, deadline=2.0)
    else:
        plan = planner(name).plan(far, deadline=0.2)
        assert not plan.feasible
        assert plan.violation > 0


def test_a_program_for_the_whole_box_serves_every_state() -> None:
    working = Mip(anew="never").prepared(POINT)
    rng = np.random.default_rng(0)
    for _ in range(6):
        problem = POINT.changed(initial_state=rng.uniform(-1, 1, 2), reference=rng.uniform(-0.5, 0.5, 2))
        plan = working(problem, None, 5.0)
        assert "update" in plan.stages
        assert "compile" not in plan.stages
        assert plan.cost == pytest.approx(r2m.solve(problem, gap=1e-6).objective, rel=2e-3, abs=2e-3)
    outside = working(POINT.changed(initial_state=[3.5, -1.0]), None, 5.0)
    assert "bounds" in outside.rebuilt


@pytest.mark.parametrize("backend", ["gurobi", "cvxpy"])
def test_other_backends_hold_programs_too(backend: str) -> None:
    pytest.importorskip({"gurobi": "gurobipy", "cvxpy": "cvxpy"}[backend])
    working = Mip(backend=backend, anew="never").prepared(POINT)
    for x in (1.0, -1.0):
        problem = POINT.changed(initial_state=[x, 0.0])
        assert working(problem, None, 5.0).cost == pytest.approx(r2m.solve(problem).objective, abs=1e-2)


def test_unproven_bounds_prove_nothing() -> None:
    rng = np.random.default_rng(0)
    samples = {"state": rng.uniform(-2, 2, (200, 2)), "control": rng.uniform(-1, 1, (200, 1))}
    net = mlp([3, 6, 2], seed=1, scale=0.8)
    problem = r2m.Trajectory(
        net, horizon=3, initial_state=[0.0, 0.0], predicts="change", controls=r2m.Box(-1, 1), states=r2m.Box(-9, 9),
        cost=r2m.costs.L1(target=1.0, state=1.0),
    )  # fmt: skip
    seen = r2m.compile(problem, bounds=[r2m.bounds.Crown(), r2m.bounds.Data(samples=samples)])
    assert not seen.all_bounds.sound

    class Unsound(BranchAndBound):
        def _compiled(self, problem: r2m.Trajectory) -> r2m.Compiled:
            return r2m.compile(problem, bounds=[r2m.bounds.Crown(), r2m.bounds.Data(samples=samples)])

    plan = Unsound(Mip(anew="always"), problem)(problem, np.ones((3, 1)), 5.0)
    assert plan.bound is None
    assert plan.feasible


def test_a_plan_in_hand_outlives_a_backend_that_fails() -> None:
    class Broken(BranchAndBound):
        def _compiled(self, problem: r2m.Trajectory) -> r2m.Compiled:
            raise BackendUnavailable("no licence")

    plan = Broken(Mip(anew="always"), START)(START, np.zeros((4, 1)), 1.0)
    assert plan.bound is None
    assert "no licence" in plan.stopped
    with pytest.raises(BackendUnavailable, match="no licence"):
        Broken(Mip(anew="always"), START)(START, None, 1.0)


def test_bad_choices_are_errors() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'mppi'"):
        planner("mpi")
    with pytest.raises(InvalidOption, match="anew is 'sometimes'"):
        Mip(anew="sometimes")
    with pytest.raises(InvalidOption, match="share is 1"):
        Hybrid(share=1.0)
    with pytest.raises(InvalidOption, match="deadline is 0"):
        planner("mip").plan(START, deadline=0)
    with pytest.raises(InvalidProblem, match=r"start has shape \(3, 1\)"):
        planner("mip").plan(START, np.zeros((3, 1)), deadline=1)
    assert str(planner("mppi(samples=64)")) == "mppi(samples=64)"
