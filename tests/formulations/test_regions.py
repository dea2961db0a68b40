"""The region formulation: its relaxation is the convex hull of a step, its limit, its graph, and whole plans."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

import relu2mip as r2m
from relu2mip.cli.report import summary
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.formulations import BigM
from relu2mip.formulations.regions import Regions
from relu2mip.ir import Graph, Linear, Node, Port, Relu
from relu2mip.ir.samples import integrator
from relu2mip.mip.run import ask
from relu2mip.options import SolveOptions
from relu2mip.pipeline.quality import quality
from relu2mip.pipeline.specs import resolve_backend
from relu2mip.regions import enumerate_regions, split
from relu2mip.regions.graph import can_follow
from tests.brute_force import best_sequence, box_optimum
from tests.conftest import ROOT
from tests.forms import mlp

BIG_M = Regions(hull=False, cost=False)
ALL = [Regions(), Regions(cost=False), BIG_M, Regions(graph=False), Regions(limit=2), Regions(limit=1)]


def plan(**changes: object) -> r2m.Trajectory:
    given = {
        "horizon": 5, "initial_state": [1.0, 0.5], "predicts": "change", "controls": r2m.Finite([[-2.0, 0.0, 2.0]]),
        "states": r2m.Box(-3, 3), "cost": r2m.costs.L1(target=[-0.5, 0.0], state=[1.0, 0.5], control=0.1),
    }  # fmt: skip
    return r2m.Trajectory(integrator(), **{**given, **changes})


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("sizes", [[2, 4, 1], [2, 3, 3, 2], [3, 4, 4, 2]], ids=str)
def test_the_relaxation_of_one_step_is_its_optimum(sizes: list[int], sense: str) -> None:
    net = mlp(sizes, seed=4)
    problem = r2m.BoxProblem(net, -2, 2, np.ones(net.output_size), sense)
    compiled = r2m.compile(problem, formulation=Regions(limit=1000))
    assert not compiled.statistics.notes
    assert quality(compiled).root == pytest.approx(box_optimum(problem), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("formulation", ALL, ids=str)
def test_a_plan_is_the_best_of_all_sequences(formulation: Regions, backend: str) -> None:
    problem = plan()
    answer = r2m.solve(problem, backend=backend, bounds="crown", formulation=formulation, gap=0.0)
    cost, _ = best_sequence(problem)
    assert answer.objective == pytest.approx(cost, rel=1e-6, abs=1e-6)
    assert answer.has_plan
    assert answer.formulation == str(formulation)


def test_its_relaxation_is_at_least_as_tight_as_that_of_big_m() -> None:
    for seed in range(3):
        net, cost = mlp([3, 2, 2, 2], seed=seed), r2m.costs.L1(target=[-0.5, 0.0], state=[1.0, 0.5], control=0.1)
        problem = r2m.Trajectory(net, 4, r2m.Box(-1, 1), controls=r2m.Box(-1, 1), cost=cost, states=r2m.Box(-9, 9))
        roots = [quality(r2m.compile(problem, bounds="crown", formulation=f)).root for f in (Regions(), BigM())]
        assert roots[0] >= roots[1] - 1e-6
        answers = [r2m.solve(problem, bounds="crown", formulation=f) for f in (*ALL, BigM())]
        assert [a.objective for a in answers] == pytest.approx([answers[0].objective] * len(answers), rel=2e-4)


@pytest.mark.parametrize("cost", [False, True])
def test_small_coefficients_do_not_mislead_the_solver(cost: bool, backend: str) -> None:
    """Gurobi 13 calls this problem infeasible where the largest coefficient of a side is 1."""
    problem = replace(r2m.Trajectory.from_toml(ROOT / "examples" / "cartpole" / "problem.toml"), horizon=5)
    answer = r2m.solve(problem, backend, bounds="crown", formulation=Regions(cost=cost))
    assert answer.objective == pytest.approx(best_sequence(problem)[0], rel=1e-4)


def test_a_step_beyond_the_limit_is_written_as_big_m_and_said_so(caplog: pytest.LogCaptureFixture) -> None:
    problem = r2m.BoxProblem(mlp([3, 4, 4, 2], seed=2), -2, 2, [1.0, 1.0])
    with caplog.at_level(logging.WARNING, "relu2mip"):
        compiled = r2m.compile(problem, bounds="crown", formulation=Regions(limit=5))
    note = "layer1.relu: more than 5 regions, the step is written as big-m"
    assert compiled.statistics.notes == (note,)
    assert note in caplog.text
    assert type(compiled.statistics).from_dict(compiled.statistics.to_dict()) == compiled.statistics
    big_m = r2m.compile(problem, bounds="crown", formulation="big-m")
    assert sorted(compiled.model.column_names) == sorted(big_m.model.column_names)
    assert sorted(compiled.model.row_names) == sorted(big_m.model.row_names)
    assert not big_m.statistics.notes
    console = Console(width=200)
    with console.capture() as shown:
        console.print(summary(compiled.solve()))
    assert note in shown.get()


def test_one_region_needs_no_binary() -> None:
    problem = plan(initial_state=[0.0, 1.5], horizon=1, states=r2m.Box([-9, 1.0], [9, 2.0]))
    compiled = r2m.compile(problem, bounds="ibp", formulation=Regions())
    assert not [name for name in compiled.model.column_names if "region" in name]
    assert compiled.solve(gap=0.0).objective == pytest.approx(best_sequence(problem)[0], abs=1e-6)


def test_a_step_without_a_region_is_infeasible() -> None:
    """The next state is (relu(u), relu(-u)), and its set asks for both to be large."""
    nodes = (
        Node("z", Linear(np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]), np.zeros(2)), ("x",), (2,)),
        Node("y", Relu(), ("z",), (2,)),
    )
    net = Graph("apart", (Port("x", (3,)),), (Port("y", (2,)),), nodes)
    problem = r2m.Trajectory(net, 1, [0.0, 0.0], controls=r2m.Box(-1, 1), states=r2m.Box(0.5, 1))
    compiled = r2m.compile(problem, bounds="ibp", formulation="big-m")
    assert ask(compiled.model, resolve_backend("highs"), SolveOptions()).x is None
    with pytest.raises(CrossedBounds, match=r"t00\.layer1\.relu: no input within its bounds"):
        r2m.compile(problem, bounds="ibp", formulation=Regions())


def test_the_graph_leaves_out_what_cannot_follow_and_nothing_else() -> None:
    problem = plan(horizon=2, initial_state=r2m.Box(-4, 4), controls=r2m.Box(-1, 1), states=r2m.Box(-4, 4))
    compiled = r2m.compile(problem, bounds="ibp", formulation=Regions())
    first, second = (step for step in split(compiled.bounds) if step.nonlinear)
    before, after = enumerate_regions(first), enumerate_regions(second)
    pairs = can_follow(first, before, second, after)
    assert [r.pattern for r in before] == [r.pattern for r in after] == [(0, 0), (0, 1), (1, 0)]
    assert pairs.tolist() == [[True, True, True], [True, True, False], [True, False, True]]
    names = [name for name in compiled.model.row_names if ".before." in name or ".after." in name]
    assert len(names) == 4
    # Speeds reached from beyond -1 stay below 1, and the other way round: no sample has such a pair.
    rng = np.random.default_rng(0)
    v, u = rng.uniform(-4, 4, 100_000), rng.uniform(-1, 1, 100_000)
    reached = v + 0.5 * u - 0.25 * np.maximum(v - 1, 0) + 0.25 * np.maximum(-v - 1, 0)
    assert not ((v < -1) & (reached > 1)).any()
    assert not ((v > 1) & (reached < -1)).any()


def test_bad_options_are_refused() -> None:
    with pytest.raises(InvalidOption, match="regions: limit is 0"):
        Regions(limit=0)
    with pytest.raises(InvalidOption, match="regions: the cost in each region is written on the hull"):
        Regions(hull=False)
    assert str(Regions(hull=False, limit=8, cost=False)) == "regions(hull=false,limit=8,cost=false)"
