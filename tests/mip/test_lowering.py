"""Lowered models have the optimum of the model itself."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from relu2mip.errors import CapabilityMissing
from relu2mip.mip.capability import Capability, needs
from relu2mip.mip.lowering import lower, lower_indicators, lower_maxima, lower_sos1, pairs_to_sos1
from tests.backends.library import INDICATORS, INF, MAXIMA, PAIRS, SOS1, program
from tests.mip.brute_force import optimum
from tests.mip.models import small_models

NOTHING = frozenset()
quick = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("case", [*SOS1, *INDICATORS, *MAXIMA, *PAIRS], ids=str)
def test_brute_force_agrees_with_the_library(case):
    assert optimum(case.build()) == pytest.approx(case.objective)


@quick
@given(small_models(sos1=True))
def test_sos1_to_big_m_keeps_the_optimum(model):
    lowered, names = lower(model, NOTHING, "nobody")
    assert names == ("SOS1 sets to big-M",)
    assert not needs(lowered)
    assert optimum(lowered) == pytest.approx(optimum(model), abs=1e-6)


@quick
@given(small_models(indicators=True))
def test_indicators_to_big_m_keeps_the_optimum(model):
    lowered, names = lower(model, NOTHING, "nobody")
    assert names == ("indicator rows to big-M",)
    assert not needs(lowered)
    assert lowered.columns == model.columns
    assert optimum(lowered) == pytest.approx(optimum(model), abs=1e-6)


@quick
@given(small_models(maxima=True))
def test_maxima_to_big_m_keep_the_optimum(model):
    lowered, names = lower(model, NOTHING, "nobody")
    assert names == ("maxima of columns to big-M",)
    assert not needs(lowered)
    assert optimum(lowered) == pytest.approx(optimum(model), abs=1e-6)


@quick
@given(small_models(sos1=True, pairs=True))
def test_pairs_to_sos1_keep_the_optimum(model):
    rewritten = pairs_to_sos1(model)
    assert needs(rewritten) == {Capability.SOS1}
    assert len(rewritten.sos1.names) == len(rewritten.sos1) == len(model.sos1) + len(model.pairs)
    assert optimum(rewritten) == pytest.approx(optimum(model), abs=1e-6)


@quick
@given(small_models(sos1=True, indicators=True, maxima=True))
def test_all_lowered_keep_the_optimum(model):
    lowered, names = lower(model, NOTHING, "nobody")
    assert len(names) == 3
    assert optimum(lowered) == pytest.approx(optimum(model), abs=1e-6)


def test_a_pair_takes_one_binary_and_two_rows_with_readable_names():
    lowered = lower_sos1(program([-2, -3], lower=0, upper=[3, 1], sos1=[[0, 1]]))
    assert list(lowered.column_names) == ["x[0]", "x[1]", "x[0].nonzero"]
    assert list(lowered.row_names) == ["x[0].nonzero.upper", "x[1].nonzero.upper"]
    assert lowered.integer.tolist() == [False, False, True]
    assert lowered.matrix.toarray().tolist() == [[1, 0, -3], [0, 1, 1]]
    assert lowered.row_upper.tolist() == [0, 1]


def test_a_triple_takes_two_binaries():
    lowered = lower_sos1(program([0, 0, 0], lower=-1, sos1=[[0, 1, 2]]))
    assert lowered.binaries == 2
    assert lowered.rows == 7
    assert lowered.row_names[-1] == "set[0].one"


def test_the_big_m_of_an_indicator_is_the_tightest_by_bounds():
    lowered = lower_indicators(program([0, 0], upper=[1, 3], integer=[1, 0], indicators=[(0, True, [0, 2], -INF, 1)]))
    assert lowered.matrix.toarray().tolist() == [[5, 2]]
    assert lowered.row_upper.tolist() == [6]
    assert list(lowered.row_names) == ["when[0].upper"]


def test_the_maximum_of_one_and_zero_is_the_big_m_of_a_relu():
    lowered = lower_maxima(program([0, 0], lower=[-2, 0], upper=[3, 9], maxima=[(1, [0], 0)]))
    assert list(lowered.column_names) == ["x[0]", "x[1]", "x[0].largest"]
    assert list(lowered.row_names) == ["x[0].largest.above", "x[0].largest.attained", "max[0].above", "max[0].attained"]
    assert lowered.matrix.toarray().tolist() == [[-1, 1, 0], [-1, 1, 2], [0, 1, 0], [0, 1, -3]]
    assert lowered.row_lower.tolist() == [0, -INF, 0, -INF]
    assert lowered.row_upper.tolist() == [INF, 2, INF, 0]


def test_the_maximum_of_a_group_says_which_is_the_largest():
    model = program([0] * 3, lower=[-2, -1, -9], upper=[3, 2, 9], maxima=[(2, [0, 1], -INF)])
    lowered = lower_maxima(model)
    assert lowered.binaries == 2
    assert lowered.row_names[-1] == "max[0].one"
    assert (lowered.row_lower[-1], lowered.row_upper[-1]) == (1, 1)
    assert lowered.row_upper[2:4].tolist() == [4, 4]


def test_a_side_that_the_bounds_imply_is_left_out():
    assert lower_indicators(program([0, 0], integer=[1, 0], indicators=[(0, True, [0, 1], -1, 2)])).rows == 0


def test_the_start_is_carried_over():
    model = program([0, 0, 0], lower=-1, sos1=[[0, 1, 2]]).with_start(np.array([0.5, np.nan, 0]))
    np.testing.assert_array_equal(lower_sos1(model).start, [0.5, np.nan, 0, 1, np.nan])


@pytest.mark.parametrize(
    ("constant", "point", "expected"),
    [(0.0, [1, 2, 2], [0, 1]), (0.0, [1, 1, 1], [1, 0]), (3.0, [1, 2, 3], [0, 0]), (0.0, [1, np.nan, 2], [np.nan] * 2)],
)
def test_the_start_of_a_maximum_says_which_is_the_largest(constant, point, expected):
    model = program([0] * 3, lower=-5, upper=5, maxima=[(2, [0, 1], constant)]).with_start(np.array(point, dtype=float))
    start = lower_maxima(model).start
    np.testing.assert_array_equal(start[3:], expected)


def test_a_maximum_with_an_infinite_bound_is_refused_by_name():
    model = program([1, 1], lower=[-INF, 0], upper=9, maxima=[(1, [0], 0)])
    with pytest.raises(CapabilityMissing, match=r"max\[0\]: .* column x\[0\] lies in \[-inf, 9\].*that do: gurobi"):
        lower(model, NOTHING, "highs")


def test_pairs_are_never_rewritten_for_a_backend():
    with pytest.raises(CapabilityMissing, match=r"highs does not take complementary pairs; backends that do: gurobi$"):
        lower(program([1, 1], pairs=[(0, 1)]), NOTHING, "highs")


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_sos1_with_an_infinite_bound_is_refused_by_name(side):
    bounds = {"lower": [0, -INF]} if side == "lower" else {"upper": [1, INF]}
    with pytest.raises(CapabilityMissing, match=r"set\[0\]: .* column x\[1\] lies in .*backends that do: gurobi"):
        lower(program([1, 1], sos1=[[0, 1]], **bounds), NOTHING, "highs")


def test_an_indicator_with_an_infinite_activity_is_refused_by_name():
    needed = program([1, 1], upper=[1, INF], integer=[1, 0], indicators=[(0, True, [0, 1], -INF, 1)])
    with pytest.raises(CapabilityMissing, match=r"when\[0\]: .* column x\[1\] lies in \[0, inf\]"):
        lower(needed, NOTHING, "highs")
    not_needed = program([1, 1], upper=[1, INF], integer=[1, 0], indicators=[(0, True, [0, 1], 1, INF)])
    assert lower(not_needed, NOTHING, "highs")[0].rows == 1


def test_what_is_taken_natively_is_left_as_it_is():
    model = program([1, 1], sos1=[[0, 1]], indicators=[(0, True, [0, 1], -INF, 1)])
    assert lower(model, frozenset(Capability), "everyone") == (model, ())


def test_a_quadratic_cost_has_no_lowering_without_solving():
    with pytest.raises(
        CapabilityMissing, match="highs does not take convex quadratic cost with integers; backends that do"
    ):
        lower(program([1], squares=[1]), NOTHING, "highs")
