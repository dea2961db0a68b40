"""Plans found before the search, cutoff rounds, and the default policy."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Auto, Crown, Cutoff, compute_bounds
from relu2mip.bounds.difficulty import gap
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.incumbent import Plan, Sampling, cross_entropy
from relu2mip.incumbent.descend import descend
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.polish import polish
from relu2mip.ir.samples import integrator
from relu2mip.runtime.deadline import limited
from tests.bounds.test_bounds import trajectory
from tests.brute_force import best_sequence, box_optimum
from tests.forms import mlp
from tests.trajectory.test_plans import PROBLEMS

CONTINUOUS = {name: replace(p, controls=r2m.Box(-1, 1)) for name, p in PROBLEMS.items() if name != "two controls"}


def search_box(problem: r2m.Trajectory | r2m.BoxProblem) -> dict:
    unrolled = problem.unrolled
    return {name: unrolled.domain[i] for name, i in unrolled.form.inputs.items()}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_gradients_are_those_of_the_cost(name: str) -> None:
    problem = CONTINUOUS[name]
    objective = problem.unrolled.objective()
    rng = np.random.default_rng(1)
    box = search_box(problem)
    at = {k: rng.uniform(low, high, (16, low.size)) for k, (low, high) in box.items()}
    move = {k: rng.normal(size=x.shape) for k, x in at.items()}
    slopes = objective.gradient(at, 0.0)

    def cost(step: float) -> np.ndarray:
        return objective.evaluate({k: x + step * move[k] for k, x in at.items()})[0]

    forward, backward = (cost(1e-7) - cost(0.0)) / 1e-7, (cost(0.0) - cost(-1e-7)) / 1e-7
    smooth = np.abs(forward - backward) < 1e-4
    assert smooth.sum() >= 8
    analytic = sum((slopes[k] * move[k]).sum(axis=1) for k in at)
    np.testing.assert_allclose(analytic[smooth], forward[smooth], rtol=1e-4, atol=1e-4)


def test_the_penalty_pulls_back_into_the_sets() -> None:
    problem = replace(CONTINUOUS["l1"], states=r2m.Box([0.2, -0.6], [1.3, 0.6]), cost=None)
    objective, box = problem.unrolled.objective(), search_box(problem)
    worst = {k: high.copy() for k, (_, high) in box.items()}
    cost, violation = objective.evaluate({k: x[None] for k, x in worst.items()})
    assert violation[0] > 0.1
    found = descend(objective, box, Plan(worst, float(cost[0]), float(violation[0])))
    assert found.violation < violation[0] / 10


@pytest.mark.parametrize("name", PROBLEMS)
def test_sampling_finds_the_best_of_small_discrete_problems(name: str) -> None:
    problem = PROBLEMS[name]
    plan = cross_entropy(problem.unrolled.objective(), search_box(problem))
    best, _ = best_sequence(problem)
    assert plan.feasible
    assert plan.cost == pytest.approx(best, rel=1e-6, abs=1e-9)


def test_an_infeasible_problem_yields_an_infeasible_plan() -> None:
    problem = replace(PROBLEMS["l1"], constraints=[r2m.Linear(state=[[1.0, 0.0]], lower=5.0, steps=[4])])
    plan = cross_entropy(problem.unrolled.objective(), search_box(problem))
    assert not plan.feasible
    bounds = compute_bounds(PROBLEMS["l1"].unrolled, [Crown()])
    assert Cutoff().tighten(problem.unrolled, bounds).plan is None


@pytest.mark.parametrize("name", CONTINUOUS)
def test_polishing_never_worsens_and_ends_at_a_point_of_the_network(name: str) -> None:
    problem = CONTINUOUS[name]
    unrolled = problem.unrolled
    bounds = compute_bounds(unrolled, [Crown()])
    rough = cross_entropy(unrolled.objective(), search_box(problem), Sampling(samples=64, elites=8, rounds=3))
    fine = polish(unrolled, bounds, rough)
    assert fine.cost <= rough.cost + 1e-9
    assert fine.violation <= max(rough.violation, 1e-9)
    controls = np.stack([fine.inputs[f"control@{t}"] for t in range(problem.horizon)])
    if problem.window == 1:
        states = problem.rollout(controls)
        assert problem.evaluate_cost(states, controls) == pytest.approx(fine.cost, abs=1e-9)


def test_a_found_plan_is_no_better_than_the_optimum() -> None:
    problem = CONTINUOUS["l1"]
    plan = find_plan(problem.unrolled, compute_bounds(problem.unrolled, [Crown()]))
    assert plan.cost >= r2m.solve(problem, bounds="crown", gap=0.0).objective - 1e-6
    net = mlp([2, 4, 1], seed=1)
    box = r2m.BoxProblem(net, -1.0, 1.5, [1.0], "max")
    found = find_plan(box.unrolled, compute_bounds(box.unrolled, [Crown()]))
    assert -found.cost <= box_optimum(box) + 1e-9
    assert -found.cost >= box_optimum(box) - 0.05


@pytest.mark.parametrize("cost", ["l1", "quadratic", "linf"])
def test_cutoff_bounds_hold_for_every_plan_at_least_that_good(cost: str) -> None:
    problem = replace(CONTINUOUS[cost], horizon=5)
    unrolled = problem.unrolled
    bounds = compute_bounds(unrolled, [Crown(), Cutoff()])
    crown = compute_bounds(unrolled, [Crown()])
    assert bounds.sound
    assert bounds.plan is not None
    assert bounds.cutoff is not None
    rng = np.random.default_rng(0)
    best = np.stack([bounds.plan.inputs[f"control@{t}"] for t in range(5)])
    spread = rng.choice([1e-4, 1e-3, 1e-2, 0.1, 1.0], size=(40_000, 1, 1))
    controls = np.clip(best + spread * rng.normal(size=(40_000, 5, 1)), -1, 1)
    controls[0] = best
    states = problem.rollout(controls)
    good = problem.evaluate_cost(states, controls) <= bounds.cutoff
    good &= (np.abs(states) <= 3).all(axis=(1, 2))
    assert good.sum() >= 1
    inputs = {f"control@{t}": controls[good, t] for t in range(5)} | {"state@0": states[good, 0]}
    for i, value in enumerate(unrolled.form.evaluate_all(inputs)):
        slack = 1e-6 * np.maximum(1, np.abs(value))
        assert (value >= bounds.lower[i] - slack).all()
        assert (value <= bounds.upper[i] + slack).all()
        assert (bounds.lower[i] >= crown.lower[i]).all()
        assert (bounds.upper[i] <= crown.upper[i]).all()
    narrower = sum(float((b - a).sum()) for a, b in zip(bounds.lower, bounds.upper, strict=True))
    assert narrower < sum(float((b - a).sum()) for a, b in zip(crown.lower, crown.upper, strict=True))


@pytest.mark.parametrize("method", ["crown+cutoff", "auto", "auto(rounds=1,budget=1s)"])
@pytest.mark.parametrize("name", ["l1", "quadratic", "linf", "network of the state", "window of two", "state box"])
def test_the_optimum_survives(name: str, method: str, backend: str) -> None:
    problem = PROBLEMS[name]
    answer = r2m.solve(problem, backend, bounds=method, gap=1e-7)
    assert answer.objective == pytest.approx(best_sequence(problem)[0], rel=1e-5, abs=1e-6)
    assert answer.has_plan
    assert answer.sound


def test_the_plan_in_hand_starts_the_search() -> None:
    compiled = r2m.compile(CONTINUOUS["l1"], bounds="crown+cutoff")
    start = compiled.model.start
    assert start is not None
    assert not np.isnan(start).any()
    assert compiled.model.objective(start) == pytest.approx(compiled.all_bounds.plan.cost, abs=1e-6)


def test_a_round_that_contradicts_the_plan_is_dropped(monkeypatch) -> None:
    from relu2mip.bounds import cutoff

    def crossed(*_: object, **__: object) -> None:
        raise CrossedBounds("rounding")

    monkeypatch.setattr(cutoff, "tighten_lp", crossed)
    unrolled = CONTINUOUS["l1"].unrolled
    crown = compute_bounds(unrolled, [Crown()])
    bounds = compute_bounds(unrolled, [Crown(), Cutoff()])
    assert bounds.cutoff is None
    for a, b in zip(bounds.lower, crown.lower, strict=True):
        np.testing.assert_array_equal(a, b)


def test_auto_goes_as_far_as_the_size_asks() -> None:
    small = compute_bounds(trajectory().unrolled, [Auto()])
    assert small.plan is None
    net = mlp([3, 40, 40, 2], seed=3)
    large = r2m.Trajectory(
        net, 3, [0.1, 0.0], r2m.Box(-1, 1), "change", states=r2m.Box(-2, 2), cost=r2m.costs.L1(state=1.0)
    )
    with limited(1e9, clock=lambda: 0.0):
        bounds = compute_bounds(large.unrolled, [Auto()])
    assert bounds.plan is not None
    assert bounds.unstable < compute_bounds(large.unrolled, [Crown()]).unstable
    many = replace(large, net=mlp([3, 16, 16, 2], seed=3, scale=0.8), horizon=9, states=r2m.Box(-20, 20))
    with limited(1e9, clock=lambda: 0.0):
        assert "programs" in compute_bounds(many.unrolled, [Auto(rounds=1)]).provenance[-1].detail
    with limited(10.0, clock=itertools.count().__next__):
        assert "programs" not in compute_bounds(many.unrolled, [Auto()]).provenance[-1].detail
    deep = r2m.Trajectory(integrator(), 130, [0.1, 0.0], r2m.Box(-1, 1), "change", states=r2m.Box(-2, 2))
    assert compute_bounds(deep.unrolled, [Auto()]).plan is None


def test_the_gap_does_not_depend_on_the_unit_of_the_cost() -> None:
    gaps = []
    for unit in (1.0, 1000.0):
        problem = replace(CONTINUOUS["l1"], cost=r2m.costs.L1(target=[0.5, 0.0], state=unit, control=0.1 * unit))
        bounds = compute_bounds(problem.unrolled, [Crown()])
        plan = cross_entropy(problem.unrolled.objective(), search_box(problem))
        gaps.append(gap(problem.unrolled, bounds, plan))
        with limited(0.0, clock=lambda: 0.0):
            assert gap(problem.unrolled, bounds, plan) == np.inf
    assert 0 <= gaps[0] < np.inf
    assert gaps[1] == pytest.approx(gaps[0], rel=1e-4, abs=1e-6)


def test_bad_options() -> None:
    for bad in (lambda: Cutoff(rounds=0), lambda: Cutoff(budget=0), lambda: Auto(budget=-1), lambda: Auto(seed=-1)):
        with pytest.raises(InvalidOption):
            bad()
