"""Sets that are not convex, and sets that may be left at a price: against dense sampling and all sequences."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Bounds
from relu2mip.control import planner
from relu2mip.errors import InfeasibleProblem, InvalidProblem
from relu2mip.incumbent import Sampling, cross_entropy
from relu2mip.incumbent.polish import polish
from relu2mip.ir.samples import integrator
from relu2mip.trajectory.objective import TrajectoryObjective
from tests.conftest import installed_backends
from tests.forms import mlp

LINE = r2m.Trajectory(
    integrator(), horizon=4, initial_state=[0.0, 0.0], predicts="change", states=r2m.Box(-4, 4),
    controls=r2m.Finite([[-1.0, -0.5, 0.0, 0.5, 1.0]]), cost=r2m.costs.L1(target=[1.0, 0.0], state=1.0),
)  # fmt: skip
PLANE = r2m.Trajectory(
    mlp([4, 6, 2], seed=0, scale=0.6), horizon=3, initial_state=[0.0, 0.0], predicts="change",
    controls=r2m.Finite([[-1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]]), states=r2m.Box(-5, 5),
    cost=r2m.costs.L1(target=[2.0, 0.5], state=1.0),
)  # fmt: skip
"""A random system in the plane, moved by two controls."""

CORNERS = np.array([[0.6, 0.3], [0.9, 0.4], [0.8, 0.75], [0.55, 0.6]])


def brute(problem: r2m.Trajectory) -> float:
    """The least cost over all sequences that leave no set."""
    values = list(problem.control_values)
    steps = np.array(list(product(*values))).reshape(-1, problem.m)
    controls = np.array([steps[list(chosen)] for chosen in product(range(len(steps)), repeat=problem.horizon)])
    states = problem.rollout(controls)
    objective = problem.unrolled.objective()
    assert isinstance(objective, TrajectoryObjective)
    cost, violation = objective.judge(states, controls)
    return float(np.where(violation <= 1e-7, cost, np.inf).min())


def inside(corners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Which points are inside of a convex polygon by more than rounding; by signs of cross products."""
    centre = corners.mean(axis=0)
    order = np.argsort(np.arctan2(*(corners - centre).T[::-1]))
    ends = corners[order]
    edges = np.roll(ends, -1, axis=0) - ends
    cross = edges[:, 0] * (points[..., None, 1] - ends[:, 1]) - edges[:, 1] * (points[..., None, 0] - ends[:, 0])
    return (cross > 1e-6).all(axis=-1)


CASES = {
    "two boxes": (LINE, r2m.AnyOf(r2m.Box([-4, -4], [-0.2, 4]), r2m.Box([0.6, -4], [4, 0.55]), steps=[2, 3, 4])),
    "half-planes": (LINE, r2m.AnyOf(r2m.Linear(state=[[1, 1]], upper=0.3), r2m.Linear(state=[[1, 0]], lower=0.9))),
    "box": (PLANE, r2m.Outside(r2m.Box([0.6, 0.4], [0.9, 0.7]))),
    "polygon": (PLANE, r2m.Outside(r2m.Polygon(CORNERS))),
    "ball": (PLANE, r2m.Outside(r2m.Ball([0.72, 0.52], 0.15), margin=0.05)),
    "moving": (PLANE, r2m.Outside(r2m.Box([0.4, 0.3], [0.7, 0.6]), path=[[0, 0], [0.1, 0.1], [0.4, 0.2]])),
    "on the way": (PLANE, r2m.Outside(r2m.Box([0.5, 0.42], [0.6, 0.47]), between=2)),
    "two keypoints": (
        PLANE,
        r2m.Outside(r2m.Polygon(CORNERS), keypoints=(np.vstack([np.eye(2), np.eye(2)]), [0, 0, 0.3, 0.3])),
    ),
}  # fmt: skip


@pytest.mark.parametrize("formulation", ["big-m", "convex-hull"])
@pytest.mark.parametrize("backend", installed_backends())
@pytest.mark.parametrize("case", CASES)
def test_the_best_plan_is_the_best_of_all_sequences(case: str, backend: str, formulation: str) -> None:
    problem, constraint = CASES[case]
    if isinstance(constraint, r2m.AnyOf):
        constraint = r2m.AnyOf(*constraint.sets, steps=constraint.steps, formulation=formulation)
    else:
        constraint = replace(constraint, formulation=formulation)
    constrained = replace(problem, constraints=[constraint])
    best = brute(constrained)
    answer = r2m.solve(constrained, backend, gap=1e-6)
    assert answer.has_plan
    assert answer.objective == pytest.approx(best, abs=1e-5)
    assert best > brute(problem) + 1e-6, "the constraint matters"


@pytest.mark.parametrize("name", ["hybrid", "mip", "mppi", "cem", "gradient"])
def test_no_planner_enters_an_obstacle(name: str) -> None:
    free = replace(PLANE, controls=r2m.Box(-1, 1))
    obstacle = r2m.Outside(r2m.Polygon(CORNERS), between=3)
    plan = planner(name).plan(replace(free, constraints=[obstacle]), deadline=10.0 if name == "mip" else 1.0)
    assert plan.feasible
    assert not inside(CORNERS, plan.states).any()
    share = np.arange(1, 4) / 4
    way = plan.states[:-1, None] + share[:, None] * np.diff(plan.states, axis=0)[:, None]
    assert not inside(CORNERS, way).any()


@pytest.mark.parametrize("formulation", ["big-m", "convex-hull"])
def test_a_plan_is_polished_on_its_side_of_obstacles(formulation: str) -> None:
    obstacle = r2m.Outside(r2m.Polygon(CORNERS), between=1, formulation=formulation)
    gap = r2m.AnyOf(r2m.Box([-5, -5], [5, 0.9]), r2m.Box([-5, 1.0], [5, 5]), formulation=formulation)
    problem = replace(PLANE, controls=r2m.Box(-1, 1), constraints=[obstacle, gap, gap])
    unrolled = problem.unrolled
    rough = cross_entropy(unrolled.objective(), unrolled.objective().box, Sampling(samples=64, rounds=3))
    assert rough.feasible
    fine = polish(unrolled, Bounds.of(unrolled.form, unrolled.domain), rough)
    assert fine.feasible
    assert fine.cost < rough.cost - 1e-6
    assert fine.cost >= r2m.solve(problem, gap=1e-6).objective - 1e-5


def test_the_hull_is_tighter_than_big_m() -> None:
    free = replace(LINE, controls=r2m.Box(-1, 1))
    bounds = {}
    for formulation in ("big-m", "convex-hull"):
        gap = r2m.AnyOf(r2m.Box([-4, -4], [0.4, 4]), r2m.Box([1.4, -4], [4, 4]), steps=[3, 4], formulation=formulation)
        compiled = r2m.compile(replace(free, constraints=[gap]), bounds="crown")
        bounds[formulation] = compiled.quality().root
    assert np.isfinite(bounds["big-m"])
    assert bounds["convex-hull"] >= bounds["big-m"] - 1e-9


def test_no_way_round_is_infeasible_and_named() -> None:
    wall = r2m.Outside(r2m.Box([-9, -9], [9, 9]), name="wall", steps=[2])
    with pytest.raises(InfeasibleProblem):
        r2m.solve(replace(LINE, constraints=[wall]))
    far = r2m.AnyOf(r2m.Box(3.5, 4), r2m.Box(-4, -3.5), name="far", steps=[1])
    with pytest.raises(InfeasibleProblem, match="constraint 'far' at step 1"):
        r2m.solve(replace(LINE, constraints=[far]), "gurobi", bounds="ibp")


def test_a_start_inside_an_obstacle_is_refused_where_it_is_given() -> None:
    problem = replace(LINE, constraints=[r2m.Outside(r2m.Box([0.4, -9], [1.5, 9]), name="post")])
    with pytest.raises(InvalidProblem, match=r"start: t0\d\.post leaves its set"):
        r2m.solve(problem, start=np.ones((4, 1)))


@pytest.mark.parametrize(
    ("made", "match"),
    [
        (lambda: r2m.Outside(r2m.Ball([0, 0], -1.0)), "radius is -1"),
        (lambda: r2m.Outside(r2m.Polygon([[0, 0], [1, 1], [2, 2]])), "lie on a line"),
        (lambda: r2m.Outside("box"), "a Box, a Polygon or a Ball"),
        (lambda: r2m.AnyOf(), "at least one set"),
        (lambda: r2m.AnyOf(r2m.Linear(control=[[1.0]])), "of the state alone"),
        (lambda: replace(LINE, constraints=[r2m.Outside(r2m.Box(0, 1), path=np.zeros((2, 2)))]), "path has shape"),
        (lambda: replace(LINE, constraints=[r2m.AnyOf(r2m.Box(0, 1), steps=[9])]), "step 9 is outside 1 ... 4"),
        (lambda: replace(LINE, constraints=[r2m.Outside(r2m.Box(0, 1), (np.eye(3), [0, 0, 0]))]), "keypoints"),
        (lambda: r2m.Soft(3.0), "a Box of states, or a Linear constraint"),
        (lambda: r2m.Soft(r2m.Box(0, 1), norm="l3"), "norm"),
        (lambda: replace(LINE, cost=r2m.Soft(r2m.Box(-1, 1), weight=-1.0)), "at least 0"),
    ],
)  # fmt: skip
def test_bad_sets_are_errors(made, match: str) -> None:
    with pytest.raises(InvalidProblem, match=match):
        made()


BAND = r2m.Box([-0.2, -0.3], [0.2, 0.3])
LIMIT = r2m.Linear(state=[[1.0, 1.0]], control=[[0.5]], upper=0.4)


@pytest.mark.parametrize("norm", ["l1", "linf", "squared"])
@pytest.mark.parametrize("within", [BAND, LIMIT], ids=["box", "linear"])
@pytest.mark.parametrize("backend", installed_backends())
def test_a_soft_set_costs_what_it_says(within: object, norm: str, backend: str) -> None:
    problem = replace(LINE, cost=LINE.cost + r2m.Soft(within, weight=0.7, norm=norm))
    answer = r2m.solve(problem, backend, gap=1e-6)
    assert answer.objective == pytest.approx(brute(problem), abs=1e-5)
    x, u = answer.states[None], answer.controls[None]
    cost = r2m.Soft(within, weight=0.7, norm=norm)
    rng = np.random.default_rng(0)
    moved = x + 1e-6 * rng.normal(size=x.shape), u + 1e-6 * rng.normal(size=u.shape)
    by_state, by_control = cost.gradient(x, u, None)
    change = (by_state * (moved[0] - x)).sum() + (by_control * (moved[1] - u)).sum()
    away = cost.evaluate(*moved, None) - cost.evaluate(x, u, None)
    assert away == pytest.approx(change, abs=1e-5)


def test_a_dear_soft_set_is_a_hard_one_and_kinds_of_constraints_mix() -> None:
    hard = replace(LINE, states=r2m.Box([-4, -0.4], [4, 0.4]))
    soft = replace(LINE, constraints=[r2m.Soft(r2m.Box([-4, -0.4], [4, 0.4]), weight=1e3)])
    assert r2m.solve(soft).objective == pytest.approx(r2m.solve(hard).objective, abs=1e-4)
    given = replace(LINE, states=r2m.Soft(r2m.Box([-4, -0.4], [4, 0.4]), weight=1e3))
    assert r2m.solve(given).objective == pytest.approx(r2m.solve(hard).objective, abs=1e-4)
    mixed = replace(soft, constraints=[r2m.Linear(state=[[1.0, 0.0]], upper=0.8), r2m.Outside(r2m.Box(0.2, 0.4))])
    assert len(mixed.all_constraints) == 1
    assert len(mixed.alternatives) == 1
