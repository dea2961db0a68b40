"""Constants: every kind of them, folding, and the types weights are stored in."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from relu2mip.errors import InvalidNetwork, UnsupportedNetwork
from relu2mip.frontends.onnx import load_onnx
from relu2mip.ir import Constant
from tests.frontends.cases import CASES, Case
from tests.frontends.networks import build
from tests.frontends.oracle import agrees
from tests.frontends.test_ops import versions


def constant_node(**attributes: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], **attributes)


def with_constant(node: onnx.NodeProto, opset: int = 13) -> onnx.ModelProto:
    """y = x + c, with c from the given node."""
    model = build([("Add", ["x", "c"], ["y"])], {"x": ()}, ["y"], opset=opset)
    model.graph.node.insert(0, node)
    return model


@pytest.mark.parametrize("opset", [7, 9, 11, 12, 13, 19, 26])
def test_every_kind_of_constant(opset: int):
    kinds = [
        {"value": helper.make_tensor("v", TensorProto.FLOAT, [2, 2], [1.0, 2.0, 3.0, 4.0])},
        {"value": helper.make_tensor("v", TensorProto.FLOAT, [], [1.5])},
    ]
    if opset >= 12:
        kinds += [{"value_float": 0.25}, {"value_floats": [0.25, -1.0]}]
    for kind in kinds:
        agrees(with_constant(constant_node(**kind), opset))


@pytest.mark.parametrize(("indices", "dims"), [([1, 3], [2]), ([0, 1, 1, 0], [2, 2])])
def test_sparse_constants(indices: list[int], dims: list[int]):
    values = helper.make_tensor("v", TensorProto.FLOAT, [2], [1.5, -2.5])
    places = helper.make_tensor("i", TensorProto.INT64, dims, indices)
    sparse = helper.make_sparse_tensor(values, places, [2, 2])
    expected = [[0, 1.5], [0, -2.5]] if len(dims) == 1 else [[0, 1.5], [-2.5, 0]]
    graph = load_onnx(with_constant(constant_node(sparse_value=sparse)))
    np.testing.assert_array_equal(graph.evaluate(np.zeros(()))["y"], expected)

    model = build([("Add", ["x", "c"], ["y"])], {"x": ()}, ["y"])
    values.name = "c"
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [2, 2]))
    np.testing.assert_array_equal(load_onnx(model).evaluate(np.zeros(()))["y"], expected)


def test_integer_constants_give_shapes():
    nodes = [("Reshape", ["x", "shape"], ["y"])]
    model = build(nodes, {"x": (2, 3)}, ["y"], opset=13)
    model.graph.node.insert(0, helper.make_node("Constant", [], ["shape"], value_ints=[3, 2]))
    assert agrees(model).outputs[0].shape == (3, 2)


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE])
def test_weights_of_every_width_are_exact(dtype: int):
    values = np.array([0.1, -3.3, 65000.0])
    stored = values.astype(helper.tensor_dtype_to_np_dtype(dtype))
    model = build([("Add", ["x", "c"], ["y"])], {"x": (3,)}, ["y"], {"c": values}, dtype=dtype)
    result = load_onnx(model).evaluate(np.zeros(3))["y"]
    np.testing.assert_array_equal(result, stored.astype(np.float64))


@pytest.mark.parametrize("raw", [True, False])
def test_float16_weights_in_either_storage(raw: bool):
    stored = np.array([0.1, -2.5], dtype=np.float16)
    tensor = numpy_helper.from_array(stored, "c")
    if not raw:
        tensor = helper.make_tensor("c", TensorProto.FLOAT16, [2], stored.astype(float).tolist())
    model = build([("Mul", ["x", "c"], ["y"])], {"x": (2,)}, ["y"], dtype=TensorProto.FLOAT16)
    model.graph.initializer.append(tensor)
    result = load_onnx(model).evaluate(np.ones(2))["y"]
    np.testing.assert_array_equal(result, stored.astype(np.float64))


@pytest.mark.parametrize("op", CASES)
def test_nodes_with_constant_inputs_are_folded(op: str):
    """The same cases with every operand constant: their outputs are added to a variable."""
    opset = versions(op)[-1]
    rng = np.random.default_rng(3)
    for case in CASES[op](opset):
        if case.dtype != TensorProto.FLOAT:
            continue
        operands = [
            rng.normal(size=tuple(1 if n == "N" else n for n in x)).reshape([1 if n == "N" else n for n in x])
            if isinstance(x, tuple)
            else x
            for x in case.operands
        ]
        model = Case(op, operands, case.attributes, case.outputs, case.unused).model(opset)
        model.graph.input.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ()))
        for k, output in enumerate(model.graph.output):
            model.graph.node.append(helper.make_node("Add", [f"y{k}", "x"], [f"z{k}"]))
            output.name = f"z{k}"
        assert len(agrees(model).nodes) <= 2 * case.outputs


def test_arithmetic_on_shapes_is_folded():
    nodes = [
        ("Shape", ["x"], ["s"]),
        ("Gather", ["s", "zero"], ["batch"], {"axis": 0}),
        ("Mul", ["batch", "three"], ["n"]),
        ("Concat", ["n", "minus"], ["shape"], {"axis": 0}),
        ("ConstantOfShape", ["shape1"], ["ones"], {"value": helper.make_tensor("v", TensorProto.FLOAT, [1], [2.5])}),
        ("Reshape", ["x", "shape"], ["r"]),
        ("Size", ["x"], ["size"]),
        ("Cast", ["size"], ["count"], {"to": TensorProto.FLOAT}),
        ("Div", ["r", "count"], ["m"]),
        ("Mul", ["m", "ones"], ["y"]),
    ]
    constants = {
        "zero": np.array([0]),
        "three": np.array([3]),
        "minus": np.array([-1]),
        "shape1": np.array([2]),
    }
    graph = agrees(build(nodes, {"x": (1, 6)}, ["y"], constants))
    assert graph.outputs[0].shape == (3, 2)


def test_shapes_of_a_symbolic_batch_count_it_as_one():
    nodes = [("Shape", ["x"], ["s"]), ("Expand", ["c", "s"], ["e"]), ("Add", ["x", "e"], ["y"])]
    agrees(build(nodes, {"x": ("N", 2)}, {"y": ("N", 2)}, {"c": np.array([1.0, -2.0])}))


@pytest.mark.parametrize(("start", "end"), [(None, None), (1, None), (-2, -1), (0, 2), (5, 9)])
def test_ranges_of_a_shape(start: int | None, end: int | None):
    attributes = {k: v for k, v in (("start", start), ("end", end)) if v is not None}
    nodes = [
        ("Shape", ["x"], ["s"], attributes),
        ("ReduceSum", ["s"], ["t"], {"keepdims": 0}),
        ("Cast", ["t"], ["f"], {"to": TensorProto.FLOAT}),
        ("Add", ["x", "f"], ["y"]),
    ]
    agrees(build(nodes, {"x": (2, 3, 4)}, ["y"]))


def test_smooth_functions_of_constants_are_folded():
    nodes = [("Exp", ["c"], ["e"]), ("Softmax", ["e"], ["s"]), ("Mul", ["x", "s"], ["y"])]
    agrees(build(nodes, {"x": ("N", 3)}, ["y"], {"c": np.array([[0.1, 0.2, -0.3]])}))


def test_weights_that_are_quantised_are_folded():
    nodes = [("DequantizeLinear", ["q", "scale"], ["w"]), ("MatMul", ["x", "w"], ["y"])]
    constants = {"q": np.array([[1, -2], [3, 127]], dtype=np.int8), "scale": np.array(0.125)}
    agrees(build(nodes, {"x": ("N", 2)}, ["y"], constants, opset=21))


def test_outputs_that_do_not_depend_on_the_inputs():
    model = build([("Neg", ["c"], ["y"]), ("Relu", ["x"], ["z"])], {"x": ("N", 2)}, ["y", "z"], {"c": np.ones(3)})
    graph = agrees(model)
    assert any(isinstance(node.op, Constant) for node in graph.nodes)


@pytest.mark.parametrize("op", ["RandomNormal", "RandomUniform"])
def test_random_constants_are_refused(op: str):
    model = build([(op, [], ["r"], {"shape": [2]}), ("Add", ["x", "r"], ["y"])], {"x": (2,)}, ["y"])
    with pytest.raises(UnsupportedNetwork, match="random"):
        load_onnx(model)


def test_a_constant_that_cannot_be_computed_names_its_node():
    nodes = [("Softmax", ["c"], ["r"], {"axis": 3}), ("Add", ["x", "r"], ["y"])]
    model = build(nodes, {"x": ()}, ["y"], {"c": np.ones(3)})
    with pytest.raises(InvalidNetwork, match="Softmax 'r': cannot be computed from its constants"):
        load_onnx(model)


@pytest.mark.parametrize("kind", ["variable", "float", "integer"])
@pytest.mark.parametrize("step", [-2, -1, 1, 2])
def test_slices_with_limits_outside_are_those_of_onnxruntime(kind: str, step: int):
    """Their shapes too: numpy, and ONNX's reference, take nothing where a backward slice starts before the axis."""
    values = np.arange(1, 7).reshape(2, 3)
    for start, end in itertools.product((-7, -3, -1, 0, 2, 3, 7), repeat=2):
        nodes = [
            ("Slice", ["c", "s", "e", "a", "k"], ["z"]), ("Shape", ["z"], ["h"]), ("Cast", ["h"], ["f"], {"to": 1}),
            ("Cast", ["z"], ["g"], {"to": 1}), ("ReduceSum", ["g"], ["t"], {"keepdims": 0}),
            ("Add", ["f", "x"], ["u"]), ("Add", ["u", "t"], ["y"]),
        ]  # fmt: skip
        constants = {name: np.array([k]) for name, k in zip("seak", (start, end, 1, step), strict=True)}
        inputs = {"x": (2,)} | ({"c": (2, 3)} if kind == "variable" else {})
        if kind != "variable":
            constants["c"] = values.astype(float) if kind == "float" else values
        agrees(build(nodes, inputs, ["y"], constants))


def test_onnxruntime_prints_nothing(capfd: pytest.CaptureFixture[str]):
    """Its fallback to another provider prints on standard output, as for messages that are no text."""
    node = ("Resize", ["x", "", "k"], ["y"], {"mode": b"\xff\xfe"})
    with pytest.raises(InvalidNetwork, match="onnxruntime does not run it"):
        load_onnx(build([node], {"x": (1, 2)}, ["y"], {"k": np.array([1.0, 2.0], dtype=np.float32)}))
    assert capfd.readouterr().out == ""
