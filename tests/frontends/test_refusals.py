"""What is not piecewise linear is refused: all of it at once, each node with its reason and remedy."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from relu2mip.errors import Refusal, UnsupportedNetwork
from relu2mip.frontends.onnx import load_onnx
from tests.frontends.networks import NodeSpec, build


def refusals(model: onnx.ModelProto) -> tuple[Refusal, ...]:
    with pytest.raises(UnsupportedNetwork) as caught:
        load_onnx(model)
    return caught.value.refusals


def refused(node: NodeSpec, constants: dict | None = None, opset: int = 18, inputs: dict | None = None) -> Refusal:
    (refusal,) = refusals(build([node], inputs or {"x": (1, 3)}, ["y"], constants, opset=opset))
    return refusal


SMOOTH = [
    *("Sigmoid", "Tanh", "Softsign", "HardSwish", "Elu", "Selu", "Celu", "Softplus", "Mish", "Softmax"),
    *("LogSoftmax", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos"),
]


@pytest.mark.parametrize("op", SMOOTH)
def test_smooth_functions(op: str):
    refusal = refused((op, ["x"], ["y"]))
    assert (refusal.node, refusal.op) == ("y", op)
    assert "smooth" in refusal.reason
    assert refusal.remedy


@pytest.mark.parametrize("op", ["Sign", "Floor", "Ceil", "Round", "Shrink", "ThresholdedRelu"])
def test_discontinuous_functions(op: str):
    assert "discontinuous" in refused((op, ["x"], ["y"])).reason


@pytest.mark.parametrize(
    ("node", "constants", "reason"),
    [
        (("Mul", ["x", "x"], ["y"]), {}, "the square of a variable is not piecewise linear"),
        (("Pow", ["x", "c"], ["y"]), {"c": np.array(2.0)}, "a power of a variable"),
        (("Div", ["c", "x"], ["y"]), {"c": np.ones(3)}, "division by a variable"),
        (("PRelu", ["x", "x"], ["y"]), {}, "depends on the network's inputs"),
        (("Cast", ["x"], ["y"], {"to": TensorProto.INT64}), {}, "rounding a variable to INT64"),
        (("Cast", ["x"], ["y"], {"to": TensorProto.BOOL}), {}, "rounding a variable to BOOL"),
        (("Greater", ["x", "c"], ["y"]), {"c": np.ones(3)}, "a condition on variables"),
        (("ArgMax", ["x"], ["y"]), {}, "positions and orders are discontinuous"),
        (("TopK", ["x", "c"], ["v", "y"]), {"c": np.array([1])}, "positions and orders"),
        (("ThresholdedRelu", ["x"], ["y"], {"alpha": 0.5}), {}, "jumps at its threshold 0.5"),
        (("Shrink", ["x"], ["y"], {"bias": 0.25, "lambd": 0.5}), {}, "its bias is not its lambd"),
        (
            ("Slice", ["x", "a", "b", "c", "d"], ["y"]),
            {"a": np.array([2]), "b": np.array([2**63 - 1]), "c": np.array([1]), "d": np.array([-1])},
            "everything in onnxruntime",
        ),
        (("LayerNormalization", ["x", "c"], ["y"]), {"c": np.ones(3)}, "statistics of its input"),
        (("ReduceL2", ["x"], ["y"]), {}, "not piecewise linear"),
        (("GridSample", ["x", "c"], ["y"]), {"c": np.ones((1, 1, 1, 2))}, "this operator is not supported"),
        (("Bernoulli", ["x"], ["y"]), {}, "random"),
    ],
)
def test_other_functions(node: NodeSpec, constants: dict, reason: str):
    refusal = refused(node, constants)
    assert reason in refusal.reason
    assert refusal.remedy


@pytest.mark.parametrize("op", ["Mul", "Div", "MatMul"])
def test_products_of_two_variables(op: str):
    model = build([(op, ["a", "b"], ["y"])], {"a": (2, 2), "b": (2, 2)}, ["y"])
    assert "variable" in refusals(model)[0].reason


@pytest.mark.parametrize("equation", ["ij,jk->ik", "ij,ij->i"])
def test_einsum_of_two_variables(equation: str):
    model = build([("Einsum", ["a", "b"], ["y"], {"equation": equation})], {"a": (2, 2), "b": (2, 2)}, ["y"])
    assert "product of two variables" in refusals(model)[0].reason


def test_gemm_and_conv_of_two_variables():
    model = build([("Gemm", ["a", "b"], ["y"])], {"a": (2, 2), "b": (2, 2)}, ["y"])
    assert "product of two variables" in refusals(model)[0].reason
    model = build([("Conv", ["a", "b"], ["y"])], {"a": (1, 1, 3), "b": (1, 1, 2)}, ["y"])
    assert "weights depend on the network's inputs" in refusals(model)[0].reason


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (("Gather", ["c", "i"], ["y"]), {"c": np.ones((3, 2))}),
        (("ScatterND", ["x", "i", "x"], ["y"]), {}),
        (("Where", ["i", "x", "x"], ["y"]), {}),
        (("Reshape", ["x", "i"], ["y"]), {}),
        (("If", ["i"], ["y"]), {}),
    ],
)
def test_what_must_be_constant_is_said_of_integer_inputs_too(node: NodeSpec, constants: dict):
    model = build([node], {"x": (2,), "i": (2,)}, ["y"], constants)
    kind = TensorProto.BOOL if node[0] in ("Where", "If") else TensorProto.INT64
    model.graph.input[1].type.tensor_type.elem_type = kind
    if node[0] == "If":
        branch = helper.make_graph(
            [helper.make_node("Neg", ["x"], ["z"])],
            "branch",
            [],
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, (2,))],
        )
        for name in ("then_branch", "else_branch"):
            model.graph.node[0].attribute.append(helper.make_attribute(name, branch))
    first, second = refusals(model)
    assert (first.node, first.op) == ("i", "input")
    assert "floating-point" in first.reason
    assert "depend" in second.reason


def test_training_mode():
    statistics = {name: np.ones(3) for name in "abcd"}
    node = ("BatchNormalization", ["x", *"abcd"], ["y", "m", "v"], {"training_mode": 1})
    assert "training mode" in refused(node, statistics).reason
    constants = {"r": np.array(0.5), "t": np.array(True)}
    assert "random" in refused(("Dropout", ["x", "r", "t"], ["y"]), constants).reason


def test_positions_of_maxima():
    model = build(
        [("MaxPool", ["x"], ["y", "i"], {"kernel_shape": [2]})], {"x": (1, 1, 4)}, {"y": None, "i": None}, opset=12
    )
    model.graph.output[1].type.tensor_type.elem_type = TensorProto.INT64
    assert "positions of the maxima" in refusals(model)[0].reason
    unused = build([("MaxPool", ["x"], ["y", "i"], {"kernel_shape": [2]})], {"x": (1, 1, 4)}, ["y"])
    assert load_onnx(unused).outputs[0].shape == (1, 3)


def test_scatter_that_writes_twice():
    constants = {"i": np.array([[0, 0]])}
    node = ("ScatterElements", ["x", "i", "u"], ["y"], {"axis": 1})
    refusal = refused(node, constants, inputs={"x": (1, 3), "u": (1, 2)})
    assert "writes an entry twice" in refusal.reason
    assert "dynamo=True" in refusal.remedy


@pytest.mark.parametrize("reduction", ["mul"])
def test_other_scatter_reductions(reduction: str):
    constants = {"i": np.array([[0]]), "u": np.ones((1, 1))}
    node = ("ScatterElements", ["x", "i", "u"], ["y"], {"axis": 1, "reduction": reduction})
    assert f"reduction '{reduction}' is not supported" in refused(node, constants).reason


def test_operators_of_other_domains():
    model = build([("Gelu", ["x"], ["y"])], {"x": (1, 3)}, ["y"])
    model.graph.node[0].domain = "com.microsoft"
    assert "domain 'com.microsoft'" in refusals(model)[0].reason


def test_operators_that_the_operator_set_lacks():
    assert "operator set 7 has no such operator" in refused(("Mish", ["x"], ["y"]), opset=7).reason
    constants = {"i": np.array([[0]]), "u": np.ones((1, 1))}
    assert "operator set 11 has no such operator" in refused(("Scatter", ["x", "i", "u"], ["y"]), constants, 11).reason


def test_what_a_converter_does_not_read():
    refusal = refused(("Relu", ["x", "c"], ["y"]), {"c": np.ones(3)})
    assert refusal.reason == "input 1 is not understood"


def test_all_refusals_come_at_once():
    nodes = [
        ("Sigmoid", ["x"], ["a"]),
        ("Relu", ["x"], ["b"]),
        ("Mul", ["a", "b"], ["c"]),
        ("Unique", ["b"], ["d"]),
        ("Neg", ["d"], ["e"]),
        ("Softmax", ["e"], ["f"]),
        ("Add", ["c", "f"], ["y"]),
        ("Exp", ["x"], ["unused"]),
    ]
    found = refusals(build(nodes, {"x": (1, 3)}, ["y"]))
    assert [(refusal.op, refusal.node) for refusal in found] == [
        ("Sigmoid", "a"),
        ("Mul", "c"),
        ("Unique", "d"),
        ("Softmax", "f"),
    ]


def test_what_a_refused_product_is_multiplied_by_is_refused_too():
    """As in a GRU cell, whose second product reads what the first one is added to."""
    nodes = [("Mul", ["x", "h"], ["a"]), ("Add", ["a", "x"], ["b"]), ("Mul", ["b", "h"], ["y"])]
    found = refusals(build(nodes, {"x": (2, 3), "h": (1, 3)}, ["y"]))
    assert [refusal.node for refusal in found] == ["a", "y"]


def test_the_message_lists_node_reason_and_remedy():
    model = build([("Sigmoid", ["x"], ["h"]), ("Tanh", ["h"], ["y"])], {"x": (1, 3)}, ["y"])
    model.graph.node[0].name = "/gate/Sigmoid"
    with pytest.raises(UnsupportedNetwork) as caught:
        load_onnx(model)
    assert str(caught.value) == (
        "<ONNX model>: 2 node(s) cannot be compiled:\n"
        "  - Sigmoid '/gate/Sigmoid': it is smooth, not piecewise linear. "
        "Use HardSigmoid (or Clip, for tanh) and train again.\n"
        "  - Tanh 'y': it is smooth, not piecewise linear. Use HardSigmoid (or Clip, for tanh) and train again."
    )
