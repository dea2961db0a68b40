"""Conditions that select what is equal at their border, and sequences: against onnxruntime; the rest is refused."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from relu2mip.errors import InvalidNetwork, UnsupportedNetwork
from relu2mip.frontends.onnx import load_onnx
from tests.frontends.networks import NodeSpec, build
from tests.frontends.oracle import agrees

FLOAT = {"to": TensorProto.FLOAT}
HALF, ZERO = np.array(0.5), np.array(0.0)

CONTINUOUS: dict[str, tuple[list[NodeSpec], Mapping[str, Any]]] = {
    "leaky": (
        [("Greater", ["x", "zero"], ["c"]), ("Mul", ["x", "half"], ["l"]), ("Where", ["c", "x", "l"], ["y"])],
        {"zero": ZERO, "half": HALF},
    ),
    "the other way round": (
        [("Less", ["x", "zero"], ["c"]), ("Mul", ["x", "half"], ["l"]), ("Where", ["c", "l", "x"], ["y"])],
        {"zero": ZERO, "half": HALF},
    ),
    "not": (
        [("GreaterOrEqual", ["zero", "x"], ["c"]), ("Not", ["c"], ["n"]), ("Where", ["n", "x", "zero"], ["y"])],
        {"zero": ZERO},
    ),
    "a clip": (
        [("LessOrEqual", ["x", "limits"], ["c"]), ("Where", ["c", "x", "limits"], ["y"])],
        {"limits": np.array([0.5, -1.0, 2.0])},
    ),
    "limits of very different size": (
        [("LessOrEqual", ["x", "limits"], ["c"]), ("Where", ["c", "x", "limits"], ["y"])],
        {"limits": np.array([1e30, -1.0, 3e38])},
    ),
    "a lower limit that is none": (
        [("Greater", ["limits", "x"], ["c"]), ("Where", ["c", "limits", "x"], ["y"])],
        {"limits": np.array([-1e30, -1.0, -3e38])},
    ),
    "a product": (
        [("Greater", ["x", "zero"], ["c"]), ("Cast", ["c"], ["f"], FLOAT), ("Mul", ["x", "f"], ["y"])], {"zero": ZERO},
    ),
    "a product, shifted": (
        [
            ("Sub", ["x", "half"], ["d"]), ("Less", ["half", "x"], ["c"]), ("Cast", ["c"], ["f"], FLOAT),
            ("Mul", ["f", "d"], ["y"]),
        ],
        {"half": HALF},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTINUOUS)
def test_conditions_that_are_continuous(name: str) -> None:
    nodes, constants = CONTINUOUS[name]
    agrees(build(nodes, {"x": ("N", 3)}, ["y"], constants))


@pytest.mark.parametrize(
    "nodes",
    [
        [("Greater", ["x", "half"], ["c"]), ("Where", ["c", "x", "zero"], ["y"])],
        [("Greater", ["x", "zero"], ["c"]), ("Where", ["c", "one", "zero"], ["y"])],
        [("Greater", ["x", "zero"], ["c"]), ("Cast", ["c"], ["y"], FLOAT)],
        [("Greater", ["x", "zero"], ["c"]), ("Relu", ["x"], ["r"]), ("Where", ["c", "r", "half"], ["y"])],
        [("Greater", ["x", "zero"], ["c"]), ("Cast", ["c"], ["f"], FLOAT), ("Add", ["x", "f"], ["y"])],
        [("Greater", ["x", "zero"], ["c"]), ("Neg", ["x"], ["n"]), ("Greater", ["n", "zero"], ["d"]),
         ("Cast", ["c"], ["f"], FLOAT), ("Cast", ["d"], ["g"], FLOAT), ("Mul", ["f", "g"], ["y"])],
    ],
)  # fmt: skip
def test_conditions_that_jump_are_refused(nodes: list[NodeSpec]) -> None:
    constants = {"half": HALF, "zero": ZERO, "one": np.array(1.0)}
    used = {name for node in nodes for name in node[1]}
    model = build(nodes, {"x": (1, 3)}, ["y"], {name: constants[name] for name in constants if name in used})
    with pytest.raises(UnsupportedNetwork, match="a condition on variables"):
        load_onnx(model)


SEQUENCES: dict[str, tuple[list[NodeSpec], Mapping[str, Any]]] = {
    "unbind": (
        [
            ("SplitToSequence", ["x"], ["s"], {"axis": 1, "keepdims": 0}), ("SequenceAt", ["s", "two"], ["a"]),
            ("SequenceAt", ["s", "last"], ["b"]), ("Sub", ["a", "b"], ["y"]),
        ],
        {"two": np.array(1), "last": np.array(-1)},
    ),
    "split in halves": (
        [("SplitToSequence", ["x", "size"], ["s"], {"axis": 1}), ("SequenceAt", ["s", "two"], ["y"])],
        {"size": np.array(2), "two": np.array(1)},
    ),
    "split by sizes": (
        [("SplitToSequence", ["x", "sizes"], ["s"], {"axis": 1}), ("SequenceAt", ["s", "two"], ["y"])],
        {"sizes": np.array([1, 2]), "two": np.array(1)},
    ),
    "hstack": (
        [
            ("Relu", ["x"], ["r"]), ("SequenceConstruct", ["x", "r", "k"], ["s"]),
            ("ConcatFromSequence", ["s"], ["y"], {"axis": 1}),
        ],
        {"k": np.array([[1.0, -2.0]])},
    ),
    "stack": (
        [
            ("Relu", ["x"], ["r"]), ("SequenceConstruct", ["x", "r"], ["s"]),
            ("ConcatFromSequence", ["s"], ["y"], {"axis": 1, "new_axis": 1}),
        ],
        {},
    ),
    "insert and erase": (
        [
            ("Relu", ["x"], ["r"]), ("SequenceEmpty", [], ["e"]), ("SequenceInsert", ["e", "x"], ["s"]),
            ("SequenceInsert", ["s", "r", "zero"], ["t"]), ("SequenceErase", ["t", "last"], ["u"]),
            ("SequenceAt", ["u", "zero"], ["y"]),
        ],
        {"zero": np.array(0), "last": np.array(-1)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences(name: str) -> None:
    nodes, constants = SEQUENCES[name]
    agrees(build(nodes, {"x": (1, 3)}, ["y"], constants))


def test_sequences_out_of_place_are_errors() -> None:
    split = ("SplitToSequence", ["x"], ["s"], {"axis": 1})
    with pytest.raises(InvalidNetwork, match="input 0 is a sequence"):
        load_onnx(build([split, ("Relu", ["s"], ["y"])], {"x": (1, 3)}, ["y"]))
    with pytest.raises(InvalidNetwork, match="output 's' is a sequence"):
        load_onnx(build([split], {"x": (1, 3)}, ["s"]))
    at = ("SequenceAt", ["s", "k"], ["y"])
    with pytest.raises(InvalidNetwork, match="position 3 is outside a sequence of 3"):
        load_onnx(build([split, at], {"x": (1, 3)}, ["y"], {"k": np.array(3)}))


def test_identity_matrices_and_odd_places_of_constants() -> None:
    eye = [("EyeLike", ["x"], ["e"], {"k": 1}), ("MatMul", ["x", "w"], ["h"]), ("Add", ["h", "e"], ["y"])]
    agrees(build(eye, {"x": (2, 3)}, ["y"], {"w": np.eye(3)}))
    agrees(build([("PRelu", ["c", "x"], ["y"])], {"x": (1, 3)}, ["y"], {"c": np.array([[1.0, -2.0, 0.0]])}))
    constants = {"c": np.ones((1, 2)), "p": np.array([0, 1, 0, 0])}
    agrees(build([("Pad", ["c", "p", "x"], ["y"])], {"x": ()}, ["y"], constants))


def test_a_loop_over_constants_is_computed() -> None:
    """onnx's reference does not know what a loop reads from outside; onnxruntime does."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Add", ["sum", "step"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, ()),
            helper.make_tensor_value_info("go", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, (2,)),
        ],
        [
            helper.make_tensor_value_info("again", TensorProto.BOOL, ()),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, (2,)),
        ],
    )
    nodes = [("Loop", ["three", "true", "zeros"], ["c"], {"body": body}), ("Add", ["x", "c"], ["y"])]
    constants = {"three": np.array(3), "true": np.array(True), "zeros": np.zeros(2), "step": np.array([0.5, 1.0])}
    graph = agrees(build(nodes, {"x": (1, 2)}, ["y"], constants))
    np.testing.assert_allclose(graph.evaluate(np.zeros(2))["y"], [1.5, 3.0])


def test_comparisons_of_constants_are_folded() -> None:
    nodes = [("GreaterOrEqual", ["c", "d"], ["m"]), ("Where", ["m", "x", "c"], ["y"])]
    constants = {"c": np.array([1.0, 2.0, 3.0]), "d": np.array([1.0, 2.5, 3.0])}
    graph = agrees(build(nodes, {"x": (1, 3)}, ["y"], constants))
    np.testing.assert_array_equal(graph.evaluate(np.zeros(3))["y"], [0.0, 2.0, 0.0])


@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1"])
@pytest.mark.parametrize("keep", [0, 1])
def test_an_empty_attribute_of_axes_reduces_all(op: str, keep: int) -> None:
    model = build([(op, ["x"], ["y"], {"keepdims": keep})], {"x": (2, 3)}, ["y"], opset=11)
    model.graph.node[0].attribute.append(helper.make_attribute("axes", [], attr_type=onnx.AttributeProto.INTS))
    assert agrees(model).outputs[0].size == 1
