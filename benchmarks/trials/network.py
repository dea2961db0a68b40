"""Small piecewise-linear networks as lists of layers, written as ONNX in any units.

A layer is affine, then an activation: relu, leaky (slope 0.2), abs, clip (to +-limit), max (of its two halves), pool
(MaxPool of neighbours), or none. Units of a hidden layer may be multiplied by positive factors that the next layer
divides by: the function stays the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

import relu2mip as r2m

LEAK = 0.2
PAIRED = {"max", "pool"}
"""Activations that make one value of two."""

TIED = {"clip", *PAIRED}
"""Activations whose units share one factor."""


@dataclass(frozen=True)
class Layer:
    """activation(weight @ x + bias); `limit` is that of a clip."""

    weight: np.ndarray
    bias: np.ndarray
    activation: str = "none"
    limit: float = 1.0

    @property
    def width(self) -> int:
        """How many values it gives."""
        return self.weight.shape[0] // (2 if self.activation in PAIRED else 1)


@dataclass(frozen=True)
class Affine:
    """x' = offset + scale * x, componentwise: how a quantity is written in other units."""

    scale: np.ndarray
    offset: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The same values in the other units."""
        return self.offset + self.scale * x


def rewritten(layers: list[Layer], inputs: Affine, outputs: Affine, hidden: list[np.ndarray]) -> list[Layer]:
    """The same function of rescaled inputs, to rescaled outputs, with hidden units multiplied by positive factors.

    hidden: the factors of each hidden layer's values; a tied layer takes its first one for all.
    """
    result = []
    before = Affine(inputs.scale, inputs.offset)
    for k, layer in enumerate(layers):
        weight = layer.weight / before.scale
        bias = layer.bias - weight @ before.offset
        if k == len(layers) - 1:
            result.append(Layer(outputs.scale[:, None] * weight, outputs.offset + outputs.scale * bias))
            break
        factor = hidden[k]
        if layer.activation in TIED:
            factor = np.full(layer.width, factor[0])
        rows = np.full(layer.weight.shape[0], factor[0]) if layer.activation in TIED else factor
        result.append(replace(layer, weight=rows[:, None] * weight, bias=rows * bias, limit=layer.limit * factor[0]))
        before = Affine(factor, np.zeros(layer.width))
    return result


def written(layers: list[Layer], double: bool = True) -> r2m.Graph:
    """The network as an ONNX file in float64 (or float32), read by relu2mip."""
    dtype = onnx.TensorProto.DOUBLE if double else onnx.TensorProto.FLOAT
    kind = np.float64 if double else np.float32
    nodes, tensors = [], []

    def constant(name: str, value: np.ndarray) -> str:
        tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def affine(x: str, name: str, weight: np.ndarray, bias: np.ndarray) -> str:
        weights = constant(f"{name}.weight", weight.astype(kind)), constant(f"{name}.bias", bias.astype(kind))
        return node("Gemm", [x, *weights], name, transB=1)

    x = "x"
    for k, layer in enumerate(layers):
        name = "y" if k == len(layers) - 1 else f"z{k}"
        if layer.activation == "max":
            half = layer.width
            parts = [affine(x, f"{name}.{i}", layer.weight[s], layer.bias[s])
                     for i, s in enumerate((slice(half), slice(half, None)))]  # fmt: skip
            x = node("Max", parts, f"h{k}")
            continue
        x = affine(x, name, layer.weight, layer.bias)
        match layer.activation:
            case "relu":
                x = node("Relu", [x], f"h{k}")
            case "leaky":
                x = node("LeakyRelu", [x], f"h{k}", alpha=LEAK)
            case "abs":
                x = node("Abs", [x], f"h{k}")
            case "clip":
                limits = [constant(f"{name}.{s}", kind(v * layer.limit)) for s, v in (("low", -1), ("high", 1))]
                x = node("Clip", [x, *limits], f"h{k}")
            case "pool":
                shape = constant(f"{name}.shape", np.array([-1, 1, 2 * layer.width]))
                x = node("Reshape", [x, shape], f"{name}.row")
                x = node("MaxPool", [x], f"{name}.pool", kernel_shape=[2], strides=[2])
                x = node("Reshape", [x, constant(f"{name}.flat", np.array([-1, layer.width]))], f"h{k}")
            case "none":
                pass
            case other:
                raise ValueError(other)
    ports = [
        helper.make_tensor_value_info(name, dtype, ["N", size])
        for name, size in (("x", layers[0].weight.shape[1]), (x, layers[-1].width))
    ]
    graph = helper.make_graph(nodes, "net", ports[:1], ports[1:], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return r2m.load(model.SerializeToString())
