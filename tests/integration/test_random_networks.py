"""Random networks of every operator: the program with pinned inputs is the network, and optima are the true ones."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.frontends.onnx.replay import Replay
from relu2mip.mip.run import ask
from relu2mip.options import SolveOptions
from relu2mip.pipeline.specs import resolve_backend
from tests.brute_force import box_optimum
from tests.conftest import installed_backends
from tests.frontends.networks import networks


@settings(max_examples=25)
@given(model=networks(max_units=8), seed=st.integers(0, 1000))
def test_pinned_inputs_give_what_onnxruntime_gives(model: onnx.ModelProto, seed: int) -> None:
    net = r2m.load(model.SerializeToString())
    problem = r2m.BoxProblem(net, -1.0, 1.0, np.zeros(net.output_size))
    compiled = r2m.compile(problem)
    point = np.random.default_rng(seed).uniform(-1, 1, net.input_size)
    columns = np.concatenate([compiled.model.values[port.name] for port in net.inputs])
    lower, upper = compiled.model.lower.copy(), compiled.model.upper.copy()
    lower[columns] = upper[columns] = point
    expected = net.evaluate_flat(problem.split(point))
    single = Replay(net.source).run(problem.split(point))
    for name in installed_backends():
        solution = ask(replace(compiled.model, lower=lower, upper=upper), resolve_backend(name), SolveOptions())
        for port in net.outputs:
            found = compiled.expressions[port.name].evaluate(solution.x)
            scale = max(1.0, np.abs(expected[port.name]).max())
            np.testing.assert_allclose(found, expected[port.name][0], atol=1e-6 * scale)
            np.testing.assert_allclose(found, single[port.name][0], atol=1e-4 * scale)


@settings(max_examples=20)
@given(model=networks(max_units=6), seed=st.integers(0, 1000))
def test_optima_are_the_same_on_all_backends_and_by_enumeration(model: onnx.ModelProto, seed: int) -> None:
    net = r2m.load(model.SerializeToString())
    rng = np.random.default_rng(seed)
    weights = rng.integers(-3, 4, net.output_size).astype(float)
    problem = r2m.BoxProblem(
        net, rng.uniform(-1.5, -0.5, net.input_size), 1.0, weights, str(rng.choice(["min", "max"]))
    )
    exact = box_optimum(problem)
    for name in installed_backends():
        answer = r2m.solve(problem, name, gap=0.0)
        assert answer.objective == pytest.approx(exact, rel=1e-6, abs=1e-6 * max(1.0, np.abs(weights).sum()))
        assert answer.has_plan
