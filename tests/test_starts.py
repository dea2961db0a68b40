"""MIP starts: every column at a given plan, used by the search, and refused where the plan is none."""

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidProblem
from relu2mip.ir.samples import integrator, tiny
from relu2mip.mip.check import violations
from relu2mip.registry import formulations
from tests.forms import mlp
from tests.trajectory.test_plans import PROBLEMS

EXACT = [name for name, formulation in formulations.items() if formulation.exact]
WIDE = r2m.BoxProblem(mlp([6, 14, 14, 1], seed=3), -1, 1, [1.0], "max")


def feasible_start(problem: r2m.Trajectory, seed: int = 0) -> np.ndarray:
    """Controls of the cheapest of a few sequences, most of them random, that satisfy every set."""
    best = r2m.solve(problem).controls
    rng = np.random.default_rng(seed)
    tries = rng.choice([-1.0, 0.0, 1.0], size=(200, *best.shape))
    for controls in (*tries, best):
        try:
            r2m.compile(problem, bounds="crown").start_from(controls)
        except InvalidProblem:
            continue
        return controls
    raise AssertionError("not even the optimum is feasible")


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_start_has_every_column_of_the_plan(name: str) -> None:
    problem = PROBLEMS[name]
    controls = feasible_start(problem)
    compiled = r2m.compile(problem, bounds="crown")
    x = compiled.start_from(controls)
    assert x.shape == (compiled.model.columns,)
    assert violations(compiled.model, x).feasible()
    states = np.stack([compiled.expressions[f"state@{t}"].evaluate(x) for t in range(problem.horizon + 1)])
    np.testing.assert_allclose(states, problem.rollout(controls), rtol=1e-6, atol=1e-6)
    expected = problem.evaluate_cost(problem.rollout(controls), controls)
    if compiled.model.quadratic is None:
        assert compiled.model.objective(x) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("formulation", EXACT)
def test_every_formulation_has_one(formulation: str) -> None:
    compiled = r2m.compile(WIDE, bounds="crown", formulation=formulation)
    point = np.linspace(-0.9, 0.9, 6)
    x = compiled.start_from(point)
    assert violations(compiled.model, x).feasible()
    assert -compiled.model.objective(x) == pytest.approx(float(WIDE.evaluate(point)[0]), rel=1e-6)


@pytest.mark.parametrize("limit", [{"node_limit": 1}, {"time_limit": 1e-3}], ids=str)
def test_the_answer_is_at_least_as_good_as_the_start(limit: dict, backend: str) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (3000, 6))
    point = points[np.argmax(WIDE.evaluate(points))]
    answer = r2m.solve(WIDE, backend, bounds="crown", start=point, **limit)
    assert answer.has_plan
    assert answer.objective >= WIDE.evaluate(point)[0] - 1e-6


@pytest.mark.parametrize("backend", ["highs", "gurobi"])
def test_the_solver_itself_takes_the_start(backend: str) -> None:
    """Without any search, the solver's own incumbent is no worse than an optimal start."""
    pytest.importorskip({"highs": "highspy", "gurobi": "gurobipy"}[backend])
    from relu2mip.mip.run import run
    from relu2mip.pipeline.specs import resolve_backend

    compiled = r2m.compile(WIDE, bounds="ibp")
    best = compiled.solve("gurobi")
    started = compiled.with_start(best.inputs)
    solution = run(started.model, resolve_backend(backend), r2m.SolveOptions(node_limit=1))
    assert -solution.objective >= best.objective - 1e-6


def test_a_start_from_a_free_initial_state() -> None:
    problem = r2m.Trajectory(
        integrator(), 3, r2m.Box([0.5, 0.0], [1.0, 1.5]), r2m.Box(-1, 1), "change", cost=r2m.costs.L1(state=1.0)
    )
    compiled = r2m.compile(problem)
    with pytest.raises(InvalidProblem, match="box of initial states"):
        compiled.start_from(np.zeros((3, 1)))
    x = compiled.start_from({"controls": np.zeros((3, 1)), "initial_state": [0.75, 1.25]})
    expected = problem.rollout(np.zeros((3, 1)), [0.75, 1.25])
    np.testing.assert_allclose(compiled.expressions["state@3"].evaluate(x), expected[3], atol=1e-6)
    with pytest.raises(InvalidProblem, match=r"state@0\[1\] is 1\.75, outside its set; 1\.5 is"):
        compiled.start_from({"controls": np.zeros((3, 1)), "initial_state": [0.75, 1.75]})


PLAN = {"net": integrator(), "horizon": 3, "initial_state": [1.0, 0.5], "predicts": "change"}
BAD = {
    "shape": ({}, [[0.0], [0.0]], r"controls have shape \(2, 1\); give \(3, 1\)"),
    "not a number": ({}, [[0.0], [np.nan], [0.0]], r"control@1\[0\] is nan"),
    "control": ({}, [[0.0], [0.0], [1.5]], r"control@2\[0\] is 1\.5, outside its set; 1 is"),
    "finite": ({"controls": r2m.Finite([[-1, 1]])}, [[1.0], [0.25], [1.0]], r"control@1\[0\] is 0\.25, .*; 1 is"),
    "state": ({"states": r2m.Box(-9, [1.3, 9])}, [[1.0], [1.0], [1.0]], r"t03\.state\[0\] leaves its set by 1\.2"),
    "rate": ({"control_rate": r2m.Box(-0.5, 0.5)}, [[0.0], [0.4], [1.0]], r"t02\.control_rate\[0\] leaves .* by 0\.1"),
    "rows": (
        {"constraints": [r2m.Linear(state=[[0.0, 1.0]], upper=0.75, name="slow")]},
        [[0.5], [0.5], [0.5]],
        r"t03\.slow\[0\] leaves its set by 0\.5",
    ),
    "keys": ({}, {"control": [[0.0]] * 3}, r"keys \['control'\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_start_that_is_no_plan_is_refused_where_it_leaves_its_sets(name: str) -> None:
    changes, start, message = BAD[name]
    problem = r2m.Trajectory(**{**PLAN, "controls": r2m.Box(-1, 1), **changes}, cost=r2m.costs.L1(state=1.0))
    with pytest.raises(InvalidProblem, match=message):
        r2m.solve(problem, start=start)


def test_inputs_of_a_box_are_flat_or_by_name() -> None:
    compiled = r2m.compile(r2m.BoxProblem(tiny(), -1, 1, [1.0], "max"))
    np.testing.assert_allclose(compiled.start_from([0.5, 0.25]), compiled.start_from({"x": [0.5, 0.25]}))
    for start, message in (([0.5], r"shape \(1,\)"), ({"z": [0.5, 0.5]}, r"keys \['z'\]"), ({"x": [1.0]}, "not 1")):
        with pytest.raises(InvalidProblem, match=message):
            compiled.start_from(start)


def test_bounds_that_exclude_a_start_say_why() -> None:
    problem = PROBLEMS["l1"]
    compiled = r2m.compile(problem, bounds="crown+cutoff")
    worst = np.zeros((4, 1))
    cost = problem.evaluate_cost(problem.rollout(worst), worst)
    assert cost > compiled.all_bounds.cutoff
    with pytest.raises(InvalidProblem, match=f"hold for plans with an objective as good as .*, not {cost:g}"):
        compiled.start_from(worst)
    # The plan that the bounds found is better, and stays the start.
    answer = compiled.solve(start=worst)
    assert answer.objective <= compiled.all_bounds.cutoff + 1e-9
