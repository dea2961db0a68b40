"""The way from a file to a program takes work in proportion to the network, however deep or wide its graph is."""

from __future__ import annotations

import cProfile
from collections.abc import Callable

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import relu2mip as r2m

Parts = tuple[list[object], dict[str, list[list[float]]], str]


def elementwise(n: int) -> Parts:
    """Scaled, shifted and cut off, one unit wide."""
    ops = [("Mul", ["c"]), ("Add", ["d"]), ("Relu", [])]
    nodes = [helper.make_node(ops[k % 3][0], [_last(k), *ops[k % 3][1]], [f"h{k}"]) for k in range(n)]
    return nodes, {"c": [[1.01]], "d": [[-0.003]]}, f"h{n - 1}"


def layers(n: int) -> Parts:
    """One layer of one unit after the other, each with weights of its own."""
    nodes, constants = [], {}
    for k in range(n):
        constants |= {f"w{k}": [[1.0 + 0.1 * np.sin(k)]], f"b{k}": [[0.1 * np.cos(k)]]}
        nodes.append(helper.make_node("Gemm", [_last(k), f"w{k}", f"b{k}"], [f"g{k}"]))
        nodes.append(helper.make_node("Relu", [f"g{k}"], [f"h{k}"]))
    return nodes, constants, f"h{n - 1}"


def residual(n: int) -> Parts:
    """Each block adds a ReLU of what came in to what came in."""
    nodes = []
    for k in range(n):
        nodes.append(helper.make_node("Gemm", [_last(k), "w", "b"], [f"g{k}"]))
        nodes.append(helper.make_node("Relu", [f"g{k}"], [f"r{k}"]))
        nodes.append(helper.make_node("Add", [_last(k), f"r{k}"], [f"h{k}"]))
    return nodes, {"w": [[0.01]], "b": [[-0.005]]}, f"h{n - 1}"


def straight(n: int) -> Parts:
    """Each block adds the ReLU of its input itself, without a layer between."""
    nodes = []
    for k in range(n):
        nodes.append(helper.make_node("Add", [_last(k), "b"], [f"s{k}"]))
        nodes.append(helper.make_node("Relu", [f"s{k}"], [f"r{k}"]))
        nodes.append(helper.make_node("Sub", [f"s{k}", f"r{k}"], [f"h{k}"]))
    return nodes, {"b": [[0.001]]}, f"h{n - 1}"


def leaky(n: int) -> Parts:
    """Leaky ReLUs with a layer between each two."""
    nodes = []
    for k in range(n):
        nodes.append(helper.make_node("Gemm", [_last(k), "w", "b"], [f"g{k}"]))
        nodes.append(helper.make_node("LeakyRelu", [f"g{k}"], [f"h{k}"], alpha=0.25))
    return nodes, {"w": [[1.1]], "b": [[0.005]]}, f"h{n - 1}"


def _leaves(n: int) -> tuple[list[object], dict[str, list[list[float]]]]:
    nodes = [helper.make_node("Add", ["x", f"b{k}"], [f"a{k}"]) for k in range(n)]
    nodes += [helper.make_node("Relu", [f"a{k}"], [f"r{k}"]) for k in range(n)]
    return nodes, {f"b{k}": [[k / n - 0.5]] for k in range(n)}


def sums(n: int) -> Parts:
    """Many units added one by one."""
    nodes, constants = _leaves(n)
    for k in range(1, n):
        nodes.append(helper.make_node("Add", ["r0" if k == 1 else f"h{k - 1}", f"r{k}"], [f"h{k}"]))
    return nodes, constants, f"h{n - 1}"


def tree(n: int) -> Parts:
    """Many units concatenated two by two, then summed."""
    nodes, constants = _leaves(n)
    level, depth = [f"r{k}" for k in range(n)], 0
    while len(level) > 1:
        pairs = [level[k : k + 2] for k in range(0, len(level), 2)]
        level, depth = [f"c{depth}_{k}" for k in range(len(pairs))], depth + 1
        nodes += [helper.make_node("Concat", pair, [name], axis=1) for pair, name in zip(pairs, level, strict=True)]
    nodes.append(helper.make_node("MatMul", [level[0], "w"], ["sum"]))
    return nodes, constants | {"w": [[1.0 / n]] * n}, "sum"


def wide(n: int) -> Parts:
    """Many units concatenated at once, then summed."""
    nodes, constants = _leaves(n)
    nodes.append(helper.make_node("Concat", [f"r{k}" for k in range(n)], ["all"], axis=1))
    nodes.append(helper.make_node("MatMul", ["all", "w"], ["sum"]))
    return nodes, constants | {"w": [[1.0 / n]] * n}, "sum"


NETWORKS = [elementwise, layers, residual, straight, leaky, sums, tree, wide]


def _last(k: int) -> str:
    return "x" if k == 0 else f"h{k - 1}"


def _model(parts: Parts) -> ModelProto:
    nodes, constants, result = parts
    one = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("x", "y")]
    tensors = [numpy_helper.from_array(np.array(value, dtype=np.float32), name) for name, value in constants.items()]
    nodes = [*nodes, helper.make_node("Identity", [result], ["y"])]
    graph = helper.make_graph(nodes, "net", one[:1], one[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _compiled(data: bytes) -> r2m.Compiled:
    return r2m.compile(r2m.BoxProblem(r2m.load(data), -1, 1, [1.0]), bounds="ibp")


def _work(network: Callable[[int], Parts], n: int) -> tuple[int, int]:
    """Calls made on the way to the program, and nonzeros on the way and in it."""
    data, profile = _model(network(n)).SerializeToString(), cProfile.Profile()
    compiled = profile.runcall(_compiled, data)
    calls = sum(entry.callcount for entry in profile.getstats())
    return calls, compiled.problem.unrolled.form.nonzeros + compiled.model.nonzeros


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_four_times_the_network_is_about_four_times_the_work(network: Callable[[int], Parts]) -> None:
    _work(network, 2)
    small, large = _work(network, 60), _work(network, 240)
    assert large[0] <= 6 * small[0]
    assert large[1] <= 6 * small[1]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_the_program_of_a_deep_network_is_that_network(network: Callable[[int], Parts]) -> None:
    net = r2m.load(_model(network(40)).SerializeToString())
    points = np.linspace(-1, 1, 201)[:, None]
    largest = net.evaluate(points)["y"].max()
    answer = r2m.solve(r2m.BoxProblem(net, -1, 1, [1.0], "max"), bounds="crown", gap=0.0)
    assert answer.objective >= largest - 1e-6
    assert answer.check.max_error <= 1e-6
