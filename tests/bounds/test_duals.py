"""A bound from duals holds whatever the duals are, and is tight where they are right."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from relu2mip.lp.duals import SafeMinimum
from relu2mip.mip import MipModel
from relu2mip.mip.names import Names


def model(matrix, row_lower, row_upper, lower, upper) -> MipModel:
    matrix = sp.csr_array(np.atleast_2d(np.asarray(matrix, dtype=float)))
    ends = [np.asarray(side, dtype=float) for side in (lower, upper, row_lower, row_upper)]
    size = ends[0].size
    names = Names(())
    return MipModel(ends[0], ends[1], np.zeros(size, bool), np.zeros(size), matrix, ends[2], ends[3], names, names)


def random_program(seed: int) -> tuple[MipModel, np.ndarray, float, np.ndarray]:
    """A feasible program, its cost, optimum, and optimal duals."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 6), rng.integers(1, 6)
    matrix = rng.normal(size=(rows, columns)) * (rng.random((rows, columns)) < 0.7)
    inside = rng.uniform(-1, 1, columns)
    upper = matrix @ inside + rng.exponential(0.5, rows)
    cost = rng.normal(size=columns)
    result = linprog(cost, A_ub=matrix, b_ub=upper, bounds=[(-2, 2)] * columns, method="highs-ds")
    box = np.full(columns, 2.0)
    return model(matrix, np.full(rows, -np.inf), upper, -box, box), cost, result.fun, result.ineqlin.marginals


@given(seed=st.integers(0, 100_000))
def test_right_duals_give_the_optimum_and_wrong_ones_less(seed: int) -> None:
    program, cost, optimum, duals = random_program(seed)
    safe = SafeMinimum(program)
    assert optimum - 1e-6 <= safe(cost, duals) <= optimum + 1e-12 * max(1, abs(optimum))
    rng = np.random.default_rng(seed)
    for scale in (1e-9, 1e-3, 1.0, 1e6):
        assert safe(cost, duals + scale * rng.normal(size=duals.size)) <= optimum + 1e-9
    assert safe(cost, -duals) <= optimum + 1e-9
    assert safe(cost, np.full(duals.size, np.nan)) <= optimum + 1e-9


def test_duals_on_infinite_sides_are_dropped() -> None:
    safe = SafeMinimum(model([[1.0, 1.0]], [-np.inf], [1.0], [-1.0, -1.0], [1.0, 1.0]))
    assert safe(np.array([1.0, 1.0]), np.array([0.5])) == pytest.approx(-2.0)


def test_columns_without_bounds_prove_nothing_unless_the_duals_cancel_them() -> None:
    safe = SafeMinimum(model([[1.0]], [3.0], [np.inf], [-np.inf], [np.inf]))
    assert safe(np.array([1.0]), np.array([1.0])) == -np.inf
    half = SafeMinimum(model([[1.0]], [3.0], [np.inf], [0.0], [np.inf]))
    assert half(np.array([1.0]), np.array([0.5])) == pytest.approx(1.5)
    assert half(np.array([1.0]), np.array([1.5])) == -np.inf


def test_rounding_of_the_reduced_costs_counts() -> None:
    """1 - 10 * 0.1 is zero in floating point and not in fact, which a column of size 1e12 shows."""
    safe = SafeMinimum(model([[0.1]], [-np.inf], [np.inf], [-1e12], [1e12]))
    assert safe(np.array([1.0]), np.array([0.0])) <= -1e12
    tied = SafeMinimum(model([[0.1]], [0.0], [0.0], [-1e12], [1e12]))
    assert tied(np.array([1.0]), np.array([10.0])) < 0.0


def test_rays_prove_emptiness_only_where_there_is_nothing() -> None:
    empty = SafeMinimum(model([[1.0, 1.0]], [3.0], [np.inf], [0.0, 0.0], [1.0, 1.0]))
    assert empty.proves_empty(np.array([1.0]))
    assert empty.proves_empty(np.array([-1e9]))
    assert not empty.proves_empty(None)
    assert not empty.proves_empty(np.zeros(1))
    touching = SafeMinimum(model([[1.0, 1.0]], [2.0], [np.inf], [0.0, 0.0], [1.0, 1.0]))
    assert not touching.proves_empty(np.array([1.0]))
    assert not touching.proves_empty(np.array([np.nan]))
