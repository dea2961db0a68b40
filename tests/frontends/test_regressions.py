"""Faults known of other tools: each of these was computed wrongly, or refused, elsewhere."""

import numpy as np
import onnx
import pytest

from relu2mip.frontends.onnx import load_onnx
from tests.frontends.networks import build
from tests.frontends.oracle import agrees

A = np.array([[1.0, 2.0], [3.0, 4.0]])


def test_gemm_with_trans_a():
    model = build([("Gemm", ["x", "b"], ["y"], {"transA": 1})], {"x": (2, 2)}, {"y": (2, 2)}, {"b": A})
    np.testing.assert_array_equal(agrees(model).evaluate(A)["y"], A.T @ A)


def test_bias_that_reaches_gemm_through_identity():
    nodes = [("Identity", ["bias"], ["c"]), ("Gemm", ["x", "b", "c"], ["y"])]
    model = build(nodes, {"x": ("N", 2)}, ["y"], {"b": A, "bias": np.array([5.0, 7.0])})
    np.testing.assert_array_equal(agrees(model).evaluate([0.0, 0.0])["y"], [5.0, 7.0])


def test_weights_that_reach_matmul_through_a_chain():
    nodes = [
        ("Identity", ["w"], ["w1"]),
        ("Transpose", ["w1"], ["w2"]),
        ("Cast", ["w2"], ["w3"], {"to": onnx.TensorProto.FLOAT}),
        ("MatMul", ["x", "w3"], ["y"]),
    ]
    np.testing.assert_array_equal(
        agrees(build(nodes, {"x": ("N", 2)}, ["y"], {"w": A})).evaluate([1.0, 0.0])["y"], [1.0, 3.0]
    )


def test_the_bias_of_a_convolution():
    constants = {"w": np.ones((2, 1, 2, 2)), "b": np.array([5.0, -3.0])}
    model = build([("Conv", ["x", "w", "b"], ["y"])], {"x": ("N", 1, 2, 2)}, ["y"], constants)
    np.testing.assert_array_equal(agrees(model).evaluate(np.zeros((1, 2, 2)))["y"].ravel(), [5.0, -3.0])


@pytest.mark.parametrize(
    ("op", "constants"),
    [
        ("Gemm", {"b": A, "c": np.ones(2)}),
        ("LeakyRelu", {}),
        ("HardSigmoid", {}),
        ("Flatten", {}),
        ("BatchNormalization", {"s": np.ones(2), "b": np.ones(2), "m": np.ones(2), "v": np.ones(2)}),
    ],
)
def test_absent_attributes_have_the_defaults_of_the_operator(op: str, constants: dict[str, np.ndarray]):
    agrees(build([(op, ["x", *constants], ["y"])], {"x": (1, 2)}, ["y"], constants))


@pytest.mark.parametrize("as_nodes", [False, True], ids=["initializers", "nodes"])
def test_constants_as_nodes_or_initializers(as_nodes: bool):
    nodes = [
        ("MatMul", ["x", "w"], ["a"]),
        ("Add", ["b", "a"], ["h"]),
        ("Clip", ["h", "low", "high"], ["c"]),
        ("Reshape", ["c", "shape"], ["y"]),
    ]
    constants = {
        "w": A,
        "b": np.array([1.0, -1.0]),
        "low": np.array(-1.0),
        "high": np.array(2.0),
        "shape": np.array([-1, 2, 1]),
    }
    agrees(build(nodes, {"x": ("N", 2)}, ["y"], constants, as_nodes=as_nodes))


def test_initializers_that_are_listed_as_inputs():
    model = build([("Gemm", ["x", "b"], ["y"])], {"x": ("N", 2)}, ["y"], {"b": A})
    model.graph.input.append(onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, (2, 2)))
    assert [port.name for port in agrees(model).inputs] == ["x"]


def test_activations_of_their_own_and_shared_ones():
    """A ReLU that is not fused after a layer, and a layer that several nodes read before and after its ReLU."""
    nodes = [
        ("Relu", ["x"], ["r"]),
        ("Gemm", ["r", "w"], ["h"]),
        ("Relu", ["h"], ["a"]),
        ("Neg", ["h"], ["b"]),
        ("Add", ["h", "shift"], ["c"]),
        ("Sum", ["a", "b", "c", "x"], ["y"]),
    ]
    agrees(build(nodes, {"x": ("N", 2)}, ["y", "h"], {"w": A, "shift": np.array([1.0, 2.0])}))


def test_residual_concat_slice_with_several_inputs_and_outputs():
    nodes = [
        ("Concat", ["s", "u"], ["z"], {"axis": 1}),
        ("Gemm", ["z", "w1"], ["h"]),
        ("Relu", ["h"], ["a"]),
        ("Slice", ["a", "zero", "two", "one"], ["front"]),
        ("Add", ["front", "s"], ["next"]),
        ("ReduceSum", ["a", "one"], ["cost"], {"keepdims": 0}),
    ]
    constants = {
        "w1": np.arange(12.0).reshape(3, 4) / 7 - 1,
        "zero": np.array([0]),
        "two": np.array([2]),
        "one": np.array([1]),
    }
    graph = agrees(build(nodes, {"s": ("N", 2), "u": ("N", 1)}, {"next": ("N", 2), "cost": ("N",)}, constants))
    assert [(port.name, port.shape) for port in graph.outputs] == [("next", (2,)), ("cost", ())]


def test_hard_tanh_in_its_forms():
    for nodes in (
        [("Clip", ["x", "low", "high"], ["y"])],
        [("Max", ["x", "low"], ["a"]), ("Min", ["a", "high"], ["y"])],
        [("Min", ["high", "x"], ["a"]), ("Max", ["low", "a"], ["y"])],
    ):
        constants = {"low": np.array(-1.0), "high": np.array(1.0)}
        graph = agrees(build(nodes, {"x": ("N", 5)}, ["y"], constants), scale=2.0)
        np.testing.assert_array_equal(graph.evaluate([-3.0, -1.0, 0.5, 1.0, 9.0])["y"], [-1.0, -1.0, 0.5, 1.0, 1.0])


def test_limits_that_mean_infinity_do_not_become_numbers():
    for model in (
        build([("Clip", ["x"], ["y"], {"min": 0.0})], {"x": (2,)}, ["y"], opset=7),
        build([("Max", ["x", "c"], ["y"])], {"x": (2,)}, ["y"], {"c": np.array(-3.4028234663852886e38)}),
        build([("Clip", ["x", "", "c"], ["y"])], {"x": (2,)}, ["y"], {"c": np.array(np.inf)}),
    ):
        for node in agrees(model).nodes:
            assert node.op.name in ("relu", "rearrange")


def test_names_are_the_same_every_time():
    model = build([("MatMul", ["x", "w"], ["a"]), ("Relu", ["a"], ["y"])], {"x": ("N", 2)}, ["y"], {"w": A})
    assert str(load_onnx(model)) == str(load_onnx(model))
