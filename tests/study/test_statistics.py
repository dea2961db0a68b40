"""The statistics are those of the literature, and say what censored times make of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relu2mip.study.statistics import integral, paired_ratio, plain_mean, profile, shifted_mean

NONE = np.zeros(4, dtype=bool)
CLUSTERS = np.arange(4)


def test_shifted_mean_is_the_formula_and_leaves_out_what_is_missing() -> None:
    seconds = np.array([0.5, 2.0, math.nan, 8.0])
    found = shifted_mean(seconds, NONE, CLUSTERS)
    assert found.value == pytest.approx((1.5 * 3.0 * 9.0) ** (1 / 3) - 1)
    assert (found.count, found.instances, found.sign) == (3, 3, "")
    assert found.low < found.value < found.high
    assert shifted_mean(seconds, np.array([False, True, False, False]), CLUSTERS).sign == "≥"
    assert str(shifted_mean(np.full(4, math.nan), NONE, CLUSTERS)) == "–"


@pytest.mark.parametrize(
    ("own", "other", "count", "sign"),
    [([], [], 4, ""), ([0], [], 4, "≤"), ([], [1], 4, "≥"), ([0], [1], 4, "≈"), ([2], [2], 3, "")],
)
def test_a_paired_ratio_says_which_side_its_limits_are_on(
    own: list[int], other: list[int], count: int, sign: str
) -> None:
    mine, theirs = NONE.copy(), NONE.copy()
    mine[own], theirs[other] = True, True
    found = paired_ratio(np.full(4, 2.0), np.array([4.0, 4.0, 4.0, 4.0]), mine, theirs, CLUSTERS)
    assert (found.value, found.count, found.sign) == (pytest.approx(2.0), count, sign)


def test_repeated_seeds_of_an_instance_are_no_independent_draws() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=10)
    once = plain_mean(values, np.arange(10))
    often = plain_mean(np.repeat(values, 50), np.repeat(np.arange(10), 50))
    assert often.value == pytest.approx(once.value)
    assert often.high - often.low == pytest.approx(once.high - once.low)
    assert math.isnan(plain_mean(values, np.zeros(10, dtype=int)).low), "one instance has no interval"


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng, hits, rounds = np.random.default_rng(1), 0, 300
    for _ in range(rounds):
        clusters = np.repeat(np.arange(25), 2)
        found = plain_mean(rng.normal(size=25)[clusters] + 0.2 * rng.normal(size=50), clusters)
        hits += found.low < 0 < found.high
    assert 0.88 < hits / rounds < 0.99


def test_profiles_count_what_was_tried_and_settled() -> None:
    seconds = np.array([[1.0, 2.0, math.nan, 10.0], [2.0, 1.0, 3.0, 10.0]])
    censored = np.array([[False, False, False, True], [False, False, False, True]])
    ratios, shares = profile(seconds, censored)
    assert ratios[0].tolist() == [1.0, 2.0]
    assert shares[0].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert ratios[1].tolist() == [1.0, 2.0]
    assert shares[1].tolist() == pytest.approx([2 / 4, 3 / 4])


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.5, 100)), max_size=8), st.floats(0.1, 0.5))
def test_an_integral_is_that_of_the_step_function(points: list[tuple[float, float]], best: float) -> None:
    points = sorted(points)
    grid = np.linspace(0, 10, 20001)[:-1] + 10 / 40000
    value = np.full(grid.size, 1.0)
    for at, height in points:
        value[grid >= at] = (height - best) / height
    assert integral(points, best, 10.0) == pytest.approx(value.mean(), abs=2e-3)


def test_integrals_of_nothing_and_of_the_best_at_once() -> None:
    assert integral([], 1.0, 5.0) == 1.0
    assert integral([(0.0, 1.0)], 1.0, 5.0) == 0.0
    assert integral([(0.0, -1.0)], 1.0, 5.0) == 1.0, "another sign is as far away as can be"
    assert integral([(2.5, 0.0)], 0.0, 5.0) == 0.5
