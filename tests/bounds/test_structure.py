"""Implications hold at every point, reach the program as rows, and never move an optimum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Bounds, Crown, Structure, compute_bounds
from relu2mip.errors import InvalidOption
from relu2mip.normal_form import FormBuilder, NormalForm
from tests.bounds.test_bounds import unrolled
from tests.brute_force import best_sequence, box_optimum
from tests.forms import forms, mlp, points
from tests.trajectory.test_plans import PROBLEMS


def broken(bounds: Bounds, values: list[np.ndarray]) -> int:
    """How many implications some point breaks; a unit at zero counts as whichever phase keeps it."""
    form, known, count = bounds.form, bounds.implications, 0
    for k in range(known.size):
        z1 = values[form.values[known.first[k]].input][:, known.first_unit[k]] * known.first_sign[k]
        z2 = values[form.values[known.second[k]].input][:, known.second_unit[k]] * known.second_sign[k]
        count += bool(((z1 > 0) & (z2 < 0)).any())
    return count


@given(form=forms(max_values=12), seed=st.integers(0, 1000))
def test_implications_hold_at_every_point(form: NormalForm, seed: int) -> None:
    bounds = compute_bounds(unrolled(form), [Crown(), Structure(samples=50)])
    assert broken(bounds, form.evaluate_all(points(form, 400, seed))) == 0


def test_implications_hold_along_trajectories() -> None:
    problem = r2m.Trajectory(mlp([3, 8, 8, 2], seed=5), 4, [0.3, -0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-3, 3))
    bounds = compute_bounds(problem.unrolled, [Crown(), Structure()])
    assert bounds.implications.size > 10
    rng = np.random.default_rng(7)
    controls = rng.uniform(-1, 1, (50_000, 4, 1))
    states = problem.rollout(controls)
    inside = (np.abs(states) <= 3).all(axis=(1, 2))
    assert inside.sum() > 1000
    inputs = {f"control@{t}": controls[inside, t] for t in range(4)} | {"state@0": states[inside, 0]}
    assert broken(bounds, problem.unrolled.form.evaluate_all(inputs)) == 0


def test_dominated_units_are_found() -> None:
    """z0 = x - 1, z1 = x + 1, z2 = -x - 1: z0 on => z1 on and z2 off; z1 off => z2 maybe."""
    form = FormBuilder()
    x = form.input("x", 1)
    z = form.affine((x,), (np.array([[1.0], [1.0], [-1.0]]),), np.array([-1.0, 1.0, -1.5]))
    net = form.build({"y": form.affine((form.relu(z),), (np.ones((1, 3)),))})
    known = compute_bounds(unrolled(net), [Crown(), Structure()]).implications
    found = {
        (int(i), int(s), int(j), int(t))
        for i, s, j, t in zip(known.first_unit, known.first_sign, known.second_unit, known.second_sign, strict=True)
    }
    assert {(0, 1, 1, 1), (0, 1, 2, -1), (1, -1, 0, -1), (2, 1, 0, -1)} <= found
    assert (1, 1, 0, 1) not in found


@pytest.mark.parametrize("seed", range(3))
def test_box_optima_survive(seed: int, backend: str) -> None:
    problem = r2m.BoxProblem(mlp([2, 5, 3, 1], seed=seed), -1.0, 1.5, [1.0], "max")
    compiled = r2m.compile(problem, bounds="crown+structure")
    answer = compiled.solve(backend, gap=0.0)
    assert answer.objective == pytest.approx(box_optimum(problem), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ["l1", "next state", "window of two", "network of the state"])
def test_plans_survive(name: str) -> None:
    answer = r2m.solve(PROBLEMS[name], bounds="crown+structure", gap=1e-7)
    assert answer.objective == pytest.approx(best_sequence(PROBLEMS[name])[0], rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("formulation", ["big-m", "ideal", "partition", "convex-hull"])
def test_rows_join_the_program(formulation: str) -> None:
    problem = r2m.BoxProblem(mlp([2, 8, 8, 1], seed=2), -1.0, 1.0, [1.0])
    implied = r2m.compile(problem, bounds="crown+structure", formulation=formulation)
    assert any(name.startswith("implied[") for name in implied.model.row_names)
    plain = r2m.solve(problem, bounds="crown", gap=0.0).objective
    assert implied.solve(gap=0.0).objective == pytest.approx(plain, abs=1e-6)


def test_formulations_without_binaries_go_without() -> None:
    problem = r2m.BoxProblem(mlp([2, 8, 8, 1], seed=2), -1.0, 1.0, [1.0])
    relaxed = r2m.compile(problem, bounds="crown+structure", formulation="triangle").model
    assert not any(name.startswith("implied[") for name in relaxed.row_names)


def test_one_sample_finds_fewer_and_they_hold() -> None:
    problem = r2m.Trajectory(mlp([3, 8, 8, 2], seed=5), 4, [0.3, -0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-3, 3))
    few, many = (compute_bounds(problem.unrolled, [Crown(), Structure(samples=count)]) for count in (1, 2000))
    assert 0 < few.implications.size < many.implications.size
    controls = np.random.default_rng(8).uniform(-1, 1, (20_000, 4, 1))
    states = problem.rollout(controls)
    inside = (np.abs(states) <= 3).all(axis=(1, 2))
    assert inside.sum() > 1000
    inputs = {f"control@{t}": controls[inside, t] for t in range(4)} | {"state@0": states[inside, 0]}
    assert broken(few, problem.unrolled.form.evaluate_all(inputs)) == 0


def test_options_are_checked() -> None:
    with pytest.raises(InvalidOption, match="samples"):
        Structure(samples=0)
