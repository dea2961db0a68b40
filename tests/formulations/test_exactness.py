"""Every formulation on every backend is the network: pinned inputs, optima over boxes, and plans."""

from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import CapabilityMissing
from relu2mip.mip import MipModel
from relu2mip.mip.run import ask
from relu2mip.options import SolveOptions
from relu2mip.pipeline.specs import resolve_backend
from relu2mip.registry import formulations
from tests.brute_force import box_optimum
from tests.forms import mlp
from tests.ir.test_ops import OPS, one_node

EXACT = [name for name, formulation in formulations.items() if formulation.exact]

SMALL_NETS = {
    **{name: one_node(op, sizes) for name, (op, sizes) in OPS.items() if sizes},
    "mlp 2-4-1": mlp([2, 4, 1], seed=1),
    "mlp 3-4-4-2": mlp([3, 4, 4, 2], seed=2),
    "mlp 1-3-3-2-1": mlp([1, 3, 3, 2, 1], seed=3, scale=2.0),
}

ONLY_ON = {"complementarity": "gurobi"}
"""The backend of a formulation that no other takes, natively or rewritten; the others must refuse it."""


def must_refuse(backend: str, formulation: str, model: MipModel) -> bool:
    """Whether a backend has to refuse a model; one without any unit to encode is taken by all."""
    return backend != ONLY_ON.get(formulation, backend) and model.pairs is not None


@pytest.mark.parametrize("formulation", EXACT)
@pytest.mark.parametrize("name", SMALL_NETS)
def test_pinned_inputs_give_the_network(name: str, formulation: str, backend: str) -> None:
    net = SMALL_NETS[name]
    problem = r2m.BoxProblem(net, -2, 2, np.zeros(net.output_size))
    compiled = r2m.compile(problem, formulation=formulation)
    if must_refuse(backend, formulation, compiled.model):
        with pytest.raises(CapabilityMissing, match=f"backends that do: {ONLY_ON[formulation]}$"):
            compiled.solve(backend)
        return
    columns = np.concatenate([compiled.model.values[port.name] for port in net.inputs])
    rng = np.random.default_rng(0)
    for point in (rng.uniform(-2, 2, net.input_size), np.zeros(net.input_size), np.full(net.input_size, 2.0)):
        lower, upper = compiled.model.lower.copy(), compiled.model.upper.copy()
        lower[columns] = upper[columns] = point
        solution = ask(replace(compiled.model, lower=lower, upper=upper), resolve_backend(backend), SolveOptions())
        values = {k: e.evaluate(solution.x) for k, e in compiled.expressions.items()}
        expected = net.evaluate_flat(problem.split(point))
        for port in net.outputs:
            np.testing.assert_allclose(values[port.name], expected[port.name][0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("formulation", EXACT)
@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("name", SMALL_NETS)
def test_the_optimum_over_a_box_is_the_one_by_enumeration(
    name: str, sense: str, formulation: str, backend: str
) -> None:
    net = SMALL_NETS[name]
    weights = (
        np.random.default_rng(1).integers(1, 4, net.output_size) * np.array([1, -1])[np.arange(net.output_size) % 2]
    )
    problem = r2m.BoxProblem(net, np.full(net.input_size, -1.0), 1.5, weights, sense)
    compiled = r2m.compile(problem, formulation=formulation)
    if must_refuse(backend, formulation, compiled.model):
        with pytest.raises(CapabilityMissing, match=f"backends that do: {ONLY_ON[formulation]}$"):
            compiled.solve(backend, gap=0.0)
        return
    answer = compiled.solve(backend, gap=0.0)
    assert answer.objective == pytest.approx(box_optimum(problem), rel=1e-6, abs=1e-6)
    assert answer.has_plan
    assert answer.status == "optimal"
    assert answer.check.max_error <= 1e-6
