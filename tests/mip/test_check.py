"""The recheck of points."""

import numpy as np
import pytest

from relu2mip.mip.check import feasible, violations
from tests.backends.library import INF, program


def test_a_feasible_point_violates_nothing():
    found = violations(program([1, 1], [[1, 2]], 0, 2, integer=[1, 0]), np.array([1.0, 0.5]))
    assert found.worst == ()
    assert str(found) == "no violation"
    assert found.rows == found.bounds == found.integrality == found.sos1 == found.indicators == 0


def test_every_kind_is_found_and_named():
    model = program(
        [0, 0, 0],
        [[1, 0, 0], [1, 1, 0]],
        [-INF, 3],
        [1.5, INF],
        upper=[1, 1, 5],
        integer=[1, 0, 0],
        sos1=[[1, 2]],
        indicators=[(0, False, [0, 1, 1], -INF, 1.0)],
    )
    found = violations(model, np.array([0.25, 2.0, -1.0]))
    assert found.rows == 0.75
    assert found.bounds == 1.0
    assert found.integrality == 0.25
    assert found.sos1 == 1.0
    assert found.indicators == 0
    assert {str(v).split(" by ")[0] for v in found.worst} == {
        "row row[1]",
        "bound of column x[1]",
        "integrality of column x[0]",
        "SOS1 set set[0]",
    }
    assert found.maxima == found.pairs == 0
    assert violations(model, np.array([0.0, 2.0, 0.0])).indicators == 1.0
    assert violations(model, np.array([1.0, 2.0, 0.0])).indicators == 0.0


def test_a_maximum_is_its_largest_operand_and_not_more():
    model = program([0] * 3, lower=-50, upper=50, maxima=[(2, [0, 1], 1.5)])
    for point, expected in (([-3, 1, 1.5], 0), ([-3, 4, 4], 0), ([-3, 1, 1], 0.5), ([2, 40, 39], 1), ([2, 3, 4], 1)):
        found = violations(model, np.array(point, dtype=float))
        assert found.maxima == pytest.approx(expected)
    assert found.worst[0].name == "max[0]"
    assert found.worst[0].scaled == 1 / 64  # half of 100, as a power of two


def test_a_pair_is_violated_by_the_smaller_of_its_columns():
    model = program([0, 0], lower=-10, upper=10, pairs=[(0, 1)])
    assert violations(model, np.array([0.0, 7.0])).pairs == 0
    found = violations(model, np.array([-0.5, 7.0]))
    assert (found.pairs, found.worst[0].name, found.worst[0].scaled) == (0.5, "pair[0]", 0.5 / 8)


def test_rows_are_scaled_by_the_ranges_of_their_terms_and_bounds_by_their_own():
    model = program([0, 0], [[1000, -1000]], 0, 0, upper=[1e4, 1e4])
    found = violations(model, np.array([1000.0, 1000.0 + 1e-6]))
    assert found.rows == pytest.approx(1e-3)
    assert found.worst[0].scaled == pytest.approx(1e-3 / 2**22)  # 1000 times half of 10^4
    assert found.feasible(1e-6)
    found = violations(model, np.array([1e4 + 1e-3, 1e4 + 1e-3]))
    assert found.bounds == pytest.approx(1e-3)
    assert found.worst[0].scaled == pytest.approx(1e-3 / 2**12)


def test_the_tolerance_decides():
    model = program([0], [[1]], -INF, 0.5)
    assert feasible(model, np.array([0.5 + 1e-7]))
    assert not feasible(model, np.array([0.5 + 1e-5]))
    assert feasible(model, np.array([0.5 + 1e-5]), tolerance=1e-4)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_point_that_is_not_finite_is_never_feasible(value):
    for model in (program([0], [[1]], -INF, 0.5), program([0]), program([0], lower=-INF, upper=INF, integer=True)):
        assert not feasible(model, np.array([value]))


def test_a_row_without_entries_is_checked():
    assert not feasible(program([0], [[0]], 1, 2), np.array([0.0]))
    assert feasible(program([0], [[0]], -1, 2), np.array([0.0]))
