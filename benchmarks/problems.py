"""The trajectory problems that every tool is given, and the random dynamics networks they are about."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Vector = NDArray[np.float64]
Layer = tuple[Vector, Vector]  # weights (in, out), biases (out,)

STATES, CONTROLS = 4, 1
STATE_LIMIT, CONTROL_LIMIT = 2.0, 1.0


class Outcome(NamedTuple):
    """What a solver says: objective of its incumbent (inf without one), proven bound, wall-clock seconds."""

    objective: float
    bound: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Problem:
    """Steer ``x[t+1] = x[t] + f(x[t], u[t])`` for ``horizon`` steps at least cost.

    The cost sums ``|x[t] - target| @ state_weight`` over t = 1 … H and ``|u[t]| @ control_weight`` over
    t = 0 … H-1, squares in place of the absolute values where it is ``quadratic``; ``f`` is the network, with the
    concatenated (x, u) as its one input.
    """

    network: Path
    horizon: int
    initial_state: Vector
    state_lower: Vector
    state_upper: Vector
    control_lower: Vector
    control_upper: Vector
    target: Vector
    state_weight: Vector
    control_weight: Vector
    quadratic: bool = False

    @property
    def input_lower(self) -> Vector:
        """Lower end of the box of network inputs (x, u)."""
        return np.concatenate([self.state_lower, self.control_lower])

    @property
    def input_upper(self) -> Vector:
        """Upper end of the box of network inputs (x, u)."""
        return np.concatenate([self.state_upper, self.control_upper])


def random_problem(folder: Path, width: int, horizon: int, seed: int = 0) -> Problem:
    """A problem about a random 2×``width`` dynamics network, which is written to ``folder``."""
    network = folder / f"dynamics_2x{width}_{seed}.onnx"
    write_network(network, dynamics_layers(width, seed))
    rng = np.random.default_rng(seed + 1)
    return Problem(
        network=network,
        horizon=horizon,
        initial_state=rng.uniform(-1.0, 1.0, STATES).round(3),
        state_lower=np.full(STATES, -STATE_LIMIT),
        state_upper=np.full(STATES, STATE_LIMIT),
        control_lower=np.full(CONTROLS, -CONTROL_LIMIT),
        control_upper=np.full(CONTROLS, CONTROL_LIMIT),
        target=rng.uniform(-0.5, 0.5, STATES).round(3),
        state_weight=np.linspace(1.0, 2.0, STATES),
        control_weight=np.full(CONTROLS, 0.1),
    )


def dynamics_layers(width: int, seed: int) -> list[Layer]:
    """A random 2×``width`` model of the state change, drawn until random roll-outs stay in the state box.

    The hidden layers are random, the output layer is fitted to a damped, mildly non-linear system. Nearly all
    units are unstable over the box, which favours no tool.
    """
    rng = np.random.default_rng(seed)
    while True:
        hidden = random_layers([STATES + CONTROLS, width, width], rng)
        drive = rng.uniform(-1.0, 1.0, (CONTROLS, STATES))
        coupling = rng.uniform(-1.0, 1.0, (STATES, STATES)) / STATES

        limit = np.array([STATE_LIMIT] * STATES + [CONTROL_LIMIT] * CONTROLS)
        points = rng.uniform(-limit, limit, (4096, STATES + CONTROLS))
        state, control = points[:, :STATES], points[:, STATES:]
        change = -0.3 * state + 0.15 * control @ drive + 0.1 * np.sin(2.0 * state @ coupling)

        features = np.column_stack([evaluate(hidden, points, relu_last=True), np.ones(len(points))])
        output = np.linalg.solve(features.T @ features + np.eye(width + 1), features.T @ change)
        layers = [*hidden, (output[:-1], output[-1])]
        if stays_in_box(layers, rng):
            return layers


def stays_in_box(layers: list[Layer], rng: np.random.Generator) -> bool:
    """Whether 256 roll-outs of 200 steps under random controls stay in the state box."""
    x = rng.uniform(-1.0, 1.0, (256, STATES))
    for _ in range(200):
        u = rng.uniform(-CONTROL_LIMIT, CONTROL_LIMIT, (len(x), CONTROLS))
        x = x + evaluate(layers, np.column_stack([x, u]))
        if np.abs(x).max() > STATE_LIMIT:
            return False
    return True


def random_layers(sizes: list[int], rng: np.random.Generator) -> list[Layer]:
    """A random ReLU chain with the given layer sizes, inputs first."""
    return [
        (rng.normal(0.0, (2.0 / fan_in) ** 0.5, (fan_in, fan_out)), rng.uniform(-0.5, 0.5, fan_out))
        for fan_in, fan_out in pairwise(sizes)
    ]


def evaluate(layers: list[Layer], points: Vector, relu_last: bool = False) -> Vector:
    """Values of a ReLU chain at ``points`` (batch, in)."""
    for index, (weight, bias) in enumerate(layers):
        points = points @ weight + bias
        if relu_last or index < len(layers) - 1:
            points = np.maximum(points, 0.0)
    return points


def write_network(path: Path, layers: list[Layer]) -> None:
    """Write a ReLU chain as an ONNX file in float32 that every tool reads.

    Gemm and Relu alone, all attributes given, nodes named, opset 13, batch dimension symbolic.
    """
    nodes, tensors, value = [], [], "input"
    for index, (weight, bias) in enumerate(layers):
        last = index == len(layers) - 1
        tensors.append(numpy_helper.from_array(weight.T.astype(np.float32), f"weight{index}"))
        tensors.append(numpy_helper.from_array(bias.astype(np.float32), f"bias{index}"))
        affine = "output" if last else f"affine{index}"
        nodes.append(
            helper.make_node(
                "Gemm",
                [value, f"weight{index}", f"bias{index}"],
                [affine],
                name=f"gemm{index}",
                alpha=1.0,
                beta=1.0,
                transB=1,
            )
        )
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
    onnx.save(model, path)


def read_layers(path: Path) -> Iterator[Layer]:
    """The layers of a file written by `write_network`, for tools that read no ONNX."""
    graph = onnx.load(path).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Gemm":
            yield tensors[node.input[1]].T, tensors[node.input[2]]
