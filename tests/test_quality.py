"""Quality figures: the root value is a bound, and the figures are those of the model."""

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.quality import quality
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


@pytest.mark.parametrize("name", ["l1", "quadratic"])
def test_plans(name: str) -> None:
    figures = quality(r2m.compile(PROBLEMS[name], bounds="crown+cutoff"))
    objective = r2m.solve(PROBLEMS[name]).objective
    assert figures.root <= objective + 1e-6
    assert figures.best == pytest.approx(objective, rel=1e-4)
    assert figures.spread >= 1.0
    assert np.isfinite(list(figures.to_dict().values())).all()
