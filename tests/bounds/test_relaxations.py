"""What bounds are made of, each piece against its formula worked out another way: a change of any sign shows."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from relu2mip.bounds import Crown, Ibp
from relu2mip.bounds.crown import Relaxation
from relu2mip.bounds.sides import max_sides, relu_slopes
from relu2mip.errors import CrossedBounds
from relu2mip.lp.duals import SafeMinimum
from relu2mip.mip import ModelBuilder, NameBlock
from relu2mip.normal_form import FormBuilder, Max, NormalForm, Place
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.intersect import intersect
from relu2mip.unrolled.rounding import CROSSING, ERRORS, crossings

EPS = np.finfo(float).eps


def at(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Corners and inner points of a box."""
    ends = np.array(list(product(*zip(low, high, strict=True))))
    return np.vstack([ends, low + values * (high - low)])


@pytest.mark.parametrize("seed", range(60))
def test_a_maximum_lies_between_its_sides_and_the_upper_one_is_the_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = np.array([0, *np.cumsum(rng.integers(1, 4, rng.integers(1, 4)))])
    size = int(starts[-1])
    members = rng.permutation(size + 1)[:size]
    low = np.full(size + 1, np.nan)
    high = low.copy()
    low[members] = rng.integers(-4, 4, size)
    high[members] = low[members] + rng.integers(0, 4, size)
    value = Max(Place("max", np.arange(starts.size - 1)), 0, members, starts)
    sides = max_sides(value, low, high)
    points = at(rng.random((200, size)), low[members], high[members])
    for g, (a, b) in enumerate(pairwise(starts)):
        x, lows, highs = points[:, a:b], low[members][a:b], high[members][a:b]
        largest = x.max(axis=1)
        below = x @ sides.below[0, a:b]
        assert sides.below[0, a:b].sum() == 1.0
        assert sides.below[0, a:b][np.flatnonzero(lows == lows.max())].sum() == 1.0
        assert (below <= largest + 1e-12).all()
        above = x @ sides.above[a:b] + sides.offset[g]
        assert (above >= largest - 1e-12).all()
        floor, top = lows.max(), highs.max()
        reach = highs > floor
        slopes = np.where(reach, (highs - floor) / np.where(reach, highs - lows, 1.0), 0.0)
        linear = floor + slopes @ ((lows + highs) / 2 - lows)
        middle = sides.above[a:b] @ ((lows + highs) / 2) + sides.offset[g]
        assert middle == pytest.approx(min(linear, top) if reach.any() else floor), (
            "the better of the two at the middle"
        )


def test_a_relu_that_touches_zero_is_settled() -> None:
    low, high = np.array([0.0, -2.0, -1.0, -3.0, 1.0]), np.array([2.0, 0.0, 1.0, 1.0, 2.0])
    below, slope, offset = relu_slopes(low, high)
    assert slope.tolist() == [1.0, 0.0, 0.5, 0.25, 1.0]
    assert offset.tolist() == [0.0, 0.0, 0.5, 0.75, 0.0]
    assert below.tolist() == [
        [1, 0, 0, 0, 1],
        [1, 0, 0, 0, 1],
        [1, 0, 1, 1, 1],
        [1, 0, 0.5, 0.25, 1],
    ]


def chain() -> NormalForm:
    """3 inputs, an affine map, ReLUs, a maximum."""
    form = FormBuilder()
    x = form.input("x", 3)
    y = form.affine((x,), (np.array([[1.0, -2.0, 0.0], [0.5, 0.0, 4.0]]),), np.array([3.0, -0.25]))
    z = form.relu(y)
    top = form.max(z, np.array([1, 0]), np.array([0, 2]))
    return form.build({"z": z, "top": top})


def test_rounding_errors_follow_their_formula() -> None:
    form = chain()
    lower = [np.array([-1.0, 0.0, -8.0]), np.array([-9.0, -40.0]), np.zeros(2), np.zeros(1)]
    upper = [np.array([2.0, 4.0, 1.0]), np.array([9.0, 30.0]), np.array([9.0, 30.0]), np.array([30.0])]
    size = np.array([2.0, 4.0, 8.0])
    matrix = np.array([[1.0, 2.0, 0.0], [0.5, 0.0, 4.0]])
    affine = EPS * np.array([3.0, 0.25]) + matrix @ (EPS * size + EPS * 3 * size)
    expected = [EPS * size, affine, affine, [affine.max()]]
    for found, errors in zip(crossings(form, lower, upper), expected, strict=True):
        np.testing.assert_allclose(found, ERRORS * np.asarray(errors), rtol=1e-12)
    assert len(crossings(form, lower, upper, 2)) == 2


def test_an_unknown_magnitude_is_an_unknown_error_and_a_large_one_ends_at_a_share() -> None:
    form = chain()
    lower = [np.array([-1.0, -np.inf, -8.0]), np.full(2, -1e3), np.zeros(2), np.zeros(1)]
    upper = [np.array([2.0, 4.0, 1.0]), np.full(2, 1e3), np.full(2, 1e3), np.full(1, 1e3)]
    found = crossings(form, lower, upper)
    assert found[1][0] == CROSSING * 1e3, "infinite, so ended by the share"
    assert found[1][1] < 1e-9, "it does not read the unknown one"
    small = crossings(form, [part * 0 for part in [np.zeros(3), np.zeros(2), np.zeros(2), np.zeros(1)]],
                      [np.full(3, 1e9), np.zeros(2), np.zeros(2), np.zeros(1)])  # fmt: skip
    assert small[1].max() <= CROSSING, "a share of 1 where the value is smaller"


def test_crossing_is_an_error_beyond_rounding_only() -> None:
    form = chain()
    lower, upper = [np.zeros(3), np.full(2, -9.0)], [np.ones(3), np.full(2, 9.0)]
    room = crossings(form, lower, upper)[1]
    met = intersect(form, 1, lower, upper, (np.array([9.0, 0.0]), np.array([9.0, 1.0])))
    assert met[0].tolist() == [9.0, 0.0]
    assert met[1].tolist() == [9.0, 1.0]
    near = intersect(form, 1, lower, upper, (np.array([9.0 + 0.5 * room[0], 0.0]), np.array([10.0, 1.0])))
    assert (near[0] <= near[1]).all()
    with pytest.raises(CrossedBounds, match=r"\[1\]: nothing in \[-9, 9\].* lies in \[9.5, 10\], it misses .* by 0.5;"):
        intersect(form, 1, lower, upper, (np.array([0.0, 9.5]), np.array([1.0, 10.0])))


def test_intervals_of_relus_keep_what_is_below_one() -> None:
    form = chain()
    bounds = Bounds.of(form, {0: (np.array([0.1, 0.0, 0.0]), np.array([0.2, 0.0, 0.1]))})
    found = Ibp().tighten(None, bounds)  # type: ignore[arg-type]
    assert found.lower[2][1] == 0.0
    assert found.upper[2][1] == pytest.approx(0.25)


def test_a_kept_value_is_bounded_over_its_box_and_what_is_left_of_inputs() -> None:
    form = FormBuilder()
    x, u = form.input("x", 1), form.input("u", 1)
    kept = form.affine((x,), (np.array([[1.0]]),), np.zeros(1), kept=True)
    both = form.affine((kept, u), (np.array([[2.0]]), np.array([[1.0]])), np.array([0.5]))
    whole = form.build({"y": both})
    lower = [np.array([-1.0]), np.array([-1.0]), np.array([0.25]), np.array([-np.inf])]
    upper = [np.array([1.0]), np.array([2.0]), np.array([0.5]), np.array([np.inf])]
    relaxed = Relaxation(whole, lower, upper)
    low, high = relaxed.bounds(3, np.array([0]))
    assert low[0] == pytest.approx(2 * 0.25 - 1.0 + 0.5, abs=1e-9)
    assert high[0] == pytest.approx(2 * 0.5 + 2.0 + 0.5, abs=1e-9)
    own = relaxed.bounds(2, np.array([0]))
    assert [own[0][0], own[1][0]] == pytest.approx([-1.0, 1.0]), "its own box is no news of it"


def test_a_window_of_one_layer_stops_there() -> None:
    form = FormBuilder()
    x = form.input("x", 1)
    last = form.affine((x,), (np.array([[1.0]]),), np.zeros(1))
    for _ in range(3):
        last = form.affine((form.relu(last),), (np.array([[1.0]]),), np.array([-0.1]))
    whole = form.build({"y": last})
    domain = Bounds.of(whole, {0: (np.array([-1.0]), np.array([1.0]))})
    found = [Crown(window=window).tighten(None, domain) for window in (0, 1, 2)]  # type: ignore[arg-type]
    widths = [one.upper[-1][0] - one.lower[-1][0] for one in found]
    assert widths[0] <= widths[2] <= widths[1]


def program(lower: list[float], upper: list[float]) -> SafeMinimum:
    builder = ModelBuilder()
    x = builder.add_columns(NameBlock("x", np.arange(2)), lower, upper)
    rows = NameBlock("r", np.arange(2))
    builder.add_rows(rows, [(np.array([[1.0, 1.0], [1.0, -1.0]]), x)], [1.0, -np.inf], [np.inf, 2.0])
    return SafeMinimum(builder.build())


def test_columns_without_an_end_count_where_reduced_costs_need_it() -> None:
    cost = np.array([1.0, 1.0])
    duals = np.array([1.0 - 1e-9, 0.0])
    rising = program([0.0, 0.0], [np.inf, np.inf])(cost, duals)
    assert rising == pytest.approx(1.0, abs=1e-6), "reduced costs just above zero need no upper end"
    assert program([0.0, 0.0], [np.inf, np.inf])(cost, np.array([1.0 + 1e-9, 0.0])) == -np.inf
    assert program([-np.inf, 0.0], [5.0, 5.0])(cost, duals) == -np.inf
    assert program([-np.inf, 0.0], [5.0, 5.0])(cost, np.array([1.0 + 1e-9, 0.0])) == pytest.approx(1.0, abs=1e-6)


def test_the_sides_of_rows_belong_to_the_sign_of_their_duals() -> None:
    box = program([0.0, 0.0], [4.0, 4.0])
    assert box(np.array([1.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(1.0, abs=1e-9)
    assert box(np.array([-1.0, 1.0]), np.array([0.0, -1.0])) == pytest.approx(-2.0, abs=1e-9)
    assert box(np.array([-1.0, 1.0]), np.array([0.0, 1.0])) == pytest.approx(-4.0, abs=1e-9), "no lower side to use"
    assert box(np.array([-1.0, 2.0]), np.zeros(2)) == pytest.approx(-4.0, abs=1e-9)


def test_a_bound_is_lowered_by_what_its_sums_are_rounded_by() -> None:
    huge = program([0.0, -1e12], [4.0, 1e12])
    exact = -1e12
    found = huge(np.array([0.0, 1.0]), np.zeros(2))
    assert exact - 1e2 < found < exact - 1e-1
    reduced = huge(np.array([1.0, 1.0]), np.array([1.0, 0.0]))
    assert reduced < 1.0 - 1e-5, "reduced costs of zero may be off by rounding, times a range of 1e12"


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_ray_of_any_length_proves_emptiness(scale: float) -> None:
    builder = ModelBuilder()
    x = builder.add_columns(NameBlock("x", np.arange(1)), 0.0, 1.0)
    builder.add_rows(NameBlock("r", np.arange(1)), [(np.ones((1, 1)), x)], lower=2.0)
    safe = SafeMinimum(builder.build())
    for sign in (1.0, -1.0):
        assert safe.proves_empty(sign * scale * np.ones(1))
    assert not safe.proves_empty(np.zeros(1))


def test_a_reduced_cost_of_zero_is_not_known_to_be_zero() -> None:
    cost, duals = np.array([1.0, 1.0]), np.array([1.0, 0.0])
    assert program([0.0, 0.0], [4.0, 4.0])(cost, duals) == pytest.approx(1.0, abs=1e-9)
    assert program([0.0, 0.0], [np.inf, 4.0])(cost, duals) == -np.inf, "it may be a little below, times infinity"
    assert program([-np.inf, 0.0], [4.0, 4.0])(cost, duals) == -np.inf, "or a little above"
    assert program([0.0, 0.0], [np.inf, np.inf])(np.array([1.0, 0.0]), np.zeros(2)) == 0.0, "this one is"


def test_rounding_grows_with_the_longest_sum_and_nothing_overflows_into_a_proof() -> None:
    assert program([0.0, 0.0], [1.0, 1.0]).rounding == 4 * (2 + 2) * EPS
    builder = ModelBuilder()
    builder.add_columns(NameBlock("x", np.arange(1)), 0.0, 1.0)
    alone = SafeMinimum(builder.build())
    assert alone.rounding == 4 * 2 * EPS
    huge = program([-1e300, 0.0], [1e300, 1.0])
    assert huge(np.array([1e300, 0.0]), np.zeros(2)) == -np.inf


def test_a_side_of_a_row_without_a_dual_is_not_counted() -> None:
    builder = ModelBuilder()
    x = builder.add_columns(NameBlock("x", np.arange(1)), 0.0, 1.0)
    builder.add_rows(NameBlock("r", np.arange(2)), [(np.ones((2, 1)), x)], [-np.inf, 0.25], [0.5, np.inf])
    safe = SafeMinimum(builder.build())
    assert safe(np.ones(1), np.array([5.0, 1.0])) == pytest.approx(0.25, abs=1e-9), "a dual on an infinite side"
    assert safe(np.ones(1), np.array([np.nan, 1.0])) == pytest.approx(0.25, abs=1e-9)
    assert safe(-np.ones(1), np.array([-1.0, 0.0])) == pytest.approx(-0.5, abs=1e-9)
