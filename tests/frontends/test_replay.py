"""The original file through onnxruntime: in batches, sample by sample, in float32 and float64."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from onnx import ModelProto, TensorProto
from onnx.defs import onnx_opset_version

from relu2mip.errors import CapabilityMissing, InvalidProblem
from relu2mip.frontends.onnx import Replay, load_onnx
from relu2mip.frontends.onnx.double import in_double
from tests.frontends.networks import build, mlp


@pytest.mark.parametrize("batch", ["N", 1])
@pytest.mark.parametrize("double", [False, True])
def test_batches(batch: int | str, double: bool):
    graph = load_onnx(mlp([3, 16, 2], batch=batch))
    x = np.random.default_rng(0).normal(size=(50, 3))
    result = Replay(graph.source, double=double).run({"x": x})["y"]
    assert result.shape == (50, 2)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, graph.evaluate(x)["y"], rtol=0, atol=1e-13 if double else 1e-5)
    assert (np.abs(result - graph.evaluate(x)["y"]).max() > 1e-12) == (not double)


def test_a_batch_of_one_and_of_none():
    replay = Replay(load_onnx(mlp([3, 2])).source)
    assert replay.run({"x": np.zeros((1, 3))})["y"].shape == (1, 2)
    assert replay.run({"x": np.zeros((0, 3))})["y"].shape == (0, 2)


def test_networks_that_mix_the_samples_of_a_batch_are_run_one_by_one():
    nodes = [("ReduceMax", ["x", "zero"], ["m"]), ("Sub", ["x", "m"], ["y"])]
    graph = load_onnx(build(nodes, {"x": ("N", 2)}, ["y"], {"zero": np.array([0])}))
    x = np.random.default_rng(0).normal(size=(6, 2))
    np.testing.assert_array_equal(Replay(graph.source).run({"x": x})["y"], np.zeros((6, 2)))
    np.testing.assert_array_equal(graph.evaluate(x)["y"], np.zeros((6, 2)))


def test_networks_that_hold_for_one_sample_only_are_run_one_by_one():
    nodes = [("Reshape", ["x", "shape"], ["r"]), ("Neg", ["r"], ["y"])]
    graph = load_onnx(build(nodes, {"x": ("N", 4)}, ["y"], {"shape": np.array([1, 2, 2])}))
    x = np.random.default_rng(0).normal(size=(6, 4))
    np.testing.assert_allclose(Replay(graph.source).run({"x": x})["y"], -x, atol=1e-6)


def test_shapes_that_fix_the_batch_axis():
    model = build([("ReduceSum", ["x", "axes"], ["y"])], {"x": ("N", 2)}, ["y"], {"axes": np.array([0])})
    graph = load_onnx(model, {"x": (3, 2)})
    x = np.random.default_rng(0).normal(size=(5, 6))
    expected = x.reshape(5, 3, 2).sum(axis=1)
    np.testing.assert_allclose(Replay(graph.source, double=True).run({"x": x})["y"], expected)
    np.testing.assert_allclose(graph.evaluate(x)["y"].reshape(5, 2), expected)


def test_float16_and_double_files():
    for dtype, tolerance in ((TensorProto.FLOAT16, 1e-2), (TensorProto.DOUBLE, 1e-14)):
        nodes = [("MatMul", ["x", "w"], ["h"]), ("Relu", ["h"], ["y"])]
        weights = np.array([[1.25, -0.5], [0.1, 2.0]])
        graph = load_onnx(build(nodes, {"x": ("N", 2)}, ["y"], {"w": weights}, dtype=dtype))
        x = np.random.default_rng(0).normal(size=(6, 2))
        np.testing.assert_allclose(Replay(graph.source).run({"x": x})["y"], graph.evaluate(x)["y"], atol=tolerance)
        exact = Replay(graph.source, double=True).run({"x": x})["y"]
        np.testing.assert_allclose(exact, graph.evaluate(x)["y"], atol=1e-14)


def test_no_float64_kernel_is_said():
    constants = {"w": np.ones((1, 1, 2))}
    graph = load_onnx(build([("Conv", ["x", "w"], ["y"])], {"x": ("N", 1, 3)}, ["y"], constants))
    assert Replay(graph.source).run({"x": np.ones((1, 3))})["y"].tolist() == [[2.0, 2.0]]
    with pytest.raises(CapabilityMissing, match=r"cannot run the model in float64: .*Conv"):
        Replay(graph.source, double=True)


def test_the_double_model_has_no_narrow_float():
    nodes = [
        ("Constant", [], ["a"], {"value_float": 0.5}),
        ("Constant", [], ["b"], {"value_floats": [0.5, 1.5]}),
        ("ConstantOfShape", ["s"], ["z"]),
        ("Cast", ["x"], ["c"], {"to": TensorProto.FLOAT}),
        ("Sum", ["a", "b", "z", "c", "w"], ["y"]),
    ]
    model = build(nodes, {"x": (2,)}, {"y": (2,)}, {"s": np.array([2]), "w": np.array([0.25, 3.0])})
    text = str(in_double(model))
    assert "elem_type: 11" in text
    assert "elem_type: 1\n" not in text
    assert "data_type: 1\n" not in text
    graph = load_onnx(model)
    np.testing.assert_allclose(
        Replay(graph.source, double=True).run({"x": np.ones((1, 2))})["y"],
        graph.evaluate(np.ones((1, 2)))["y"],
    )


def test_operator_sets_that_onnxruntime_lacks_are_said():
    newest = onnx_opset_version()
    graph = load_onnx(build([("Relu", ["x"], ["y"])], {"x": (2,)}, ["y"], opset=newest))
    np.testing.assert_array_equal(graph.evaluate([-1.0, 2.0])["y"], [0.0, 2.0])
    later = ModelProto.FromString(graph.source.model)
    later.opset_import[0].version = newest + 100
    with pytest.raises(CapabilityMissing, match="cannot run the model as it is"):
        Replay(replace(graph.source, model=later.SerializeToString()))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "give each of the inputs"),
        ({"z": np.zeros((1, 3))}, "give each of the inputs"),
        ({"x": np.zeros((2, 4))}, "input 'x' has 8 entries"),
    ],
)
def test_inputs_that_do_not_fit(inputs: dict[str, np.ndarray], message: str):
    with pytest.raises(InvalidProblem, match=message):
        Replay(load_onnx(mlp([3, 2])).source).run(inputs)


def test_nothing_is_printed_and_onnxruntime_is_loaded_late():
    code = """
import sys
from relu2mip.frontends.onnx import Replay, load_onnx
from tests.frontends.networks import build
import numpy as np
assert "onnxruntime" not in sys.modules and "torch" not in sys.modules
graph = load_onnx(build([("Conv", ["x", "w"], ["y"])], {"x": ("N", 1, 3)}, ["y"], {"w": np.ones((1, 1, 2))}))
Replay(graph.source).run({"x": np.ones((4, 3))})
try:
    Replay(graph.source, double=True)
except Exception:
    pass
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == result.stderr == ""
