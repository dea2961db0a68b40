"""The portfolio: shares of the time, and plans that are no worse than those of its parts."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Crown, compute_bounds
from relu2mip.incumbent.portfolio import Portfolio, Search, _improved
from relu2mip.incumbent.space import Met, Space
from relu2mip.runtime.deadline import limited
from relu2mip.unrolled.plan import Plan
from tests.forms import mlp

PROBLEM = r2m.Trajectory(
    mlp([4, 8, 3], seed=1, scale=0.8), 5, [0.5, -0.5, 0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-9, 9),
    cost=r2m.costs.L1(state=1.0, control=0.1),
)  # fmt: skip


def nothing() -> Met:
    objective = PROBLEM.unrolled.objective()
    return Met(Space.of(objective, objective.box, 1))


def searching(met: Met, gain: float) -> Iterator[bool]:
    """Makes the plan cheaper by so much every 5 ms."""
    while True:
        time.sleep(5e-3)
        cost = met.plan.cost if met.plan is not None else 0.0
        met.plan = Plan({}, cost - gain)
        yield True


def idle() -> Iterator[bool]:
    while True:
        yield False


def test_fair_shares_and_the_rest_to_the_fastest() -> None:
    met = nothing()
    slow, fast, none = (Search(rounds, 0.2) for rounds in (searching(met, 1.0), searching(met, 9.0), idle()))
    Portfolio(PROBLEM.unrolled, met, [slow, fast, none]).run(1.0)
    total = slow.spent + fast.spent + none.spent
    assert slow.spent > 0.1 * total
    assert fast.spent > 1.5 * slow.spent
    assert none.spent < 0.35 * total


def test_a_long_turn_waits_for_its_share() -> None:
    met = nothing()
    short, long = Search(searching(met, 1.0), 0.5), Search(searching(met, 1.0), 0.1, takes=10.0)
    Portfolio(PROBLEM.unrolled, met, [short, long]).run(0.2)
    assert long.spent == 0.0


@pytest.mark.parametrize("narrow", [False, True])
def test_finds_the_optimum(narrow: bool) -> None:
    method = (lambda unrolled: compute_bounds(unrolled, [Crown()])) if narrow else None
    found = Portfolio.of(PROBLEM.unrolled, block=1, narrow=method).run(3.0)
    assert found.feasible
    assert found.cost == pytest.approx(r2m.solve(PROBLEM, bounds="crown").objective, rel=1e-3)


def test_a_start_is_never_lost_and_no_time_gives_a_plan() -> None:
    known = Portfolio.of(PROBLEM.unrolled, block=1).run(0.5)
    assert Portfolio.of(PROBLEM.unrolled, known, block=1).run(1e-9).cost <= known.cost
    assert np.isfinite(Portfolio.of(PROBLEM.unrolled, block=1).run(1e-9).cost)


def test_a_plan_is_polished_after_a_round_of_descents_or_in_the_second_half_of_the_time() -> None:
    met = nothing()
    met.look(np.zeros((1, met.space.low.size)))
    first = met.plan
    assert first is not None
    with limited(60.0):
        rounds = _improved(met, PROBLEM.unrolled, None)
        assert not next(rounds)
        assert not next(rounds)
        assert met.plan is first
        met.rounds = 1
        assert next(rounds)
        assert met.plan is not first
        assert met.plan.better_than(first)
        while next(rounds):
            pass
        met.look(met.space.joined(met.plan.inputs)[None] * 0.9)
        assert not next(rounds), "nothing is done until the next round ends"
    late = nothing()
    late.look(np.zeros((1, late.space.low.size)))
    assert next(_improved(late, PROBLEM.unrolled, None)), "without a deadline there is no first half"
