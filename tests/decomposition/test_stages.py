"""Steps are found from the program, prices bound it from below, and ascending them only raises the bound."""

from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds.blocks import kept_of, stages_of
from relu2mip.bounds.crown import Crown
from relu2mip.decomposition import Blocks, Stages, ascend
from relu2mip.mip.run import ask
from relu2mip.options import SolveOptions
from relu2mip.registry import backends
from relu2mip.unrolled.bounds import Bounds
from tests.brute_force import best_sequence
from tests.trajectory.test_plans import PROBLEMS

NAMES = "l1", "linf", "network of the state", "control rate", "window of two", "delay"
SOME = {name: PROBLEMS[name] for name in NAMES}


def stages(problem: r2m.Trajectory) -> Stages:
    unrolled = problem.unrolled
    bounds = Bounds.of(unrolled.form, unrolled.domain)
    bounds = bounds.joined(Crown().tighten(unrolled, bounds))
    return stages_of(unrolled, bounds, kept_of(unrolled))


@pytest.mark.parametrize("name", PROBLEMS)
def test_steps_share_states_and_controls_alone(name: str) -> None:
    found = stages(PROBLEMS[name])
    parts = [found.part(t, t + 1) for t in range(found.count)]
    assert found.count == PROBLEMS[name].horizon
    assert sum(part.rows for part, _ in parts) == found.model.rows
    assert all(part.rows for part, _ in parts)
    held = np.zeros(found.model.columns, dtype=int)
    for _, columns in parts:
        held[columns] += 1
    assert set(np.flatnonzero(held > 1)) <= set(np.concatenate(list(found.kept.values())))


def test_a_limit_on_rates_belongs_to_the_later_step() -> None:
    found = stages(replace(SOME["control rate"], horizon=3))
    shared = {t: set(found.part(t, t + 1)[1]) & set(found.kept[f"control@{t - 1}"]) for t in (1, 2)}
    assert all(shared.values())


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("name", SOME)
def test_any_prices_bound_the_best_plan_from_below(name: str, steps: int) -> None:
    best, _ = best_sequence(SOME[name])
    blocks = Blocks.of(stages(SOME[name]), steps, backends["highs"]())
    rng = np.random.default_rng(0)
    start = blocks.start(60.0)
    for spread in (0.0, 0.3):
        prices = start + spread * rng.normal(size=start.size)
        bound = blocks.constant + blocks.evaluate(prices, 10.0, 1e-6).bounds.sum()
        assert bound <= best + 1e-6
        if steps == 4:
            assert bound == pytest.approx(best, abs=1e-4)  # one block is the problem itself


def test_prices_from_duals_give_the_bound_of_the_relaxation_at_least() -> None:
    found = stages(PROBLEMS["next state"])
    relaxed = replace(found.model, integer=np.zeros(found.model.columns, dtype=bool))
    root = ask(relaxed, backends["highs"](), SolveOptions()).objective
    blocks = Blocks.of(found, 1, backends["highs"]())
    prices = blocks.start(60.0)
    assert blocks.constant + blocks.evaluate(prices, 10.0, 1e-6).bounds.sum() >= root - 1e-5


def test_ascending_raises_the_bound_and_stays_below_the_best_plan() -> None:
    problem = PROBLEMS["next state"]
    best, _ = best_sequence(problem)
    blocks = Blocks.of(stages(problem), 1, backends["highs"]())
    prices = np.zeros(blocks.column.size)
    before = blocks.constant + blocks.evaluate(prices, 10.0, 1e-6).bounds.sum()
    found = ascend(blocks, prices, best, 30, 10.0)
    assert before < found.least <= best + 1e-6
    again = blocks.constant + blocks.evaluate(found.prices, 10.0, 1e-6).bounds.sum()
    assert again == pytest.approx(found.least, rel=1e-4)
