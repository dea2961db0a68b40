"""Networks and problem files on disk, for tests of what reads them."""

from pathlib import Path

import onnx

from tests.frontends.networks import build

TRAJECTORY = """\
network = "dynamics.onnx"
predicts = "change"
horizon = 3
initial_state = [1.0, 0.0]

[states]
lower = -2
upper = 2

[controls]
lower = -1
upper = 1

[[costs]]
kind = "l1"
state = [1.0, 0.1]
control = 0.01

[solve]
time_limit = 30
"""

BOX = """\
network = "dynamics.onnx"
lower = [-1.0, -1.0, -0.5]
upper = [1.0, 1.0, 0.5]
objective = [1.0, -1.0]
sense = "max"
"""


def dynamics(push: float = 0.5) -> onnx.ModelProto:
    """Change of (position, velocity) of a cart pushed by a force, with friction that acts only above speed 1."""
    constants = {
        "w1": [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]],
        "b1": [-1.0, -1.0],
        "w2": [[0.0, 0.0], [-0.25, 0.25]],
        "skip": [[0.0, 0.0], [0.5, 0.0], [0.0, push]],
    }
    nodes = [
        ("Gemm", ["x", "w1", "b1"], ["z"], {"transB": 1}),
        ("Relu", ["z"], ["h"]),
        ("Gemm", ["h", "w2"], ["f"], {"transB": 1}),
        ("MatMul", ["x", "skip"], ["g"]),
        ("Add", ["f", "g"], ["change"]),
    ]
    return build(nodes, {"x": ("N", 3)}, {"change": ("N", 2)}, constants)


def heavier() -> onnx.ModelProto:
    """The same cart with more mass."""
    return dynamics(push=0.4)


def window() -> onnx.ModelProto:
    """The next of 2 states from `past` (2 states, 1 old control) and `force` (a control)."""
    past = [[0.1, 0.0], [0.0, 0.1], [0.7, 0.0], [0.2, 0.6], [0.0, 0.1]]
    nodes = [
        ("MatMul", ["past", "wp"], ["a"]),
        ("MatMul", ["force", "wf"], ["b"]),
        ("Add", ["a", "b"], ["c"]),
        ("Relu", ["c"], ["d"]),
        ("Sub", ["d", "half"], ["next"]),
    ]
    constants = {"wp": past, "wf": [[0.0, 0.3]], "half": [0.05, 0.05]}
    return build(nodes, {"past": ("N", 5), "force": ("N", 1)}, {"next": ("N", 2)}, constants)


def exogenous() -> onnx.ModelProto:
    """The next of 2 states from `x` (2 states, 1 control) and `wind`, which pushes; `spare` is read by nothing."""
    nodes = [
        ("Concat", ["x", "wind"], ["all"], {"axis": 1}),
        ("MatMul", ["all", "w"], ["z"]),
        ("Relu", ["z"], ["h"]),
        ("MatMul", ["h", "v"], ["next"]),
    ]
    w = [[0.9, -0.9, 0.0, 0.0], [0.1, -0.1, 0.8, -0.8], [0.0, 0.0, 0.5, -0.5], [0.2, -0.2, 0.4, -0.4]]
    constants = {"w": w, "v": [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]}
    return build(nodes, {"x": ("N", 3), "wind": ("N", 1), "spare": ("N", 2)}, {"next": ("N", 2)}, constants)


def cost() -> onnx.ModelProto:
    """max(position, 0) + max(-position, 0) / 2 of a state (position, velocity)."""
    nodes = [("MatMul", ["x", "w1"], ["z"]), ("Relu", ["z"], ["h"]), ("MatMul", ["h", "w2"], ["y"])]
    constants = {"w1": [[1.0, -1.0], [0.0, 0.0]], "w2": [[1.0], [0.5]]}
    return build(nodes, {"x": ("N", 2)}, {"y": ("N", 1)}, constants)


def unsupported() -> onnx.ModelProto:
    """Dynamics with two nodes that no mixed-integer program holds exactly."""
    nodes = [
        ("MatMul", ["x", "w"], ["z"]),
        ("Sigmoid", ["z"], ["s"]),
        ("Tanh", ["s"], ["y"]),
    ]
    return build(nodes, {"x": ("N", 3)}, {"y": ("N", 2)}, {"w": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]})


def write_networks(folder: Path) -> None:
    """Every network above as `<its function>.onnx`."""
    for network in (dynamics, heavier, window, exogenous, cost, unsupported):
        onnx.save(network(), folder / f"{network.__name__}.onnx")


def write_problem(folder: Path, text: str = TRAJECTORY) -> Path:
    """`problem.toml` in the folder, beside the networks."""
    write_networks(folder)
    path = folder / "problem.toml"
    path.write_text(text, encoding="utf-8")
    return path
