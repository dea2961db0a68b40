"""Networks that users of other tools reported as misread or unreadable, rebuilt; each is what onnxruntime computes."""

import numpy as np
import onnx
import pytest

from relu2mip.errors import UnsupportedNetwork
from relu2mip.frontends.onnx import load_onnx
from tests.frontends.networks import NodeSpec, Shape, build
from tests.frontends.oracle import agrees

rng = np.random.default_rng(5)
W1, W2, B1 = rng.normal(size=(3, 4)), rng.normal(size=(4, 2)), rng.normal(size=4)
KERNEL = rng.normal(size=(2, 1, 3, 3))
IMAGE: dict[str, Shape | None] = {"x": (1, 1, 5, 4)}
ROW: dict[str, Shape | None] = {"x": ("N", 3)}

REPORTS: dict[str, onnx.ModelProto] = {
    # OMLT 103: an assertion on transB
    "Gemm without transposition": build([("Gemm", ["x", "w", "b"], ["y"])], ROW, ["y"], {"w": W1, "b": B1}),
    # gurobi-machinelearning 315: the bias of the layer before was taken for the last one's
    "a last layer without bias": build(
        [("Gemm", ["x", "w", "b"], ["a"]), ("Relu", ["a"], ["h"]), ("Gemm", ["h", "v"], ["y"])],
        ROW, ["y"], {"w": W1, "b": B1, "v": W2},
    ),
    # onnx2pytorch 28: looked for the Add after the last MatMul
    "a MatMul at the end": build(
        [("MatMul", ["x", "w"], ["a"]), ("Relu", ["a"], ["h"]), ("MatMul", ["h", "v"], ["y"])],
        ROW, ["y"], {"w": W1, "v": W2},
    ),
    # ai-on-browser 503: NaN without alpha and beta, errors at other axes, pads and transA
    "Gemm with transA and nothing else": build(
        [("Gemm", ["x", "w", "b"], ["y"], {"transA": 1})], {"x": (3, 1)}, ["y"], {"w": W1, "b": B1}
    ),
    "Flatten at axis 2": build([("Flatten", ["x"], ["y"], {"axis": 2})], {"x": (1, 2, 3, 2)}, ["y"]),
    "Conv with SAME_UPPER": build(
        [("Conv", ["x", "k"], ["y"], {"auto_pad": "SAME_UPPER", "strides": [2, 2]})], IMAGE, ["y"], {"k": KERNEL}
    ),
    # auto_LiRPA 9: padded maxima
    "MaxPool with pads": build(
        [("MaxPool", ["x"], ["y"], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "ceil_mode": 0})],
        IMAGE, ["y"],
    ),
    # DNNV 104: slices of old operator sets
    "Slice with attributes": build(
        [("Slice", ["x"], ["y"], {"starts": [1], "ends": [3], "axes": [1]})], ROW, ["y"], opset=9
    ),
    # Marabou 853, VeriNet 9: indexing, chunk and cat
    "indexing, chunk and cat": build(
        [
            ("Gather", ["x", "i"], ["first"], {"axis": 1}), ("Split", ["x", "sizes"], ["p", "q"], {"axis": 1}),
            ("Unsqueeze", ["first", "one"], ["f"]), ("Concat", ["q", "f", "p"], ["y"], {"axis": 1}),
        ],
        ROW, ["y"], {"i": np.array(0), "sizes": np.array([1, 2]), "one": np.array([1])}, opset=13,
    ),
    # auto_LiRPA 89: hstack and indexing of a closed loop, with sequences
    "hstack of a closed loop": build(
        [
            ("MatMul", ["x", "gain"], ["u"]), ("SequenceConstruct", ["x", "u"], ["s"]),
            ("SequenceAt", ["s", "zero"], ["state"]), ("ConcatFromSequence", ["s"], ["both"], {"axis": 1}),
            ("Gemm", ["both", "w", "b"], ["a"]), ("Relu", ["a"], ["h"]), ("MatMul", ["h", "v"], ["next"]),
            ("Add", ["next", "state"], ["y"]),
        ],
        {"x": (1, 3)}, ["y"],
        {"gain": rng.normal(size=(3, 1)), "zero": np.array(0), "w": rng.normal(size=(4, 4)), "b": B1,
         "v": rng.normal(size=(4, 3))},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_reported_networks(name: str) -> None:
    agrees(REPORTS[name])


def test_a_batch_of_examples_in_the_file() -> None:
    """auto_LiRPA 35: an ACAS Xu network exported with a batch of 2,000."""
    nodes: list[NodeSpec] = [
        ("Flatten", ["x"], ["f"]), ("MatMul", ["f", "w"], ["a"]), ("Relu", ["a"], ["h"]), ("MatMul", ["h", "v"], ["y"]),
    ]  # fmt: skip
    model = build(nodes, {"x": (2000, 1, 1, 3)}, {"y": (2000, 2)}, {"w": W1, "v": W2})
    graph = load_onnx(model, {"x": (1, 1, 1, 3)})
    x = rng.normal(size=(4, 3))
    np.testing.assert_allclose(graph.evaluate_flat({"x": x})["y"], np.maximum(x @ W1, 0) @ W2, rtol=1e-6, atol=1e-6)


def test_a_smooth_activation_is_refused_with_a_remedy() -> None:
    """OMLT 109: "Unhandled node type Tanh"."""
    with pytest.raises(UnsupportedNetwork, match=r"Tanh 'y': it is smooth.*Use HardSigmoid"):
        load_onnx(build([("Tanh", ["x"], ["y"])], ROW, ["y"]))
