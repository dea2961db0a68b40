"""Quality figures: the root value is a bound, and the figures are those of the model."""

import numpy as np
import pytest
import scipy.sparse as sp

import relu2mip as r2m
from relu2mip.backends.highs import HighsBackend
from relu2mip.mip.condition import basis_matrix, condition_estimate
from relu2mip.pipeline.quality import quality
from relu2mip.registry import formulations
from tests.forms import mlp
from tests.trajectory.test_plans import PROBLEMS


@pytest.mark.parametrize("sense", ["min", "max"])
def test_the_root_is_a_bound_that_better_bounds_raise(sense: str) -> None:
    problem = r2m.BoxProblem(mlp([3, 8, 8, 1], seed=3), -1, 1, [1.0], sense)
    exact = r2m.solve(problem, gap=0.0).objective
    sign = 1.0 if sense == "min" else -1.0
    loose, tight = (quality(r2m.compile(problem, bounds=spec), best=exact) for spec in ("ibp", "crown+lp"))
    assert sign * loose.root <= sign * tight.root + 1e-9
    assert sign * tight.root <= sign * exact + 1e-7
    assert loose.gap >= tight.gap - 1e-9
    assert loose.largest_m >= tight.largest_m - 1e-9


@pytest.mark.parametrize("formulation", formulations)
def test_the_root_of_every_formulation_is_a_bound_no_weaker_than_that_of_a_weaker_one(formulation: str) -> None:
    problem = r2m.BoxProblem(mlp([3, 6, 6, 1], seed=3), -1, 1, [1.0], "max")
    exact = r2m.solve(problem, gap=0.0).objective
    found = r2m.compile(problem, bounds="crown", formulation=formulation).quality(best=exact)
    assert found.root >= exact - 1e-7
    triangle = r2m.compile(problem, bounds="crown", formulation="triangle").quality().root
    if formulation in {"big-m", "ideal", "convex-hull", "partition", "policy"}:
        assert found.root <= triangle + 1e-6
    if formulation in {"sos1", "indicator", "max-constraint", "complementarity"}:
        assert found.root >= triangle - 1e-6  # what is not a row is left out


def test_the_best_plan_is_looked_for_where_the_bounds_found_none() -> None:
    compiled = r2m.compile(PROBLEMS["l1"], bounds="crown")
    assert compiled.all_bounds.plan is None
    assert compiled.quality().best == pytest.approx(r2m.solve(PROBLEMS["l1"]).objective, rel=0.05)
    assert compiled.quality(best=7.0).best == 7.0


@pytest.mark.parametrize("name", ["l1", "quadratic"])
def test_plans(name: str) -> None:
    figures = quality(r2m.compile(PROBLEMS[name], bounds="crown+cutoff"))
    objective = r2m.solve(PROBLEMS[name]).objective
    assert figures.root <= objective + 1e-6
    assert figures.best == pytest.approx(objective, rel=1e-4)
    assert figures.spread >= 1.0
    assert np.isfinite(list(figures.to_dict().values())).all()


def small_basis(formulation: str, seed: int) -> tuple[sp.csc_array, float]:
    compiled = r2m.compile(r2m.BoxProblem(mlp([3, 6, 6, 1], seed=seed), -1, 1, [1.0]), "crown", formulation)
    native = HighsBackend().emit(compiled.model).model
    native.setOptionValue("solve_relaxation", True)
    native.run()
    return basis_matrix(compiled.model.matrix, native), compiled.quality().condition


@pytest.mark.parametrize("formulation", ["big-m", "convex-hull", "partition"])
@pytest.mark.parametrize("seed", range(5))
def test_the_condition_is_that_of_the_optimal_basis(formulation: str, seed: int) -> None:
    basis, found = small_basis(formulation, seed)
    assert basis.shape[0] == basis.shape[1] > 0
    exact = np.linalg.cond(basis.toarray(), 1)
    assert exact / 3 <= found <= exact * (1 + 1e-9)


def test_the_condition_follows_the_scale_of_units() -> None:
    """Columns of very different size need more digits."""
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(40, 40))
    for spread in (1.0, 1e3, 1e6):
        scaled = basis * spread ** rng.uniform(-1, 1, 40)
        exact = np.linalg.cond(scaled, 1)
        assert exact / 3 <= condition_estimate(sp.csc_array(scaled)) <= exact * (1 + 1e-9)


def test_the_condition_of_special_bases() -> None:
    assert condition_estimate(sp.csc_array((0, 0))) == 1.0
    assert condition_estimate(sp.eye_array(5, format="csc")) == 1.0
    assert condition_estimate(sp.csc_array([[1.0, 2.0], [2.0, 4.0]])) == np.inf


def test_nothing_is_said_of_a_root_that_is_not_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    monkeypatch.setattr("relu2mip.pipeline.quality.run", lambda _, seconds: asked.append(seconds) or "kTimeLimit")
    figures = quality(r2m.compile(PROBLEMS["l1"], bounds="crown"), best=1.0, time_limit=0.5)
    assert asked == [0.5]
    assert np.isnan([figures.root, figures.gap, figures.condition]).all()
