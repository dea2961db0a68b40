"""Formulations by what not every solver takes: their sizes, what they are rewritten to, and who refuses them."""

from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip import ir
from relu2mip.errors import BackendUnavailable, CapabilityMissing
from relu2mip.formulations import BigM
from relu2mip.ir.graph import Graph, Node, Port
from relu2mip.ir.samples import integrator
from relu2mip.mip.capability import needs
from relu2mip.mip.check import violations
from relu2mip.mip.lowering import lower, pairs_to_sos1
from relu2mip.mip.run import ask
from relu2mip.options import SolveOptions
from relu2mip.pipeline.specs import Problem
from relu2mip.registry import backends, formulations
from tests.forms import mlp

LOWERED = {
    "sos1": "SOS1 sets to big-M",
    "indicator": "indicator rows to big-M",
    "max-constraint": "maxima of columns to big-M",
}
NAMES = [*LOWERED, "complementarity"]

RELU = {
    "sos1": (2, 0, 1, 2),
    "indicator": (3, 1, 1, 2),
    "max-constraint": (2, 0, 1, 1),
    "complementarity": (2, 0, 1, 2),
}
"""Columns, binaries, rows, and nonzeros beyond those of the unit's row, as the pages say."""

FANS = [3, 2, 4]


def relus_and_maxima(seed: int = 0) -> Graph:
    """A layer of 9 ReLUs over 3 inputs, maxima of 3, 2 and 4 of affine functions of them, and their sum."""
    rng = np.random.default_rng(seed)
    groups = np.concatenate([[0], np.cumsum(FANS)])
    nodes = (
        Node("hidden", ir.Linear(rng.normal(size=(9, 3)), 0.3 * rng.normal(size=9)), ("x",), (9,)),
        Node("layer1.relu", ir.Relu(), ("hidden",), (9,)),
        Node("mixed", ir.Linear(rng.normal(size=(9, 9)), 0.3 * rng.normal(size=9)), ("layer1.relu",), (9,)),
        Node("layer2.max", ir.GroupMax(np.arange(9), groups), ("mixed",), (3,)),
        Node("y", ir.Linear(np.array([[1.0, -1.5, 0.7]]), np.zeros(1)), ("layer2.max",), (1,)),
    )
    return Graph("relus and maxima", (Port("x", (3,)),), (Port("y", (1,)),), nodes)


def box(sense: str, seed: int = 0) -> r2m.BoxProblem:
    return r2m.BoxProblem(relus_and_maxima(seed), -1, 1, [1.0], sense)


def plan(horizon: int = 3) -> r2m.Trajectory:
    return r2m.Trajectory(
        integrator(),
        horizon=horizon,
        initial_state=[1.0, 0.5],
        predicts="change",
        controls=r2m.Box(-1, 1),
        states=r2m.Box(-4, 4),
        cost=r2m.costs.L1(target=[0.0, 0.0], state=[1.0, 0.5], control=0.1),
    )


@pytest.mark.parametrize("problem", [box("min"), box("max"), plan()], ids=["smallest", "largest", "plan"])
@pytest.mark.parametrize("formulation", NAMES)
def test_what_is_rewritten_is_named_and_the_optimum_unchanged(formulation: str, problem: Problem, backend: str) -> None:
    expected = r2m.solve(problem, "highs", formulation="big-m", gap=1e-9)
    assert expected.lowered == ()
    compiled = r2m.compile(problem, formulation=formulation)
    assert needs(compiled.model)
    if backend == "gurobi":
        answer = compiled.solve(backend, gap=1e-9)
        assert answer.lowered == ()
    elif formulation in LOWERED:
        answer = compiled.solve(backend, gap=1e-9)
        assert answer.lowered == (LOWERED[formulation],)
    else:
        with pytest.raises(CapabilityMissing, match=f"{backend} does not take complementary pairs; .*: gurobi$"):
            compiled.solve(backend)
        return
    assert answer.objective == pytest.approx(expected.objective, rel=1e-6, abs=1e-6)
    assert answer.has_plan


@pytest.mark.parametrize("formulation", NAMES)
def test_a_unit_costs_what_its_page_says(formulation: str) -> None:
    compiled = r2m.compile(box("max"), bounds="ibp", formulation=formulation)
    relu, maximum = compiled.statistics.layers
    columns, binaries, rows, more = RELU[formulation]
    units = relu.unstable
    assert units > 4
    assert (relu.columns, relu.binaries, relu.rows, relu.nonzeros) == (
        columns * units, binaries * units, rows * units, (3 + more) * units
    )  # fmt: skip
    members = sum(FANS)
    assert maximum.unstable == len(FANS)
    # Each member reads 9 hidden units, of which the stable ones are gone or affine in the 3 inputs.
    own = r2m.compile(box("max"), bounds="ibp", formulation="max-constraint").statistics.layers[1].nonzeros - members
    sizes = {
        "sos1": (2 * members + 3, 0, members + 3, own + 3 * members),
        "indicator": (2 * members + 3, members, members + 3, own + 3 * members),
        "max-constraint": (members + 3, 0, members, own + members),
        "complementarity": (2 * members + 3, 0, members + 3, own + 3 * members),
    }
    assert (maximum.columns, maximum.binaries, maximum.rows, maximum.nonzeros) == sizes[formulation]


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("formulation", LOWERED)
def test_lowered_the_relaxation_is_that_of_big_m(formulation: str, seed: int, sense: str) -> None:
    problem = box(sense, seed)
    bounds = r2m.compile(problem, bounds="crown").all_bounds
    model = r2m.compile(problem, bounds=bounds, formulation=formulation).model
    relaxed = [
        ask(replace(m, integer=np.zeros_like(m.integer)), backends["highs"](), SolveOptions()).objective
        for m in (
            lower(model, frozenset(), "nobody")[0],
            r2m.compile(problem, bounds=bounds, formulation=BigM()).model,
        )
    ]
    assert relaxed[0] == pytest.approx(relaxed[1], rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("formulation", NAMES)
def test_a_start_fits_the_model(formulation: str) -> None:
    model = r2m.compile(plan(6), bounds="crown+cutoff", formulation=formulation).model
    assert model.start is not None
    known = np.where(np.isnan(model.start), 0.0, model.start)
    assert violations(model, known).feasible(1e-6)


def test_a_pair_says_what_a_set_says() -> None:
    problem = plan()
    bounds = r2m.compile(problem, bounds="crown").all_bounds
    sets = r2m.compile(problem, bounds=bounds, formulation="sos1").model
    pairs = pairs_to_sos1(r2m.compile(problem, bounds=bounds, formulation="complementarity").model)
    np.testing.assert_array_equal(pairs.sos1.members, sets.sos1.members)
    assert (pairs.matrix != sets.matrix).nnz == 0


@pytest.mark.parametrize("formulation", NAMES)
def test_an_emitted_model_is_rewritten_likewise(formulation: str, backend: str) -> None:
    net = mlp([2, 4, 1], seed=1)
    model = r2m.compile(r2m.BoxProblem(net, -1, 1, [1.0], "max"), formulation=formulation).model
    if backend != "gurobi" and formulation not in LOWERED:
        with pytest.raises(CapabilityMissing, match=f"{backend} does not take complementary pairs; .*: gurobi$"):
            backends[backend]().emit(model)
        return
    emitted = backends[backend]().emit(model)
    assert emitted.lowered == (() if backend == "gurobi" else (LOWERED[formulation],))
    assert set(model.values) == set(emitted.values)


def test_pairs_above_gurobis_free_licence_are_told_the_limit() -> None:
    pytest.importorskip("gurobipy")
    net = mlp([2, 120, 1], seed=1)
    problem = r2m.BoxProblem(net, -1, 1, [1.0], "max")
    message = ""
    try:
        r2m.solve(problem, "gurobi", bounds="ibp", formulation="complementarity", time_limit=5)
    except BackendUnavailable as error:
        message = str(error)
    if not message:
        pytest.skip("this Gurobi licence is not limited in size")
    assert "200 columns with complementary pairs; the formulation sos1 has no such limit" in message


def test_the_names_are_those_of_the_registry() -> None:
    assert [formulations[name]().name for name in NAMES] == NAMES
    assert [str(formulations[name]()) for name in NAMES] == NAMES
