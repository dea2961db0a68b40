"""Known faults of other tools, end to end: each is a network or a call that some tool gets silently wrong."""

from pathlib import Path

import numpy as np
import onnx
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidProblem, Relu2MipError, UnboundedUnit, UnknownOption
from relu2mip.frontends.onnx.replay import Replay
from relu2mip.ir.samples import integrator, tiny
from tests import forms
from tests.frontends import networks
from tests.frontends.networks import build

W = np.array([[1.0, -2.0], [3.0, 0.5]])
C = np.array([5.0, 7.0])
KERNEL = np.arange(4.0).reshape(1, 1, 2, 2)

FAULTS = {
    "Gemm with transA": build(
        [("Gemm", ["x", "w", "c"], ["y"], {"transA": 1})], {"x": (2, 3)}, ["y"], {"w": W, "c": C}
    ),
    "bias through Identity": build(
        [("Identity", ["c"], ["b"]), ("Gemm", ["x", "w", "b"], ["h"]), ("Relu", ["h"], ["y"])],
        {"x": ("N", 2)}, ["y"], {"w": W, "c": C},
    ),
    "Gemm with no attributes": build([("Gemm", ["x", "w"], ["y"])], {"x": ("N", 2)}, ["y"], {"w": W}),
    "Gemm with alpha and beta": build(
        [("Gemm", ["x", "w", "c"], ["y"], {"alpha": 0.5, "beta": 2.0})], {"x": ("N", 2)}, ["y"], {"w": W, "c": C}
    ),
    "Conv with a bias": build(
        [("Conv", ["x", "k", "b"], ["h"]), ("Relu", ["h"], ["y"])],
        {"x": ("N", 1, 3, 3)}, ["y"], {"k": KERNEL, "b": np.array([5.0])},
    ),
    "MatMul without Add": build([("MatMul", ["x", "w"], ["y"])], {"x": ("N", 2)}, ["y"], {"w": W}),
    "a Relu of its own": build([("Relu", ["x"], ["y"])], {"x": ("N", 2)}, ["y"]),
    "a residual sum": build(
        [("MatMul", ["x", "w"], ["h"]), ("Relu", ["h"], ["r"]), ("Add", ["r", "x"], ["y"])],
        {"x": ("N", 2)}, ["y"], {"w": W},
    ),
    "Constant nodes for weights": build(
        [("Gemm", ["x", "w", "c"], ["h"]), ("Relu", ["h"], ["y"])], {"x": ("N", 2)}, ["y"], {"w": W, "c": C},
        as_nodes=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_the_optimum_is_what_onnxruntime_computes(name: str, backend: str) -> None:
    model = FAULTS[name]
    net = r2m.load(model.SerializeToString())
    weights = np.arange(1.0, 1.0 + net.output_size)
    answer = r2m.solve(r2m.BoxProblem(net, -1.0, 1.0, weights, "max"), backend)
    x = np.random.default_rng(0).uniform(-1, 1, (500, net.input_size))
    x[0] = np.concatenate([v.ravel() for v in answer.inputs.values()])
    y = Replay(net.source).run({net.inputs[0].name: x})[net.outputs[0].name] @ weights
    assert y[0] == pytest.approx(answer.objective, rel=1e-5)
    assert y.max() <= answer.objective + 1e-4


def test_stable_units_get_no_binary() -> None:
    """Two provably active units: other tools keep two binaries."""
    compiled = r2m.compile(r2m.BoxProblem(tiny(), [2, -1], [3, 1], [1.0]))
    assert compiled.model.binaries == 0
    assert compiled.statistics.stable == 2


def test_names_are_the_same_on_every_run() -> None:
    problem = r2m.Trajectory(integrator(), 2, [0.0, 1.0], r2m.Box(-1, 1), "change", cost=r2m.costs.L1(state=1.0))
    first, second = r2m.compile(problem).model, r2m.compile(problem).model
    assert list(first.column_names) == list(second.column_names)
    assert "t02.state[1]" in list(first.column_names)
    assert len(set(first.column_names)) == first.columns
    assert len(set(first.row_names)) == first.rows


def test_no_bound_is_made_up() -> None:
    """An infinite box: other tools use M = 0 or +-1e6."""
    with pytest.raises(InvalidProblem, match=r"lower is -inf; give finite limits"):
        r2m.BoxProblem(tiny(), -np.inf, 1, [1.0])
    states = r2m.Box([-np.inf, -1], [np.inf, 1])
    problem = r2m.Trajectory(integrator(), 2, [0.0, 0.0], r2m.Box(-1, 1), "change", states=states)
    assert r2m.compile(problem).all_bounds.finite()
    with pytest.raises(InvalidProblem, match=r"controls: the box \[-inf, inf\]"):
        r2m.Trajectory(integrator(), 2, [0.0, 0.0], r2m.Box(-np.inf, np.inf), "change")
    assert issubclass(UnboundedUnit, Relu2MipError)


@pytest.mark.parametrize("source", ["file", "hand"])
def test_an_option_reaches_every_network(tmp_path: Path, source: str) -> None:
    """The formulation and bounds asked for are used wherever the network came from, or refused."""
    net = forms.mlp([2, 6, 6, 1], seed=1)
    if source == "file":
        onnx.save(networks.mlp([2, 6, 6, 1], seed=1), tmp_path / "net.onnx")
        net = r2m.load(tmp_path / "net.onnx")
    problem = r2m.BoxProblem(net, -1, 1, np.ones(net.output_size))
    loose, tight = (r2m.compile(problem, bounds=bounds, formulation="big-m").model for bounds in ("ibp", "crown+lp"))
    assert loose.binaries >= tight.binaries > 0
    assert loose.sos1 is None
    assert np.abs(loose.matrix.data).max() > 1.01 * np.abs(tight.matrix.data).max()
    sets = r2m.compile(problem, bounds="ibp", formulation="sos1").model
    assert sets.binaries == 0
    assert len(sets.sos1) == loose.binaries
    with pytest.raises(UnknownOption, match="did you mean 'big-m'"):
        r2m.compile(problem, formulation="bigm")


def test_unknown_options_are_errors() -> None:
    problem = r2m.BoxProblem(tiny(), -1, 1, [1.0])
    with pytest.raises(UnknownOption, match="did you mean 'time_limit'"):
        r2m.solve(problem, timelimit=3)
    with pytest.raises(UnknownOption, match="unknown backend 'hihgs': did you mean 'highs'"):
        r2m.solve(problem, "hihgs")


def test_the_backends_agree_on_cartpole() -> None:
    problem = r2m.Trajectory.from_toml("examples/cartpole/problem.toml")
    objectives = [r2m.solve(problem, name).objective for name in ("highs", "gurobi", "cvxpy")]
    np.testing.assert_allclose(objectives, objectives[0], rtol=1e-4)
