"""The cost in each region: the convex hull of a step with its cost, what is left alone, and the plans it finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.formulations.regions import Regions
from relu2mip.formulations.stage_cost import SQUARES
from relu2mip.ir import Graph, Linear, Node, Port, Relu
from relu2mip.ir.samples import integrator
from relu2mip.mip import MipModel
from relu2mip.mip.run import ask
from relu2mip.options import SolveOptions
from relu2mip.pipeline.quality import quality
from relu2mip.pipeline.specs import resolve_backend
from tests.brute_force import best_sequence
from tests.conftest import ROOT
from tests.forms import mlp
from tests.formulations.test_golden_lp import GOLDEN, assert_same_text

COSTS = {
    "l1": r2m.costs.L1(target=[-0.5, 0.2], state=[1.0, 0.5], control=0.1),
    "linf": r2m.costs.LInf(target=[-0.5, 0.2], state=[1.0, 0.5], control=0.1),
    "keypoints": r2m.costs.L1(target=[0.3], state=1.0, keypoints=([[1.0, -2.0]], [0.1])),
    "rate": r2m.costs.LInf(state=[1.0, 0.5], control_rate=0.3, terminal=[2.0, 2.0]),
    "reference": r2m.costs.L1(target=np.linspace(-1, 1, 10).reshape(5, 2), state=[1.0, 0.5], control=0.1),
    "sum": r2m.costs.L1(state=[1.0, 0.0]) + r2m.costs.LInf(target=[0.4, 0.1], state=[1.0, 2.0], control=0.2),
}


def plan(cost: r2m.costs.Cost, **changes: object) -> r2m.Trajectory:
    given = {
        "horizon": 5, "initial_state": [1.0, 0.5], "predicts": "change", "controls": r2m.Finite([[-2.0, 0.0, 2.0]]),
        "states": r2m.Box(-3, 3), "cost": cost,
    }  # fmt: skip
    return r2m.Trajectory(integrator(), **{**given, **changes})


def optimum(model: MipModel) -> float:
    return ask(model, resolve_backend("highs"), SolveOptions(gap=0.0)).objective


def relaxed(model: MipModel) -> float:
    return optimum(replace(model, integer=np.zeros(model.columns, dtype=bool)))


@pytest.mark.parametrize("cost", COSTS)
def test_a_plan_is_the_best_of_all_sequences(cost: str, backend: str) -> None:
    problem = plan(COSTS[cost])
    answer = r2m.solve(problem, backend=backend, bounds="crown", formulation="regions", gap=0.0)
    assert answer.objective == pytest.approx(best_sequence(problem)[0], rel=1e-6, abs=1e-6)
    assert answer.has_plan


@pytest.mark.parametrize("norm", [r2m.costs.L1, r2m.costs.LInf])
@pytest.mark.parametrize("sizes", [[3, 4, 2], [3, 3, 3, 2], [5, 4, 3]], ids=str)
def test_the_relaxation_of_one_step_with_its_cost_is_its_optimum(sizes: list[int], norm: type[r2m.costs.L1]) -> None:
    """Whatever the linear objective beside the cost."""
    gained = 0.0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        n = sizes[-1]
        cost = norm(target=rng.normal(size=n), state=rng.uniform(0.5, 2, n), control=0.5)
        net, box = mlp(sizes, seed=seed), r2m.Box(-1, 1)
        problem = r2m.Trajectory(net, 1, box, controls=box, states=r2m.Box(-9, 9), predicts="change", cost=cost)
        plain, hull = (r2m.compile(problem, "crown", Regions(limit=500, cost=cost)) for cost in (False, True))
        for _ in range(5):
            values = []
            weights = {name: rng.normal(size=hull.expressions[name].size) for name in hull.expressions}
            for compiled in (plain, hull):
                objective = compiled.model.cost.copy()
                for name, x in compiled.expressions.items():
                    ((_, columns),) = x.terms
                    objective[columns] += weights[name]
                model = replace(compiled.model, cost=objective, start=None)
                values += [relaxed(model), optimum(model)]
            without, best, within, same = values
            assert same == pytest.approx(best, rel=1e-6, abs=1e-6)
            assert within == pytest.approx(best, rel=1e-6, abs=1e-6)
            assert without <= within + 1e-6
            gained += within - without
    assert gained > 0.1


def test_the_order_of_relaxations_is_strict_on_the_cart_pole() -> None:
    problem = r2m.Trajectory.from_toml(ROOT / "examples" / "cartpole" / "problem.toml")
    cost = problem.cost + r2m.costs.L1(control=0.05)
    problem = replace(problem, horizon=5, controls=r2m.Box(-1, 1), cost=cost)
    roots = [quality(r2m.compile(problem, "crown", f)).root for f in ("big-m", Regions(cost=False), Regions())]
    best = r2m.solve(problem, bounds="crown").objective
    gaps = 1 - np.array(roots) / best
    assert gaps[0] > 1.5 * gaps[1]
    assert gaps[1] > 5 * gaps[2]
    assert gaps[2] > -1e-6


def test_a_plan_starts_the_search() -> None:
    problem = plan(COSTS["linf"])
    cost, controls = best_sequence(problem)
    compiled = r2m.compile(problem, "crown", "regions")
    assert compiled.model.objective(compiled.start_from(controls)) == pytest.approx(cost, abs=1e-6)


def test_rows_that_read_other_columns_stay_as_they_are() -> None:
    """The change of the control reads the control of the step before, which is no input of the step."""
    problem = plan(r2m.costs.L1(control_rate=1.0), controls=r2m.Box(-2, 2))
    plain, same = (r2m.compile(problem, "crown", Regions(cost=cost)) for cost in (False, True))
    assert list(plain.model.row_names) == list(same.model.row_names)


def test_squares_stay_as_they_are_and_a_note_says_so() -> None:
    cost = r2m.costs.Quadratic(state=[1.0, 0.5])
    plain, same, mixed = (
        r2m.compile(plan(c), "crown", f)
        for c, f in ((cost, Regions(cost=False)), (cost, Regions()), (cost + COSTS["l1"], Regions()))
    )
    assert list(plain.model.row_names) == list(same.model.row_names)
    assert not plain.statistics.notes
    assert same.statistics.notes == mixed.statistics.notes == (SQUARES,)
    assert any(".cost[0].above" in name for name in mixed.model.row_names)
    for compiled in (same, mixed):
        best, _ = best_sequence(compiled.problem)
        assert compiled.solve(gap=1e-7).objective == pytest.approx(best, rel=1e-6)


def test_a_step_beyond_the_limit_has_its_cost_once() -> None:
    compiled = r2m.compile(plan(COSTS["l1"]), "crown", Regions(limit=1))
    assert not [name for name in compiled.model.row_names if ".region" in name]


def test_every_row_of_a_step_with_its_cost(tmp_path: Path) -> None:
    """x[1] = max(x[0] + u[0], 0) with the cost |x[1] - 0.5|: 0.5 in one region, two rows in the other."""
    nodes = (Node("z", Linear(np.ones((1, 2)), np.zeros(1)), ("x",), (1,)), Node("y", Relu(), ("z",), (1,)))
    net = Graph("ramp", (Port("x", (2,)),), (Port("y", (1,)),), nodes)
    cost = r2m.costs.L1(target=0.5, state=1.0)
    problem = r2m.Trajectory(net, 1, r2m.Box(-1, 1), controls=r2m.Box(-1, 1), states=r2m.Box(-4, 4), cost=cost)
    found = r2m.compile(problem, "ibp", "regions").write(tmp_path / "ramp.lp").read_text()
    golden = (GOLDEN / "ramp-regions.lp").read_text()
    assert_same_text(found, golden)
    page = (ROOT / "docs" / "formulations" / "regions.md").read_text()
    assert page.split('title="ramp.lp"\n')[1].split("```")[0] in golden
