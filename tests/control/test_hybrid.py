"""When the portfolio is followed by a tree: not where it is hopeless, and where few units are undecided."""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Crown, Lp, compute_bounds
from relu2mip.bounds.difficulty import both_signs
from relu2mip.control import planner
from relu2mip.control.hybrid import NOT_TRIED
from tests.forms import mlp


def problem(width: int, horizon: int) -> r2m.Trajectory:
    return r2m.Trajectory(
        mlp([4, width, width, 3], seed=3, scale=1.0), horizon, [0.5, -0.5, 0.2], r2m.Box(-1, 1), "change",
        states=r2m.Box(-99, 99), cost=r2m.costs.L1(state=1.0, control=0.1),
    )  # fmt: skip


@pytest.mark.parametrize("width", [4, 16])
def test_units_that_take_both_signs_are_undecided_whatever_the_bounds(width: int) -> None:
    unrolled = problem(width, 4).unrolled
    seen = both_signs(unrolled)
    assert 0 < seen <= compute_bounds(unrolled, [Crown()]).unstable


def test_inputs_that_the_sets_forbid_do_not_count() -> None:
    whole = problem(16, 2)
    states = whole.rollout(np.random.default_rng(0).uniform(-1, 1, (200, 2, 1)))[:, -1]
    low = np.quantile(states[:, 0], 0.9)
    cut = whole.changed(terminal=r2m.Box([low, -99, -99], [99, 99, 99]))
    assert 0 < both_signs(cut.unrolled) < both_signs(whole.unrolled)
    assert both_signs(cut.unrolled) <= compute_bounds(cut.unrolled, [Crown(), Lp()]).unstable
    never = whole.changed(terminal=r2m.Box([98, -99, -99], [99, 99, 99]))
    assert both_signs(never.unrolled) == 0


def test_a_hopeless_tree_is_not_even_compiled() -> None:
    plan = planner("hybrid").plan(problem(64, 10), deadline=0.3)
    assert plan.stopped == NOT_TRIED
    assert set(plan.stages) == {"portfolio"}
    assert plan.bound is None


def test_a_tree_over_few_undecided_units_is_searched_however_wide_the_root() -> None:
    plan = planner("hybrid(widest=0)").plan(problem(4, 4), deadline=5.0)
    assert plan.gap is not None
    assert plan.gap <= 1e-3
    assert "search" in plan.stages
