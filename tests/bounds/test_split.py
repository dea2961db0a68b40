"""Branch and bound over the inputs: cells cover, zonotopes hold, functions stay below the cost, and optima survive."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Auto, Crown, Ibp, Split, compute_bounds
from relu2mip.bounds.cells import Cells
from relu2mip.bounds.minorant import Minorant
from relu2mip.bounds.zonotopes import Propagation, Zonotopes
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.mip import Expression, NameBlock
from relu2mip.normal_form import FormBuilder, NormalForm
from relu2mip.runtime.deadline import limited
from relu2mip.trajectory.frame import Frame
from relu2mip.trajectory.names import name_of
from tests.bounds.test_bounds import unrolled
from tests.brute_force import best_sequence, box_optimum
from tests.forms import forms, mlp
from tests.trajectory.test_plans import PROBLEMS

NONLINEAR = r2m.Trajectory(
    mlp([3, 16, 16, 2], seed=3, scale=0.8), 4, [0.4, -0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-3, 3),
    cost=r2m.costs.L1(target=[0.5, 0.0], state=1.0, control=0.1),
)  # fmt: skip


def random_cells(propagation: Propagation, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ends = rng.uniform(*propagation.box, (2, count, propagation.box[0].size))
    return ends.min(axis=0), ends.max(axis=0)


@given(form=forms(), seed=st.integers(0, 1000))
def test_zonotopes_hold_every_point_of_their_cells(form: NormalForm, seed: int) -> None:
    propagation = Propagation(compute_bounds(unrolled(form), [Ibp()]))
    low, high = random_cells(propagation, 8, seed)
    boxes = propagation.run(low, high)
    assert (boxes.emptied == -1).all()
    rng = np.random.default_rng(seed)
    for _ in range(20):
        free = np.where(rng.random(low.shape) < 0.3, low, rng.uniform(low, high))
        for i, value in enumerate(form.evaluate_all(propagation.points(free))):
            assert (value >= boxes.lower[i] - 1e-9).all()
            assert (value <= boxes.upper[i] + 1e-9).all()
    low_out, high_out = boxes.box
    radius = np.abs(boxes.generators).sum(axis=2)
    assert (boxes.centre - radius <= low_out + 1e-9).all()
    assert (boxes.centre + radius >= high_out - 1e-9).all()


@pytest.mark.parametrize("constant", [-1.0, 0.0, 1.0, 2.0, 3.0])
def test_a_maximum_over_a_constant_is_the_member_only_where_it_dominates(constant: float) -> None:
    builder = FormBuilder()
    x = builder.input("x", 2)
    largest = builder.max(x, np.arange(2), np.array([0, 2]))
    excess = builder.affine([largest, x], [np.eye(1), np.array([[0.0, -1.0]])], np.zeros(1))
    form = builder.build({"excess": excess, "x": x})
    sides = {x: (np.array([constant, 0.0]), np.array([constant, 2.0]))}
    propagation = Propagation(compute_bounds(replace(unrolled(form), domain=sides), [Ibp()]))
    boxes = propagation.run(np.zeros((1, 1)), np.full((1, 1), 2.0))
    low, high = max(constant - 2.0, 0.0), max(constant, 0.0)
    radius = np.abs(boxes.generators).sum(axis=2)
    assert boxes.centre[0, 0] - radius[0, 0] <= low + 1e-9
    assert boxes.centre[0, 0] + radius[0, 0] >= high - 1e-9
    assert boxes.lower[excess][0, 0] <= low + 1e-9
    assert boxes.upper[excess][0, 0] >= high - 1e-9


def test_zonotopes_are_exact_where_nothing_is_undecided() -> None:
    bounds = compute_bounds(NONLINEAR.unrolled, [Crown()])
    propagation = Propagation(bounds)
    rng = np.random.default_rng(0)
    middle = rng.uniform(-1, 1, (64, 4))
    boxes = propagation.run(middle - 1e-6, middle + 1e-6)
    exact = ~boxes.influence.any(axis=1) & (boxes.emptied < 0)
    assert exact.sum() > 16
    values = bounds.form.evaluate_all(propagation.points(middle))
    np.testing.assert_allclose(boxes.centre[exact], joined(values, propagation, 64)[exact], atol=1e-9)
    assert not boxes.generators[exact][:, :, 4:].any()


def joined(values: list[np.ndarray], propagation: Propagation, count: int) -> np.ndarray:
    return np.concatenate(
        [np.broadcast_to(values[i], (count, values[i].shape[1])) for i in propagation.outputs], axis=1
    )


@pytest.mark.parametrize("name", PROBLEMS)
def test_functions_stay_below_the_cost_and_rows_exclude_no_plan(name: str) -> None:
    problem = PROBLEMS[name]
    form = problem.unrolled.form
    bounds = compute_bounds(problem.unrolled, [Crown()])
    propagation, minorant = Propagation(bounds), Minorant.of(problem.unrolled, bounds)
    low, high = random_cells(propagation, 200, seed=1)
    boxes = propagation.run(low, high)
    below, excluded = minorant.below(boxes), minorant.excluded(boxes).any(axis=1) | (boxes.emptied >= 0)
    objective = problem.unrolled.objective()
    rng = np.random.default_rng(2)
    for _ in range(30):
        inputs = propagation.points(rng.uniform(low, high))
        cost, violation = objective.evaluate(inputs)
        inside = violation <= 1e-9
        assert not (inside & excluded).any()
        v = joined(form.evaluate_all(inputs), propagation, 200)
        assert (below.least <= cost + 1e-9)[inside].all()
        assert (below.offset + (below.weights * v).sum(axis=1) <= cost + 1e-9)[inside].all()
    middle = (low + high) / 2
    cost, violation = objective.evaluate(propagation.points(middle))
    points = minorant.below(propagation.run(middle, middle))
    np.testing.assert_allclose(points.least[violation == 0], cost[violation == 0], rtol=1e-7, atol=1e-7)


def test_a_cost_without_a_lower_bound_drops_nothing() -> None:
    class Odd(r2m.costs.L1):
        """Writes a column that nothing bounds from below."""

        def write(self, frame: object, label: str) -> None:
            free = frame.model.add_columns(NameBlock("free", np.arange(1)), -np.inf, np.inf)
            frame.model.minimise([(np.ones(1), free)])

    problem = replace(NONLINEAR, cost=Odd(state=1.0))
    bounds = compute_bounds(problem.unrolled, [Crown()])
    propagation, minorant = Propagation(bounds), Minorant.of(problem.unrolled, bounds)
    boxes = propagation.run(*(side[None] for side in propagation.box))
    assert minorant.below(boxes).least.tolist() == [-np.inf]
    assert bounds.joined(Split().tighten(problem.unrolled, bounds)).unstable <= bounds.unstable


@pytest.mark.parametrize("kind", ["rows", "twice"])
def test_a_cost_of_ones_own_is_counted_from_below_however_it_is_written(kind: str) -> None:
    class Own(r2m.costs.Quadratic):
        """Squares over columns that plain rows define, or that are defined twice."""

        def write(self, frame: Frame, label: str) -> None:
            x = Expression.of(frame.states[1:].ravel())
            names = NameBlock("e", np.arange(x.size))
            e = frame.model.add_columns(names, *frame.limits(x))
            if kind == "rows":
                frame.model.add_rows(names, [(1.0, e), *x.scaled(-1.0).terms], 0.0, 0.0)
            else:
                for _ in range(2):
                    frame.model.define(names, e, x)
            frame.model.minimise_squares(1.0, e)

    problem = replace(NONLINEAR, cost=Own(state=1.0))
    bounds = compute_bounds(problem.unrolled, [Crown()])
    propagation, minorant = Propagation(bounds), Minorant.of(problem.unrolled, bounds)
    low, high = random_cells(propagation, 100, seed=3)
    least = minorant.below(propagation.run(low, high)).least
    middle = propagation.points((low + high) / 2)
    cost, violation = problem.unrolled.objective().evaluate(middle)
    assert (least <= cost + 1e-9)[violation == 0].all()
    assert (np.ptp(least) > 0) == (kind == "twice"), "rows say nothing of a cell"


def test_cells_cover_and_keep_listed_values() -> None:
    levels = [None, np.array([-1.0, 0.0, 0.5, 2.0])]
    cells = Cells.of(np.array([-1.0, -0.7]), np.array([1.0, 1.9]), levels)
    assert cells.low.tolist() == [[-1.0, 0.0]]
    assert cells.high.tolist() == [[1.0, 0.5]]
    halves = cells.halved(np.array([[0.0, 1.0]]))
    assert halves.low[:, 1].tolist() == halves.high[:, 1].tolist() == [0.0, 0.5]
    whole = halves.halved(np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert len(whole) == 4  # the second input has no width left
    points = np.stack([np.linspace(-1, 1, 41), np.full(41, 0.5)], axis=1)
    covered = (points[:, None] >= whole.low) & (points[:, None] <= whole.high)
    assert covered.all(axis=2).any(axis=1).all()
    assert not len(Cells.of(np.array([0.6]), np.array([1.9]), [levels[1]]))
    point = Cells.of(np.array([0.5]), np.array([0.5]), [None])
    assert len(point.halved(np.zeros((1, 1)))) == 1


@given(seed=st.integers(0, 10_000))
def test_cutting_cells_down_keeps_every_point_under_the_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.uniform(-2, 0, (5, 3))
    cells = Cells(low, low + rng.uniform(0, 2, (5, 3)), [None] * 3)
    slope, constant = rng.normal(size=(5, 6)), rng.normal(size=5)
    limit = float(rng.normal())
    smaller = cells.under(constant, slope, limit)
    e = rng.uniform(-1, 1, (400, 5, 6))
    under = constant + (e * slope).sum(axis=2) <= limit
    points = (cells.low + cells.high) / 2 + e[:, :, :3] * (cells.high - cells.low) / 2
    assert ((points >= smaller.low - 1e-9) & (points <= smaller.high + 1e-9)).all(axis=2)[under].all()
    assert ((smaller.low >= cells.low) & (smaller.high <= cells.high)).all()


def test_it_decides_what_one_pass_cannot() -> None:
    crown = compute_bounds(NONLINEAR.unrolled, [Crown()])
    bounds = compute_bounds(NONLINEAR.unrolled, [Crown(), Split()])
    assert crown.unstable > 40
    assert bounds.unstable <= Split().few
    assert bounds.sound
    assert bounds.provenance[-1].cutoff == bounds.cutoff
    assert bounds.plan is not None
    assert r2m.solve(NONLINEAR, bounds=bounds).objective == pytest.approx(
        r2m.solve(NONLINEAR, bounds="crown", gap=1e-7).objective, rel=1e-4
    )


@pytest.mark.parametrize("cutoff", [True, False])
@pytest.mark.parametrize("cost", ["l1", "quadratic", "linf", "network of the state"])
def test_bounds_hold_for_every_plan_they_speak_of(cost: str, cutoff: bool) -> None:
    problem = replace(PROBLEMS[cost], controls=r2m.Box(-1, 1))
    bounds = compute_bounds(problem.unrolled, [Crown(), Split(cutoff=cutoff, few=0, cells=500)])
    crown = compute_bounds(problem.unrolled, [Crown()])
    assert (bounds.cutoff is None) is not cutoff
    rng = np.random.default_rng(0)
    found = Split(few=0).tighten(problem.unrolled, crown).plan
    best = np.stack([found.inputs[name_of("control", t)] for t in range(4)])
    spread = rng.choice([1e-4, 1e-3, 1e-2, 0.1, 1.0], size=(40_000, 1, 1))
    controls = np.clip(best + spread * rng.normal(size=(40_000, 4, 1)), -1, 1)
    controls[0] = best
    states = problem.rollout(controls)
    good = (np.abs(states) <= 3).all(axis=(1, 2))
    if cutoff:
        good &= problem.evaluate_cost(states, controls) <= bounds.cutoff
    assert good.sum() >= 1
    inputs = {name_of("control", t): controls[good, t] for t in range(4)} | {name_of("state", 0): states[good, 0]}
    for i, value in enumerate(problem.unrolled.form.evaluate_all(inputs)):
        slack = 1e-9 * np.maximum(1, np.abs(value))
        assert (value >= bounds.lower[i] - slack).all()
        assert (value <= bounds.upper[i] + slack).all()
        assert (bounds.lower[i] >= crown.lower[i]).all()
        assert (bounds.upper[i] <= crown.upper[i]).all()


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_optimum_survives(name: str, backend: str) -> None:
    problem = PROBLEMS[name]
    answer = r2m.solve(problem, backend, bounds="crown+split(few=0)", gap=1e-7)
    assert answer.objective == pytest.approx(best_sequence(problem)[0], rel=1e-5, abs=1e-6)
    assert answer.has_plan
    assert answer.sound


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_over_a_box_survives(seed: int, sense: str) -> None:
    problem = r2m.BoxProblem(mlp([3, 5, 4, 2], seed=seed), -1.0, 1.5, [1.0, -0.5], sense)
    answer = r2m.solve(problem, bounds="ibp+split(few=0)", gap=1e-7)
    assert answer.objective == pytest.approx(box_optimum(problem), rel=1e-6)


def test_without_a_cutoff_bounds_hold_for_other_initial_states() -> None:
    wide = replace(NONLINEAR, initial_state=r2m.Box([0.3, -0.3], [0.5, -0.1]))
    bounds = compute_bounds(wide.unrolled, [Crown(), Split(cutoff=False, budget=3.0)])
    assert bounds.covers(NONLINEAR)
    assert bounds.unstable <= compute_bounds(wide.unrolled, [Crown()]).unstable
    assert r2m.solve(NONLINEAR, bounds=bounds).objective == pytest.approx(r2m.solve(NONLINEAR).objective, rel=2e-4)


def test_sets_that_no_cell_keeps_are_crossed_bounds() -> None:
    # Each can be had, but not both: after a second state this low, the first one ends below -0.2.
    low = r2m.Linear(state=[[0.0, 1.0]], upper=-1.33, steps=[2])
    high = r2m.Linear(state=[[1.0, 0.0]], lower=-0.15, steps=[4])
    for alone in (low, high):
        assert r2m.solve(replace(NONLINEAR, constraints=[alone])).has_plan
    problem = replace(NONLINEAR, constraints=[low, high])
    crown = compute_bounds(problem.unrolled, [Crown()])
    with pytest.raises(
        CrossedBounds, match=r"no inputs keep all of these within their sets: .*t02\.linear\[0\], t04\.linear\[0\]"
    ):
        Split(few=0).tighten(problem.unrolled, crown)


def test_cells_that_contradict_the_plan_are_forgotten(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    def everything(self: Minorant, cells: Zonotopes) -> np.ndarray:
        return np.ones((len(cells.centre), len(self.row_names)), dtype=bool)

    monkeypatch.setattr(Minorant, "excluded", everything)
    loose = r2m.Linear(state=np.eye(NONLINEAR.n), lower=-1e3)
    problem = replace(NONLINEAR, constraints=[loose])
    crown = compute_bounds(problem.unrolled, [Crown()])
    bounds = compute_bounds(problem.unrolled, [Crown(), Split()])
    assert "no cell holds the plan in hand" in caplog.text
    assert bounds.cutoff is None
    assert bounds.unstable == crown.unstable


def test_limits_leave_what_the_last_whole_round_proved() -> None:
    crown = compute_bounds(NONLINEAR.unrolled, [Crown()])
    few, whole = (compute_bounds(NONLINEAR.unrolled, [Crown(), Split(cells=cells)]) for cells in (8, 4096))
    assert few.provenance[-1].detail["cells"] < whole.provenance[-1].detail["cells"]
    assert whole.unstable <= few.unstable <= crown.unstable
    none = compute_bounds(NONLINEAR.unrolled, [Crown(), Split(budget=1e-9)])
    assert none.provenance[-1].detail["cells"] == 0
    assert none.cutoff is None
    for a, b in zip(none.lower, crown.lower, strict=True):
        np.testing.assert_array_equal(a, b)


def test_auto_splits_few_inputs_only() -> None:
    three, five = replace(NONLINEAR, horizon=3), replace(NONLINEAR, horizon=5)
    long = replace(NONLINEAR, horizon=8, states=r2m.Box(-9, 9))
    discrete = replace(long, controls=r2m.Finite([[-1.0, 1.0]]))
    with limited(1e9, clock=lambda: 0.0):
        found = [compute_bounds(p.unrolled, [Auto()]) for p in (three, five, long, discrete)]
    assert ["cells" in bounds.provenance[-1].detail for bounds in found] == [False, True, False, True]
    assert found[0].unstable < 50 < found[2].unstable
    assert found[1].unstable < compute_bounds(five.unrolled, [Crown()]).unstable
    assert found[3].unstable < found[2].unstable


def test_bad_options() -> None:
    for bad in ({"cells": 1}, {"few": -1}, {"budget": 0.0}, {"seed": -1}):
        with pytest.raises(InvalidOption, match="split"):
            Split(**bad)
    assert str(Split(cells=16, cutoff=False)) == "split(cells=16,cutoff=false)"


@pytest.mark.parametrize("name", ["l1", "linf", "quadratic", "two values"])
def test_the_least_objective_over_the_cells_is_a_bound(name: str) -> None:
    problem = PROBLEMS[name]
    found = compute_bounds(problem.unrolled, [Crown(), Split(few=0, budget=2.0)])
    optimum = r2m.solve(problem, search="tree").objective
    assert -np.inf < found.least <= optimum + 1e-6
