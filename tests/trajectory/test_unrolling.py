"""What sets say of the boxes that bounds start from."""

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InfeasibleProblem
from tests.brute_force import best_sequence
from tests.trajectory.test_plans import plan


def box(problem: r2m.Trajectory, step: int) -> tuple[np.ndarray, np.ndarray]:
    return problem.unrolled.domain[problem.unrolled.form.outputs[f"state@{step}"]]


def test_a_constraint_on_one_state_narrows_its_box_where_it_holds() -> None:
    problem = plan(
        constraints=[r2m.Linear(state=[[-2.0, 0.0], [1.0, 1.0]], lower=[-2.6, -9], upper=[1.0, 9], steps=[2, 3])]
    )
    for step, expected in ((1, (-3, 3)), (2, (-0.5, 1.3)), (3, (-0.5, 1.3)), (4, (-3, 3))):
        low, high = box(problem, step)
        np.testing.assert_allclose((low[0], high[0]), expected)
        np.testing.assert_allclose((low[1], high[1]), (-3, 3))
    best, _ = best_sequence(problem)
    assert r2m.solve(problem).objective == pytest.approx(best, abs=1e-6)


def test_sets_that_exclude_each_other_are_named_by_the_solver() -> None:
    problem = plan(constraints=[r2m.Linear(state=[[0.0, 1.0]], lower=5.0, name="fast")])
    np.testing.assert_allclose(box(problem, 1), [[-3, -3], [3, 3]])
    with pytest.raises(InfeasibleProblem, match="fast"):
        r2m.solve(problem)
