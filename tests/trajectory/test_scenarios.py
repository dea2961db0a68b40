"""Scenarios, trust regions and relaxed tails: against brute force, data, and the whole problem."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.control import planner
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.ir.samples import integrator
from tests.forms import mlp

NETS = [mlp([3, 5, 2], seed=seed, scale=0.6) for seed in range(3)]
ONE = r2m.Trajectory(
    NETS[0], horizon=3, initial_state=[0.4, -0.3], predicts="change", controls=r2m.Finite([[-1.0, 0.0, 1.0]]),
    states=r2m.Box(-6, 6), cost=r2m.costs.L1(target=[0.3, 0.1], state=1.0, control=0.2),
    constraints=[r2m.Linear(state=[[1.0, 1.0]], upper=5.0)],
)  # fmt: skip


def brute(singles: list[r2m.Trajectory], how: str) -> float:
    controls = np.array(list(product([-1.0, 0.0, 1.0], repeat=3)))[..., None]
    costs = np.stack([one.evaluate_cost(one.rollout(controls), controls) for one in singles])
    return float((costs.mean(axis=0) if how == "mean" else costs.max(axis=0)).min())


@pytest.mark.parametrize("how", ["mean", "worst"])
@pytest.mark.parametrize("kind", ["networks", "states", "both"])
def test_scenarios_are_solved_together(kind: str, how: str) -> None:
    states = [[0.4, -0.3], [0.2, 0.1], [-0.5, 0.3]]
    nets = None if kind == "states" else NETS
    firsts = None if kind == "networks" else states
    shared = r2m.scenarios(ONE, nets, firsts, cost=how)
    singles = [
        replace(ONE, net=NETS[0] if nets is None else nets[e], initial_state=states[0] if firsts is None else firsts[e])
        for e in range(3)
    ]
    answer = r2m.solve(shared, gap=1e-6)
    assert answer.has_plan
    assert answer.objective == pytest.approx(brute(singles, how), abs=1e-5)
    for e, one in enumerate(singles):
        np.testing.assert_allclose(answer.states[:, 2 * e : 2 * e + 2], one.rollout(answer.controls), atol=1e-9)


def test_one_scenario_is_none_and_planners_take_several() -> None:
    alone = r2m.scenarios(ONE, [NETS[0]], cost="worst")
    assert r2m.solve(alone).objective == pytest.approx(r2m.solve(ONE).objective, abs=1e-5)
    shared = replace(r2m.scenarios(ONE, NETS), controls=r2m.Box(-1, 1))
    best = r2m.solve(shared, gap=1e-5).objective
    for name in ("hybrid", "cem"):
        assert planner(name).plan(shared, deadline=1.0).cost == pytest.approx(best, rel=0.02)


def test_normalised_networks_obstacles_and_terminal_sets_are_shared() -> None:
    scaled = r2m.Normalisation(state=([0.1, 0.2], [2.0, 0.5]), control=(0.3, 1.5), output=([0.0, 0.1], [0.5, 0.7]))
    post = r2m.Outside(r2m.Box([0.9, 0.0], [1.2, 0.4]))
    near = r2m.AnyOf(r2m.Box([-6, -6], [5.0, 6]), r2m.Box([5.5, -6], [6, 6]))
    one = replace(ONE, normalisation=scaled, constraints=[post, near], terminal=r2m.Box(-5, 5))
    shared = r2m.scenarios(one, NETS, cost="mean")
    assert len(shared.alternatives) == 6
    answer = r2m.solve(shared, gap=1e-6)
    for e, net in enumerate(NETS):
        path = replace(one, net=net).rollout(answer.controls)
        np.testing.assert_allclose(answer.states[:, 2 * e : 2 * e + 2], path, atol=1e-9)
        assert not ((path[1:] > [0.9 + 1e-6, 1e-6]) & (path[1:] < [1.2 - 1e-6, 0.4 - 1e-6])).all(axis=1).any()


def test_bad_scenarios_are_errors() -> None:
    with pytest.raises(InvalidProblem, match="2 networks, 3 initial states"):
        r2m.scenarios(ONE, NETS[:2], [[0.0, 0.0]] * 3)
    with pytest.raises(InvalidProblem, match="cost is 'median'"):
        r2m.scenarios(ONE, NETS, cost="median")
    quadratic = replace(ONE, cost=r2m.costs.Quadratic(state=1.0))
    with pytest.raises(InvalidProblem, match="worst of quadratic"):
        r2m.solve(r2m.scenarios(quadratic, NETS, cost="worst"))
    assert r2m.solve(r2m.scenarios(quadratic, NETS), gap=1e-5).has_plan


@pytest.mark.parametrize("directions", ["axes", "principal", "both"])
def test_a_trust_region_holds_the_data_and_the_plan(directions: str, tmp_path) -> None:
    rng = np.random.default_rng(0)
    state = rng.normal(size=(4000, 2)) @ np.array([[0.3, 0.25], [0.0, 0.1]])
    data = {"state": state, "control": rng.uniform(-0.5, 0.5, (4000, 1))}
    region = r2m.trust_region(data, quantile=0.98, directions=directions)
    matrix, by_control, lower, upper = region.matrices(2, 1)
    value = data["state"] @ matrix.T + data["control"] @ by_control.T
    inside = ((value >= lower) & (value <= upper)).mean(axis=0)
    np.testing.assert_allclose(inside, 0.98, atol=2e-3)
    np.savez(tmp_path / "data.npz", **data)
    again = r2m.trust_region(tmp_path / "data.npz", quantile=0.98, directions=directions)
    np.testing.assert_allclose(again.matrices(2, 1)[0], matrix)
    problem = r2m.Trajectory(
        integrator(), horizon=4, initial_state=[0.1, 0.05], predicts="change", controls=r2m.Box(-1, 1),
        cost=r2m.costs.L1(target=[2.0, 0.0], state=1.0), constraints=[region],
    )  # fmt: skip
    answer = r2m.solve(problem)
    seen = answer.states[:-1] @ matrix.T + answer.controls @ by_control.T
    assert ((seen >= lower - 1e-6) & (seen <= upper + 1e-6)).all()
    soft = replace(problem, constraints=[r2m.Soft(region, weight=0.05)])
    assert r2m.solve(soft).has_plan


def test_bad_trust_regions_are_errors(tmp_path) -> None:
    with pytest.raises(InvalidProblem, match="no array 'control'"):
        r2m.trust_region({"state": np.zeros((5, 2))})
    with pytest.raises(InvalidProblem, match="holds no data"):
        r2m.trust_region(tmp_path / "missing.npz")
    with pytest.raises(InvalidProblem, match="give as many of each"):
        r2m.trust_region({"state": np.zeros((5, 2)), "control": np.zeros((4, 1))})
    with pytest.raises(InvalidOption, match="quantile is 0"):
        r2m.trust_region({"state": np.zeros((5, 2)), "control": np.zeros((5, 1))}, quantile=0.0)


def test_a_relaxed_tail_is_a_bound_and_says_so() -> None:
    problem = replace(ONE, horizon=6, controls=r2m.Box(-1, 1))
    whole = r2m.solve(problem, gap=1e-6)
    bounds = []
    for step in (1, 3, 5, 9):
        compiled = r2m.compile(problem, bounds="crown", binary_horizon=step)
        answer = compiled.solve(gap=1e-6)
        relaxed = step < problem.horizon
        assert compiled.exact == answer.exact == (not relaxed), "where nothing is relaxed, nothing is said to be"
        assert (f"binaries before step {step} alone" in answer.formulation) == relaxed
        assert answer.bound <= whole.objective + 1e-6
        bounds.append(answer.bound)
    assert bounds == sorted(bounds)
    assert bounds[-1] == pytest.approx(whole.objective, abs=1e-5)
    full = r2m.compile(problem, bounds="crown")
    few = r2m.compile(problem, bounds="crown", binary_horizon=2)
    assert 0 < few.model.binaries < full.model.binaries
    now = r2m.compile(replace(problem, initial_state=r2m.Box(-1, 1)), bounds="crown", binary_horizon=2).update(
        initial_state=[0.4, -0.3], rebuild=False
    )
    labels = zip(now.model.column_names.labels, now.model.integer, strict=True)
    assert {label.step for label, integer in labels if integer} == {0, 1}
    plan = planner("mip(binary_horizon=2)").plan(problem, deadline=5.0)
    assert plan.feasible
    assert plan.bound <= whole.objective + 1e-6
    by_file = replace(problem, options={"binary_horizon": 2})
    assert not r2m.solve(by_file).exact
    assert r2m.solve(by_file, binary_horizon=0).exact, "what is given goes before the file"
    with pytest.raises(InvalidProblem, match="binary_horizon is -1; give a whole number, at least 0"):
        r2m.solve(problem, binary_horizon=-1)
    with pytest.raises(InvalidProblem, match="binary_horizon is 2; a box problem has no steps"):
        r2m.compile(r2m.BoxProblem(NETS[0], -1, 1, [1.0, 0.0]), binary_horizon=2)
