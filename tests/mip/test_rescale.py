"""Scaling changes no point and no objective, reaches every part of a model, and saves badly scaled networks."""

from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.backends.highs import HighsBackend
from relu2mip.errors import InvalidOption
from relu2mip.ir import Graph, Linear
from relu2mip.mip import MipModel
from relu2mip.mip.check import violations
from relu2mip.mip.rescale import RESCALED, RescalingSolver, column_scale, needs_rescaling, rescaled, spread
from relu2mip.mip.run import run
from relu2mip.mip.separator import Cuts
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
    scale = column_scale(model)
    new = rescaled(model, scale)
    assert (np.log2(scale) == np.round(np.log2(scale))).all()
    assert (scale[model.integer] == 1.0).all()
    lower, upper = np.maximum(model.lower, -1e3), np.minimum(model.upper, 1e3)
    for x in np.random.default_rng(0).uniform(lower, upper, (20, model.columns)):
        x = np.where(model.integer, np.round(x), x)
        assert new.objective(x / scale) == pytest.approx(model.objective(x), rel=1e-12, abs=1e-12)
        assert not violations(new, x / scale).worst or violations(model, x).worst
    assert ((new.lower * scale == model.lower) | ~np.isfinite(model.lower)).all()


def test_sizes_become_one() -> None:
    model = program([1.0, 1.0], [[1e-4, 1e6]], [-INF], [1.0], lower=[0.0, -1e-6], upper=[1e5, 1e-7])
    new = rescaled(model, column_scale(model))
    assert spread(model) == pytest.approx(1e10)
    assert spread(new) < 20
    largest = np.maximum(np.abs(new.lower), np.abs(new.upper))
    assert (largest > 0.7).all()
    assert (largest < 1.5).all()


def test_coefficients_of_rounding_do_not_count() -> None:
    noise = program([1.0, 1.0], [[1e-17, 1.0]], [-INF], [1.0], upper=2.0)
    assert spread(noise) > 1e16
    assert not needs_rescaling(noise)
    settled = program([1.0, 1.0], [[1.0, -1e-14]], [-INF], [0.0], upper=[1e-14, 1.0], integer=[False, True])
    assert not needs_rescaling(settled)
    assert needs_rescaling(program([1.0, 1.0], [[1e-10, 1.0]], [-INF], [1.0], upper=[1e9, 2.0]))


def test_columns_that_a_maximum_ties_share_a_scale() -> None:
    model = program([1.0] * 4, lower=-1.0, upper=[1e5, 1.0, 1e-5, 1e3], maxima=[(0, (1, 2), 7.0)])
    scale = column_scale(model)
    assert scale[0] == scale[1] == scale[2] != scale[3]
    assert rescaled(model, scale).maxima.constant[0] * scale[0] == 7.0


def test_a_separator_sees_the_points_and_rows_of_its_own_model() -> None:
    class Corner:
        """x[0] / 1000 + x[1] <= 1."""

        def separate(self, x: np.ndarray) -> Cuts:
            row = np.array([[1e-3, 1.0]])
            wrong = np.flatnonzero(row @ x > 1 + 1e-6)
            return Cuts(row[wrong], np.ones(wrong.size), (row @ x - 1)[wrong], np.zeros(wrong.size, dtype=int))

    model = replace(program([-1.0, -1.0], upper=[1000.0, 1.0]), separators=(Corner(),))
    scale = column_scale(model)
    (separator,) = rescaled(model, scale).separators
    cuts = separator.separate(np.array([900.0, 0.5]) / scale)
    assert len(cuts) == 1
    for x in ([999.0, 0.0], [500.0, 0.6]):
        assert (cuts.matrix @ (x / scale) <= cuts.upper + 1e-12).all() == (x[0] / 1000 + x[1] <= 1)
    assert len(separator.separate(np.array([100.0, 0.5]) / scale)) == 0


@pytest.mark.parametrize("incumbents", ["auto", "on"])
def test_a_heuristic_sees_the_points_of_its_own_model(incumbents: str) -> None:
    compiled = r2m.compile(r2m.BoxProblem(unbalanced(mlp([4, 9, 9, 1], seed=2), 3), -1, 1, [1.0]), bounds="crown")
    seen: list[MipModel] = []

    class Spy:
        def find(self, model: MipModel, seconds: float) -> np.ndarray:
            seen.append(model)
            return compiled.start_from(np.zeros(4))

        def improve(self, model: MipModel, x: np.ndarray, seconds: float) -> None:
            assert violations(model, x).feasible()

    model = compiled.model.with_heuristic(Spy())
    plain = run(model, HighsBackend(incumbents="off"), SolveOptions(rescale="on"))
    solution = RescalingSolver(HighsBackend(incumbents=incumbents)).solve(model, SolveOptions())
    assert seen == [model]
    assert solution.objective == pytest.approx(plain.objective, rel=1e-4)


@pytest.mark.parametrize("formulation", EXACT)
def test_unbalanced_units_change_no_answer(formulation: str, backend: str) -> None:
    """Units of 10^±5: without scaling, HiGHS drops coefficients and Gurobi loses rows in tolerances."""
    net = mlp([3, 7, 7, 1], seed=1)
    balanced = r2m.solve(r2m.BoxProblem(net, -1, 1, [1.0], "max")).objective
    problem = r2m.BoxProblem(unbalanced(net, 5), -1, 1, [1.0], "max")
    answer = r2m.solve(problem, backend, bounds="crown", formulation=formulation)
    assert (RESCALED in answer.lowered) == (formulation != "regions")  # which has no units left
    assert answer.check.max_error < 1e-6
    assert answer.check.rows < 1e-2  # 1e-7 of a unit of size 10^5
    assert answer.objective == pytest.approx(balanced, rel=1e-4)
    assert answer.bound == pytest.approx(balanced, rel=2e-4)


def test_auto_leaves_what_is_well_scaled() -> None:
    compiled = r2m.compile(r2m.BoxProblem(mlp([3, 7, 7, 1], seed=1), -1, 1, [1.0]), bounds="crown")
    assert not needs_rescaling(compiled.model)
    assert RESCALED not in compiled.solve().lowered
    assert RESCALED in compiled.solve(rescale="on").lowered
    wild = r2m.compile(r2m.BoxProblem(unbalanced(mlp([3, 7, 7, 1], seed=1), 5), -1, 1, [1.0]), bounds="crown")
    assert needs_rescaling(wild.model)
    assert wild.solve(rescale="off").lowered == ()


def test_a_misspelt_choice_is_refused() -> None:
    with pytest.raises(InvalidOption, match="rescale is 'yes'"):
        SolveOptions(rescale="yes")
