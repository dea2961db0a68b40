"""ReLU chains as ONNX files that every tool reads: Gemm and Relu alone, all attributes given, nodes named, float32."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from onnx import helper, numpy_helper

from relu2mip.arrays import Array
from relu2mip.errors import InvalidNetwork

Layer: TypeAlias = "tuple[Array, Array]"
"""Weights (in, out) and biases (out,)."""


def write_chain(path: str | Path, layers: Iterable[Layer]) -> None:
    """Write a chain of affine layers with ReLUs between them; opset 13, the batch dimension symbolic."""
    layers = list(layers)
    nodes, tensors, value = [], [], "input"
    for index, (weight, bias) in enumerate(layers):
        last = index == len(layers) - 1
        tensors.append(numpy_helper.from_array(weight.T.astype(np.float32), f"weight{index}"))
        tensors.append(numpy_helper.from_array(bias.astype(np.float32), f"bias{index}"))
        affine = "output" if last else f"affine{index}"
        read = [value, f"weight{index}", f"bias{index}"]
        nodes.append(helper.make_node("Gemm", read, [affine], name=f"gemm{index}", alpha=1.0, beta=1.0, transB=1))
        value = affine
        if not last:
            value = f"relu{index}"
            nodes.append(helper.make_node("Relu", [affine], [value], name=value))
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "dynamics",
        [helper.make_tensor_value_info("input", float32, ["batch", layers[0][0].shape[0]])],
        [helper.make_tensor_value_info("output", float32, ["batch", layers[-1][0].shape[1]])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def read_chain(path: str | Path) -> Iterator[Layer]:
    """The layers of a chain of `Gemm` and `Relu`, for tools that read no ONNX; raises `InvalidNetwork` for others."""
    graph = onnx.load(str(path)).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in graph.initializer}
    value = graph.input[0].name
    for index, node in enumerate(graph.node):
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        plain = attributes.get("alpha", 1.0) == attributes.get("beta", 1.0) == 1.0 and not attributes.get("transA")
        expected = "Gemm" if index % 2 == 0 else "Relu"
        if node.op_type != expected or node.input[0] != value or (expected == "Gemm" and not plain):
            raise InvalidNetwork(f"{path} is not a chain of Gemm and Relu in turn: {node.op_type} {node.name!r}")
        value = node.output[0]
        if expected == "Gemm":
            weight = tensors[node.input[1]]
            yield weight.T if attributes.get("transB") else weight, tensors[node.input[2]]
