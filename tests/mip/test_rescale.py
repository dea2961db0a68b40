"""Rescaling changes no point and no objective, and reaches every part of a model; answers do not depend on units."""

from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.backends.highs import HighsBackend
from relu2mip.ir import Graph, Linear
from relu2mip.mip import Aids, MipModel
from relu2mip.mip.check import violations
from relu2mip.mip.rescale import Rescaling, rescaled, restored
from relu2mip.mip.run import run
from relu2mip.mip.separator import Cuts
from relu2mip.mip.solution import Solution, Stop
from relu2mip.mip.units import Units
from relu2mip.options import SolveOptions
from relu2mip.registry import formulations
from tests.backends.library import INF, LIBRARY, Case, program
from tests.forms import mlp

EXACT = [name for name, formulation in formulations.items() if formulation.exact and name != "complementarity"]


def unbalanced(net: Graph, decades: float, seed: int = 0) -> Graph:
    """The same function, with each hidden unit multiplied by up to 10^decades or divided by it."""
    rng, nodes = np.random.default_rng(seed), list(net.nodes)
    linear = [k for k, node in enumerate(nodes) if isinstance(node.op, Linear)]
    back = np.ones(nodes[linear[0]].op.matrix.shape[1])
    for k in linear:
        op = nodes[k].op
        scale = 10.0 ** rng.uniform(-decades, decades, op.bias.size) if k != linear[-1] else np.ones(op.bias.size)
        nodes[k] = replace(nodes[k], op=Linear(scale[:, None] * op.matrix * back, scale * op.bias))
        back = 1.0 / scale
    return Graph(net.name, net.inputs, net.outputs, tuple(nodes))


@pytest.mark.parametrize("case", [case for case in LIBRARY if case.name != "crossed bounds"], ids=str)
def test_a_point_means_the_same_before_and_after(case: Case) -> None:
    model = case.build()
    units = Units.of(model)
    new = rescaled(model, units)
    assert (np.log2(units.size) == np.round(np.log2(units.size))).all()
    assert (units.size[model.integer] == 1.0).all()
    assert (units.centre[model.integer] == 0.0).all()
    lower, upper = np.maximum(model.lower, -1e3), np.minimum(model.upper, 1e3)
    for x in np.random.default_rng(0).uniform(lower, upper, (20, model.columns)):
        x = np.where(model.integer, np.round(x), x)
        y = units.inside(x)
        back = restored(Solution(Stop.OPTIMAL, y, new.objective(y), new.objective(y)), model, units)
        assert back.x == pytest.approx(x, rel=1e-12, abs=1e-12)
        assert back.bound == pytest.approx(model.objective(x), rel=1e-12, abs=1e-12)
        found, expected = violations(new, y).largest, violations(model, x).largest
        assert found == pytest.approx(
            expected, rel=0.5, abs=1e-9
        )  # a rounded size may round otherwise in its own units


def test_ranges_become_one_whatever_they_were() -> None:
    model = program([1.0, 1.0, 0.0], [[1e-4, 1e6, 1.0]], [-INF], [6.0], lower=[0, -1e-6, 99998], upper=[1e5, 1e-7, 1e5])
    new = rescaled(model, Units.of(model))
    assert ((new.upper - new.lower > 1.4) & (new.upper - new.lower < 2.9)).all()
    assert (np.maximum(np.abs(new.lower), np.abs(new.upper)) < 3).all()
    assert abs(new.matrix.toarray()).max() < 8
    assert abs(new.matrix.toarray()).min() > 0.1
    assert np.abs(new.cost).max() == pytest.approx(1.0, rel=0.5)


def test_an_offset_leaves_no_digit_behind() -> None:
    """x - 1e9 = z with x in 1e9 ± 1 / 1024: the right-hand side is what is left of two large numbers."""
    far = 1e9 + 1 / 3
    model = program([1.0, 0.0], [[1.0, -3.0]], [far], [far], lower=[far - 1e-3, -1e-3], upper=[far + 1e-3, 1e-3])
    units = Units.of(model)
    new = rescaled(model, units)
    y = units.inside(np.array([far + 3e-4, 1e-4]))
    assert new.matrix @ y == pytest.approx(new.row_upper, abs=1e-3)
    assert abs(new.row_upper) < 1


def test_a_constant_of_the_objective_makes_no_gap_small() -> None:
    model = program([1.0], lower=[1e6 - 1], upper=[1e6 + 1])
    units = Units.of(model)
    assert rescaled(model, units).offset == 0.0
    assert units.range == 2.0
    assert units.gap(1e6, 1e6 - 0.02) == pytest.approx(0.01)
    assert units.gap(0.0, -2e-8) == pytest.approx(0.01)
    assert units.gap(1.0, 1.0) == 0.0


def test_narrow_columns_do_not_blow_rounding_up() -> None:
    model = program([1.0, 0.0], [[1.0, -1.0]], [0.0], [0.0], lower=[1 - 1e-13, 1 - 1e-13], upper=[1 + 1e-13, 1 + 1e-13])
    units = Units.of(model)
    x = np.array([1.0, np.nextafter(1.0, 2)])
    assert violations(model, x, units).largest < 1e-6


def test_columns_that_a_maximum_ties_share_units() -> None:
    model = program([1.0] * 4, lower=-1.0, upper=[1e5, 1.0, 1e-5, 1e3], maxima=[(0, (1, 2), 7.0)])
    units = Units.of(model)
    assert units.size[0] == units.size[1] == units.size[2] != units.size[3]
    assert rescaled(model, units).maxima.constant[0] * units.size[0] == 7.0
    far = program([1.0] * 3, lower=1e4, upper=1e4 + 1, maxima=[(0, (1, 2), 1e4 + 0.5)])
    moved = rescaled(far, Units.of(far))
    assert np.abs(moved.lower).max() < 2
    assert abs(moved.maxima.constant[0]) < 1e-3


def test_where_zero_means_something_nothing_moves() -> None:
    model = program([1.0] * 4, lower=[5.0, 9.0, 5.0, 9.0], upper=[5.5, 9.5, 5.5, 9.5], sos1=[(0, 1)])
    units = Units.of(model)
    assert (units.centre[:2] == 0).all()
    assert (units.centre[2:] > 0).all()


def test_a_separator_sees_the_points_and_rows_of_its_own_model() -> None:
    class Corner:
        """x[0] / 1000 + x[1] <= 1 + 99."""

        def separate(self, x: np.ndarray) -> Cuts:
            row = np.array([[1e-3, 1.0]])
            wrong = np.flatnonzero(row @ x > 100 + 1e-6)
            return Cuts(row[wrong], np.full(wrong.size, 100.0), (row @ x - 1)[wrong], np.zeros(wrong.size, dtype=int))

    model = program([-1.0, -1.0], lower=[0.0, 99.0], upper=[1000.0, 100.0])
    units = Units.of(model)
    assert units.centre[1] == 99.5
    aids = Aids(separators=(Corner(),)).through(model, Rescaling(units))
    cuts = aids.violated(units.inside(np.array([900.0, 99.5])))
    assert len(cuts) == 1
    for x in ([999.0, 99.0], [500.0, 99.6]):
        assert (cuts.matrix @ units.inside(np.array(x)) <= cuts.upper + 1e-12).all() == (x[0] / 1000 + x[1] <= 100)
    assert len(aids.violated(units.inside(np.array([100.0, 99.5])))) == 0


@pytest.mark.parametrize("incumbents", ["auto", "on"])
def test_a_heuristic_sees_the_points_of_its_own_model(incumbents: str) -> None:
    compiled = r2m.compile(r2m.BoxProblem(unbalanced(mlp([4, 9, 9, 1], seed=2), 3), -1, 1, [1.0]), bounds="crown")
    seen: list[MipModel] = []

    class Spy:
        unit = 1.0

        def find(self, model: MipModel, seconds: float) -> np.ndarray:
            seen.append(model)
            return compiled.start_from(np.zeros(4))

        def cost(self, model: MipModel, x: np.ndarray) -> float:
            assert violations(model, x).feasible(1e-5)
            return model.objective(x)

        def rival(self, model: MipModel, x: np.ndarray | None) -> float:
            return np.inf

        def improve(self, model: MipModel, x: np.ndarray, seconds: float) -> None:
            assert violations(model, x).feasible()

    model, aids = compiled.model, Aids(heuristic=Spy())
    plain = run(model, HighsBackend(incumbents="off"), SolveOptions(), aids=aids)
    solution = run(model, HighsBackend(incumbents=incumbents), SolveOptions(), aids=aids)
    assert seen == [model]
    assert solution.objective == pytest.approx(plain.objective, rel=1e-4)


@pytest.mark.parametrize("formulation", EXACT)
def test_unbalanced_units_change_no_answer(formulation: str, backend: str) -> None:
    """Units of 10^±5: as they are, HiGHS drops coefficients and Gurobi loses rows in tolerances."""
    net = mlp([3, 7, 7, 1], seed=1)
    balanced = r2m.solve(r2m.BoxProblem(net, -1, 1, [1.0], "max")).objective
    problem = r2m.BoxProblem(unbalanced(net, 5), -1, 1, [1.0], "max")
    answer = r2m.solve(problem, backend, bounds="crown", formulation=formulation)
    assert answer.status == "optimal"
    assert answer.check.relative_error < 1e-5
    assert answer.objective == pytest.approx(balanced, rel=1e-4)
    assert answer.bound == pytest.approx(balanced, rel=2e-4)


def test_rescaling_can_be_left_out() -> None:
    net = mlp([3, 7, 7, 1], seed=1)
    compiled = r2m.compile(r2m.BoxProblem(net, -1, 1, [1.0]), bounds="crown")
    seen = []

    class Spy(HighsBackend):
        def solve(self, model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
            seen.append(model)
            return super().solve(model, options, aids)

    for rescale in (True, False):
        compiled.solve(Spy(), rescale=rescale)
    assert (seen[1].matrix.data == compiled.model.matrix.data).all()
    assert (seen[0].matrix.data != compiled.model.matrix.data).any()
