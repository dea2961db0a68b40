"""Bounds by blocks hold for every plan as good as the known one, and answers inside them are the same."""

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Blocks, Crown, blocks, compute_bounds
from relu2mip.errors import InvalidOption, UnknownOption
from relu2mip.ir.samples import tiny
from relu2mip.unrolled.plan import Plan
from tests.brute_force import best_sequence
from tests.forms import mlp
from tests.trajectory.test_plans import PROBLEMS, plan

QUICK = Blocks(rounds=2, iterations=6, budget=2)
HARD = plan(net=mlp([3, 6, 6, 2], seed=3), horizon=4, controls=r2m.Box(-1, 1), states=r2m.Box(-6, 6))


@pytest.mark.parametrize("name", PROBLEMS)
def test_answers_inside_them_are_the_best_plans(name: str) -> None:
    best, _ = best_sequence(PROBLEMS[name])
    answer = r2m.solve(PROBLEMS[name], bounds=[Crown(), QUICK])
    assert answer.objective == pytest.approx(best, abs=1e-4)
    assert answer.bound <= best + 1e-6


@pytest.mark.parametrize("options", [Blocks(rounds=3, budget=10), Blocks(steps=2, window=1, rounds=2, budget=10)])
def test_they_hold_for_every_plan_as_good(options: Blocks, monkeypatch: pytest.MonkeyPatch) -> None:
    unrolled = HARD.unrolled
    objective, rng = unrolled.objective(), np.random.default_rng(0)
    batch = {}
    for name, i in unrolled.form.inputs.items():
        low, high = unrolled.domain[i]
        batch[name] = rng.uniform(low, high, (20_000, low.size))
    cost, violation = objective.evaluate(batch)
    k = int(np.argsort(np.where(violation <= 0, cost, np.inf))[200])
    known = Plan({name: x[k] for name, x in batch.items()}, float(cost[k]), 0.0)
    # The best plan would leave hardly any other that the bounds must not exclude.
    monkeypatch.setattr(blocks, "_plan", lambda *_: known)
    start, bounds = (compute_bounds(unrolled, methods) for methods in ([Crown()], [Crown(), options]))
    assert bounds.cutoff == pytest.approx(known.cost, rel=1e-3)
    assert bounds.least <= known.cost
    kept = [unrolled.form.outputs[name] for name in blocks.kept_of(unrolled)]
    widths = [sum(float((b.upper[i] - b.lower[i]).sum()) for i in kept) for b in (start, bounds)]
    assert widths[1] < 0.9 * widths[0]
    good = (cost <= known.cost) & (violation <= 0)
    assert good.sum() > 100
    values = unrolled.form.evaluate_all({name: x[good] for name, x in batch.items()})
    for value, low, high in zip(values, bounds.lower, bounds.upper, strict=True):
        assert ((value >= low - 1e-6) & (value <= high + 1e-6)).all()


def test_the_bound_of_the_blocks_is_that_of_the_answer_where_time_ends() -> None:
    seen = []
    r2m.solve(HARD, bounds=[Crown(), QUICK], progress=lambda told: seen.append(told.bound))
    least = compute_bounds(HARD.unrolled, [Crown(), QUICK]).least
    stopped = r2m.solve(HARD, bounds=[Crown(), QUICK], node_limit=1)
    assert stopped.bound >= least - 1e-9
    assert any(least - 1e-3 <= bound for bound in seen)


def test_a_bound_that_reaches_the_plan_needs_no_search() -> None:
    easy = plan(cost=r2m.costs.L1(control=1.0), controls=r2m.Box(-1, 1))
    answer = r2m.solve(easy, bounds=[Crown(), QUICK])
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(0.0, abs=1e-6)


def test_without_steps_or_a_plan_they_are_those_of_crown() -> None:
    box = r2m.BoxProblem(tiny(), -1, 1, objective=[1.0])
    stuck = plan(terminal=r2m.Box([1.01, -3.0], [1.02, 3.0]), controls=r2m.Finite([[-1.0, 0.0]]))
    for problem in (box, stuck):
        ours, crown = (compute_bounds(problem.unrolled, m) for m in ([Crown(), QUICK], [Crown()]))
        assert all((a == b).all() for a, b in zip(ours.lower, crown.lower, strict=True))
        assert ours.cutoff is None


def test_a_budget_that_is_too_short_leaves_bounds_that_hold() -> None:
    bounds = compute_bounds(HARD.unrolled, [Crown(), Blocks(budget=0.05)])
    assert all((low <= high).all() for low, high in zip(bounds.lower, bounds.upper, strict=True))


@pytest.mark.parametrize(
    ("options", "says"),
    [({"steps": 0}, "steps"), ({"rounds": 0}, "rounds"), ({"budget": 0}, "budget"), ({"tolerance": 1.0}, "tolerance")],
)
def test_bad_options_are_refused(options: dict, says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        Blocks(**options)


def test_an_unknown_backend_is_named_with_the_valid_ones() -> None:
    with pytest.raises(UnknownOption, match="highs"):
        r2m.compile(HARD, bounds="crown+blocks(backend=high)")


@pytest.mark.parametrize("formulation", ["big-m", "regions", "ideal", "convex-hull", "partition"])
@pytest.mark.parametrize("name", ["next state", "control rate", "linf"])
def test_rows_hold_at_the_known_plan_in_every_formulation(name: str, formulation: str) -> None:
    bounds = compute_bounds(PROBLEMS[name].unrolled, [Crown(), QUICK])
    model = r2m.compile(PROBLEMS[name], bounds=bounds, formulation=formulation).model
    rows = [k for k, row in enumerate(model.row_names) if row.startswith("block[")]
    assert len(rows) == PROBLEMS[name].horizon
    assert model.start is not None
    assert not np.isnan(model.start).any()
    excess = model.row_lower[rows] - model.matrix[rows] @ model.start
    assert excess.max() <= 1e-6
    assert bounds.plan is not None
    assert (model.matrix[rows] @ model.start).sum() == pytest.approx(bounds.plan.cost, abs=1e-6)


def test_what_was_proven_is_not_lost_where_bounds_are_reused() -> None:
    bounds = compute_bounds(HARD.unrolled, [Crown(), QUICK])
    again = r2m.compile(HARD, bounds=bounds).all_bounds
    assert again.least == bounds.least > -np.inf
    assert again.rows.size == bounds.rows.size > 0


def test_plans_and_bounds_of_windows_are_not_told_as_those_of_the_problem() -> None:
    seen = []
    answer = r2m.solve(HARD, bounds=[Crown(), QUICK], progress=seen.append, backend="gurobi")
    assert all(not told.plan < answer.objective - 1e-6 and told.bound <= answer.objective + 1e-6 for told in seen)
