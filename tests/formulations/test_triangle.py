"""The triangle relaxation holds every point of the network, and its optimum bounds the problem's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Crown, compute_bounds
from relu2mip.formulations import Encoder, Triangle
from relu2mip.mip import ModelBuilder
from relu2mip.mip.run import run
from relu2mip.normal_form import NormalForm
from relu2mip.options import SolveOptions
from relu2mip.pipeline.specs import resolve_backend
from tests.bounds.test_bounds import unrolled
from tests.brute_force import box_optimum
from tests.forms import forms, points
from tests.formulations.test_exactness import SMALL_NETS


@given(form=forms(), seed=st.integers(0, 1000))
def test_every_point_of_the_form_satisfies_the_rows(form: NormalForm, seed: int) -> None:
    bounds = compute_bounds(unrolled(form), [Crown()])
    builder = ModelBuilder()
    encoder = Encoder(form, builder, every_affine=True)
    for _ in form.values:
        encoder.add(bounds.lower, bounds.upper, Triangle())
    model = builder.build()
    assert model.binaries == 0
    values = form.evaluate_all(points(form, 64, seed))
    for k in range(64):
        x = np.concatenate([value[min(k, len(value) - 1)] for value in values])
        activity = model.matrix @ x
        assert (activity >= model.row_lower - 1e-9).all()
        assert (activity <= model.row_upper + 1e-9).all()
        assert ((x >= model.lower - 1e-9) & (x <= model.upper + 1e-9)).all()


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("name", SMALL_NETS)
def test_its_optimum_bounds_the_exact_one(name: str, sense: str) -> None:
    net = SMALL_NETS[name]
    problem = r2m.BoxProblem(net, np.full(net.input_size, -1.0), 1.5, np.ones(net.output_size), sense)
    compiled = r2m.compile(problem, formulation="triangle")
    relaxed = run(compiled.model, resolve_backend("highs"), SolveOptions()).objective
    sign = 1.0 if sense == "min" else -1.0
    assert relaxed <= sign * box_optimum(problem) + 1e-7


def test_its_answer_is_what_the_network_makes_of_the_inputs() -> None:
    net = SMALL_NETS["mlp 3-4-4-2"]
    problem = r2m.BoxProblem(net, -2, 2, [1.0, -1.0], "max")
    answer = r2m.solve(problem, formulation="triangle")
    assert answer.bound > box_optimum(problem) + 1e-3
    assert answer.objective <= box_optimum(problem) + 1e-9
    assert (answer.status, answer.exact, answer.has_plan) == ("relaxed", False, True)
    assert answer.objective == pytest.approx(float(problem.evaluate(answer.inputs["x"])[0]))
