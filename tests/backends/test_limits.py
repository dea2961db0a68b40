"""Why a backend stopped and whether it has a point are two facts, and both are told as they are."""

import numpy as np
import pytest

from relu2mip.backends.cvxpy import NO_START
from relu2mip.mip import Stop
from relu2mip.mip.check import feasible, violations
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions
from tests.backends.choices import choices
from tests.backends.library import INF, market_split, program

BACKENDS = pytest.mark.parametrize("backend", choices(), ids=str)


@BACKENDS
@pytest.mark.parametrize(
    ("options", "stop"),
    [(SolveOptions(time_limit=0.3), Stop.TIME_LIMIT), (SolveOptions(node_limit=1), Stop.NODE_LIMIT)],
    ids=["time", "nodes"],
)
def test_a_limit_without_a_point_gives_none(backend, options, stop):
    model, _ = market_split(slack=False)
    solution = run(model, backend, options)
    assert solution.stop is stop
    assert solution.x is None
    assert np.isnan(solution.objective)
    assert solution.bound <= 0


@BACKENDS
@pytest.mark.parametrize(
    ("options", "stop"),
    [(SolveOptions(time_limit=0.5), Stop.TIME_LIMIT), (SolveOptions(node_limit=1), Stop.NODE_LIMIT)],
    ids=["time", "nodes"],
)
def test_a_limit_with_a_point_gives_it(backend, options, stop):
    model, planted = market_split(slack=True)
    solution = run(model, backend, options)
    assert solution.stop is stop
    assert feasible(model, solution.x, 1e-6), violations(model, solution.x)
    assert -1e-9 <= solution.bound <= solution.objective
    assert solution.objective == pytest.approx(model.objective(solution.x))
    assert model.objective(planted) == 0 < solution.objective


@BACKENDS
def test_no_time_at_all_gives_no_point_and_no_bound_from_nowhere(backend):
    model, _ = market_split(slack=True)
    solution = run(model, backend, SolveOptions(time_limit=1e-9))
    assert solution.stop is Stop.TIME_LIMIT
    assert solution.bound <= 0
    if solution.x is not None:
        assert feasible(model, solution.x, 1e-6)


@BACKENDS
@pytest.mark.parametrize("partial", [False, True], ids=["full", "partial"])
def test_a_start_is_used_or_said_not_to_be(backend, partial):
    model, planted = market_split(slack=True)
    start = planted.copy()
    if partial:
        start[-12:] = np.nan
    solution = run(model.with_start(start), backend, SolveOptions(node_limit=1))
    if backend.name == "cvxpy":
        assert NO_START in solution.message
    else:
        assert not solution.message
    if partial and backend.name == "cvxpy":
        assert solution.objective > 0
    else:
        assert solution.objective == pytest.approx(0, abs=1e-6)


@BACKENDS
@pytest.mark.parametrize("value", [0.5, 7.0, -1.0], ids=["fractional", "above", "below"])
def test_a_wrong_start_does_no_harm(backend, value):
    model, planted = market_split(slack=False)
    start = planted.copy()
    start[0] = value
    solution = run(model.with_start(start), backend, SolveOptions(node_limit=1))
    assert solution.x is None or feasible(model, solution.x, 1e-6)
    small = program([-1, -1], [[2, 1]], -INF, 2.5, integer=True)
    solution = run(small.with_start(np.array([value, 1.0])), backend, SolveOptions())
    assert solution.objective == pytest.approx(-1)


@BACKENDS
def test_a_start_with_squares_and_lowered_sets_is_extended(backend):
    model = program([-2, -3], upper=[3, 1], squares=[0.1, 0], sos1=[[0, 1]])
    solution = run(model.with_start(np.array([3.0, 0.0])), backend, SolveOptions(gap=1e-6))
    assert solution.objective == pytest.approx(-5.1, abs=1e-5)
    assert solution.x.size == 2


@BACKENDS
def test_the_gap_is_kept_to(backend):
    model = program([-10, -13, -7, -8.5], [[3, 4, 2, 3]], -INF, 7, integer=True, squares=[0.5, 0.25, 0.125, 0])
    for gap in (0.2, 1e-3, 1e-6):
        solution = run(model, backend, SolveOptions(gap=gap))
        assert solution.stop is Stop.OPTIMAL
        assert solution.objective - solution.bound <= gap * abs(solution.objective) + 1e-9


@BACKENDS
def test_the_number_of_threads_can_change_between_solves(backend):
    if getattr(backend, "solver", "") == "SCIP":
        pytest.skip("SCIP through CVXPY runs on one thread")
    for threads in (1, 2, 0, 1):
        solution = run(program([-1, -1], [[2, 1]], -INF, 2.5, integer=True), backend, SolveOptions(threads=threads))
        assert solution.objective == pytest.approx(-1)


@BACKENDS
def test_the_seed_is_handed_over_and_any_size_of_it_is_taken(backend):
    model, _ = market_split(slack=True)
    seeds = (0, 1, 1, 2, 3, 2**40 + 5)
    nodes = 300 if getattr(backend, "solver", "") == "SCIP" else 1
    found = [run(model, backend, SolveOptions(seed=seed, node_limit=nodes, threads=1)).objective for seed in seeds]
    assert found[1] == found[2]
    assert len(set(found)) > 1


@BACKENDS
def test_nothing_is_printed_unless_asked_for(backend, capfd):
    model = program([-1, -1], [[2, 1]], -INF, 2.5, integer=True, squares=[0.1, 0])
    run(model, backend, SolveOptions())
    backend.emit(program([-1, -1], [[2, 1]], -INF, 2.5, integer=True))
    out, err = capfd.readouterr()
    assert out + err == ""
    run(model, backend, SolveOptions(log=True))
    out, err = capfd.readouterr()
    assert out + err != ""


@BACKENDS
def test_infeasibility_names_what_is_in_conflict(backend):
    model = program([0, 0, 0], [[1, 1, 0], [1, 0, 1], [1, -1, 0]], [1.5, 0, 0], [INF, 5, 0.5], upper=[0.5, 0.5, 1])
    solution = run(model, backend, SolveOptions())
    assert solution.stop is Stop.INFEASIBLE
    if backend.name == "cvxpy":
        assert solution.conflict == ()
    else:
        assert set(solution.conflict) == {"row[0]", "x[0]", "x[1]"}


@BACKENDS
def test_a_conflict_by_integrality_is_named_only_by_who_can(backend):
    solution = run(program([1, 1], [[2, 2]], 1, 1, integer=True), backend, SolveOptions())
    assert solution.stop is Stop.INFEASIBLE
    assert "row[0]" in solution.conflict if backend.name == "gurobi" else solution.conflict == ()


@BACKENDS
def test_a_conflict_is_named_in_words_of_the_model_and_not_of_its_lowering(backend):
    model = program([0, 0], upper=3, lower=[2, -1], sos1=[[0, 1]], rows=[[0, 1]], row_lower=1, row_upper=INF)
    solution = run(model, backend, SolveOptions())
    assert solution.stop is Stop.INFEASIBLE
    assert set(solution.conflict) <= {*model.column_names, *model.row_names, "set[0]"}
    assert backend.name != "gurobi" or solution.conflict
    model = program([0, 0], upper=[1, 3], integer=[1, 0], indicators=[(0, True, [0, 1], 4, INF)], lower=[1, 0])
    solution = run(model, backend, SolveOptions())
    assert solution.stop is Stop.INFEASIBLE
    assert set(solution.conflict) <= {*model.column_names, "when[0]"}
