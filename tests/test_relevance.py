"""Leaving out what does not matter changes neither plan nor cost, and what a box alone needs is kept."""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidProblem
from relu2mip.ir.samples import integrator
from relu2mip.pipeline.relevance import irrelevant
from relu2mip.pipeline.update import RebuildNeeded
from tests.analysis.test_certified import blocks
from tests.forms import mlp


def problem(cost: r2m.costs.Cost, net: r2m.Graph | None = None, **changes: object) -> r2m.Trajectory:
    net = integrator() if net is None else net
    start = np.linspace(1.0, -1.0, net.output_size)
    given = {"horizon": 3, "initial_state": start, "controls": r2m.Box(-1, 1), "predicts": "change", "cost": cost}
    return r2m.Trajectory(net, **{**given, **changes})


def left_out(problem: r2m.Trajectory) -> dict[str, list[bool]]:
    form = problem.unrolled.form
    return {form.values[i].place.prefix: mask.tolist() for i, mask in irrelevant(problem.unrolled).items()}


POSITION, VELOCITY = r2m.costs.L1(terminal=[1.0, 0.0]), r2m.costs.L1(state=[0.0, 1.0])


def test_a_position_that_nothing_asks_for_is_left_out_at_every_step() -> None:
    assert left_out(problem(VELOCITY)) == {f"t{t:02d}.state": [True, False] for t in (1, 2, 3)}


def test_the_last_velocity_is_left_out_where_the_position_counts() -> None:
    assert left_out(problem(POSITION)) == {"t03.state": [False, True]}


def test_a_box_that_binds_is_a_constraint_and_one_that_cannot_is_none() -> None:
    assert left_out(problem(VELOCITY, states=r2m.Box(-100, 100))) == left_out(problem(VELOCITY))
    assert left_out(problem(VELOCITY, states=r2m.Box([-1.2, -100], [1.2, 100]))) == {}


def test_constraints_and_rates_count() -> None:
    line = r2m.Linear([[1.0, 0.0]], upper=[1.5], steps=[2])
    assert left_out(problem(VELOCITY, constraints=[line])) == {"t03.state": [True, False]}


@pytest.mark.parametrize(
    "made",
    [
        problem(VELOCITY),
        problem(POSITION),
        problem(r2m.costs.L1(target=1.0, state=[1, 1, 0, 0], control=0.1), blocks([3, 6, 2]), horizon=4),
        problem(r2m.costs.Quadratic(terminal=[1, 0, 0], control=0.1), mlp([4, 8, 8, 3], seed=5)),
        problem(r2m.costs.LInf(state=[0, 0, 1]), mlp([4, 6, 6, 3], seed=6), states=r2m.Box(-3, 3)),
    ],
)
@pytest.mark.parametrize("formulation", ["big-m", "ideal", "regions"])
def test_the_answer_is_the_same(made: r2m.Trajectory, formulation: str) -> None:
    whole, less = (r2m.compile(made, "crown", formulation, drop_irrelevant=drop) for drop in (False, True))
    assert irrelevant(made.unrolled)
    assert less.model.nonzeros < whole.model.nonzeros
    answers = [compiled.solve("highs", gap=1e-6) for compiled in (whole, less)]
    assert answers[0].objective == pytest.approx(answers[1].objective, rel=1e-4, abs=1e-6)
    for answer in answers:
        assert answer.has_plan
        assert answer.check.max_error < 1e-4
        np.testing.assert_allclose(answer.states, made.rollout(answer.controls))


def test_outputs_without_an_objective_are_left_out() -> None:
    net = blocks([2, 8, 2])
    made = r2m.BoxProblem(net, -1, 1, [1.0, 0.5, 0.0, 0.0], sense="max")
    whole, less = (r2m.compile(made, "crown", drop_irrelevant=drop) for drop in (False, True))
    assert less.model.binaries < whole.model.binaries
    answers = [compiled.solve("highs") for compiled in (whole, less)]
    assert answers[0].objective == pytest.approx(answers[1].objective)
    np.testing.assert_allclose(answers[1].outputs["y"], net.evaluate(answers[1].inputs["x"])["y"])


def test_what_may_matter_to_others_is_not_left_out_for_them() -> None:
    made = problem(VELOCITY, initial_state=r2m.Box(-1, 1))
    less = r2m.compile(made, "crown", drop_irrelevant=True)
    with pytest.raises(InvalidProblem, match="drop_irrelevant"):
        less.emit("highs")
    with pytest.raises(RebuildNeeded, match="matter"):
        less.update(initial_state=[0.5, 0.0], rebuild=False)
    assert str(less.update(cost=POSITION).rebuilt).startswith("what does not matter")
    assert r2m.compile(made, "crown").emit("highs").states
