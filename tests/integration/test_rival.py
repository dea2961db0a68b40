"""A quick look around a plan finds what a solver missed: problems on which solvers proved bounds above a plan."""

import numpy as np
import pytest

import relu2mip as r2m
from benchmarks.trials.draw import sketch
from relu2mip.incumbent.rival import neighbours, rival
from relu2mip.ir.samples import integrator
from relu2mip.trajectory.given import given_plan


@pytest.mark.parametrize(
    ("seed", "backend", "formulation", "best"),
    [(500369, "cvxpy", "partition", 2.7092633), (500284, "gurobi", "regions", 27.9789533)],
    ids=["HiGHS 1.15.1 in CVXPY", "Gurobi 13.0.3"],
)
def test_a_wrong_optimum_is_doubted(seed: int, backend: str, formulation: str, best: float) -> None:
    """Called optimal at 4.0453 and 52.322 with presolve; enumeration finds the best."""
    answer = r2m.solve(sketch(seed).problem(), backend, bounds="crown", formulation=formulation, threads=1)
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(best, rel=1e-4)
    assert answer.bound <= best * (1 + 1e-6)


def test_neighbours_differ_in_one_entry_and_a_rival_is_a_plan() -> None:
    problem = r2m.Trajectory(
        integrator(), horizon=3, initial_state=[1.0, 0.5], predicts="change", controls=r2m.Finite([[-1.0, 0.0, 1.0]]),
        states=r2m.Box(-3, 3), cost=r2m.costs.L1(state=1.0),
    )  # fmt: skip
    plan, objective = given_plan(problem, [[1.0], [1.0], [1.0]]), problem.unrolled.objective()
    near = neighbours(objective, plan, np.random.default_rng(0))
    changed = np.stack([near[f"control@{t}"][:, 0] != 1.0 for t in range(3)], axis=1)
    assert changed.sum(axis=1).max() == 1
    assert changed.sum() == 6
    found = rival(problem.unrolled, plan)
    assert found is not None
    controls = np.array([found.inputs[f"control@{t}"] for t in range(3)])
    assert found.cost == pytest.approx(problem.evaluate_cost(problem.rollout(controls), controls))
    assert found.cost < plan.cost
