"""Tangent cuts reach the optimum of the quadratic cost within the gap that was asked for."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from relu2mip.errors import CapabilityMissing, InvalidProblem
from relu2mip.mip import Stop
from relu2mip.mip.outer_approximation import TANGENT_CUTS
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions
from relu2mip.registry import backends
from tests.backends.library import INF, market_split, program
from tests.mip.brute_force import optimum
from tests.mip.models import small_models

quick = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def highs():
    return backends["highs"]()


@quick
@given(small_models(squares=True))
def test_the_optimum_is_that_of_enumeration(model):
    solution = run(model, highs(), SolveOptions(gap=1e-5))
    expected = optimum(model)
    if expected == np.inf:
        assert solution.stop is Stop.INFEASIBLE
    else:
        assert solution.stop is Stop.OPTIMAL
        assert solution.objective == pytest.approx(expected, rel=1e-4, abs=1e-4)
        assert solution.bound <= expected + 1e-6 * max(1, abs(expected))


@quick
@given(small_models(squares=True, sos1=True, indicators=True))
def test_the_optimum_is_gurobis(model):
    pytest.importorskip("gurobipy")
    native = run(model, backends["gurobi"](), SolveOptions(gap=1e-6))
    solution = run(model, highs(), SolveOptions(gap=1e-5))
    assert solution.stop is native.stop
    if native.stop is Stop.OPTIMAL:
        assert solution.objective == pytest.approx(native.objective, rel=1e-4, abs=1e-4)
        assert solution.bound <= native.objective + 1e-4 * max(1, abs(native.objective))
        assert TANGENT_CUTS in solution.lowered
        # Gurobi calls some of these optimal with a bound far below: then HiGHS settles it.
        assert native.lowered == () or "settled by highs" in native.message


def test_many_squares_close_the_gap():
    rng = np.random.default_rng(0)
    size = 60
    rows = rng.normal(size=(10, size))
    model = program(
        rng.normal(size=size), rows, -1, 1, -3, 3, integer=np.arange(size) < 8, squares=rng.uniform(0.1, 2, size)
    )
    for gap in (1e-2, 1e-4, 1e-5):
        solution = run(model, highs(), SolveOptions(gap=gap))
        assert solution.stop is Stop.OPTIMAL
        assert solution.bound <= solution.objective <= solution.bound + gap * abs(solution.objective)
        assert solution.x.size == size


def test_limits_are_shared_by_the_rounds():
    model, _ = market_split(slack=True)
    quadratic = np.zeros(model.columns)
    quadratic[-12:] = 1e-3
    lower, upper = model.lower, model.upper.copy()
    upper[-12:] = 5000
    from dataclasses import replace

    squared = replace(model, quadratic=quadratic, lower=lower, upper=upper)
    solution = run(squared, highs(), SolveOptions(time_limit=1.0))
    assert solution.stop is Stop.TIME_LIMIT
    assert solution.x is not None
    assert solution.bound < solution.objective
    assert solution.seconds < 20
    solution = run(squared, highs(), SolveOptions(node_limit=3))
    assert solution.stop is Stop.NODE_LIMIT
    assert solution.nodes <= 10


def test_an_infinite_bound_is_refused_by_name():
    with pytest.raises(CapabilityMissing, match=r"column x\[1\] is squared .* \[0, inf\].*backends that do: gurobi"):
        run(program([1, 1], upper=[1, INF], squares=[1, 1]), highs(), SolveOptions())


@pytest.mark.parametrize("name", ["highs", "gurobi", "cvxpy"])
def test_a_cost_that_is_not_convex_is_refused_by_name(name):
    with pytest.raises(InvalidProblem, match=r"not convex: column x\[1\] is squared with weight -2"):
        run(program([1, 1], squares=[1, -2]), backends[name](), SolveOptions())


def test_a_squared_column_that_is_zero_but_for_rounding():
    limits = np.array([1.0, 1e-15, 1.0])
    model = program([1, 0, 0], [[1, 1, 1]], [0.5], [INF], -limits, limits, squares=[0, 1, 1])
    solution = run(model, highs(), SolveOptions(gap=1e-6))
    assert solution.stop is Stop.OPTIMAL
    assert solution.objective == pytest.approx(0.25, rel=1e-5)
