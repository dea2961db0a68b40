"""Tiny networks built by hand, for examples in docstrings and documentation; no file needed.

tiny()        y = relu(x0 + x1) + relu(x0 - x1)
integrator()  change of (position, velocity) of a cart pushed by u, with friction that acts only above speed 1:
              dp = 0.5 v,  dv = 0.5 u - 0.25 relu(v - 1) + 0.25 relu(-v - 1);  input (p, v, u)
boat()        change of (tail, nose) of a boat whose nose is ahead along x, pushed by (ux, uy): it goes easily forwards,
              hardly backwards or sideways, and drifts;  input (tail, nose, push), two entries each
"""

from __future__ import annotations

import numpy as np

from relu2mip.ir import Add, Graph, Linear, Node, Port, Relu


def tiny() -> Graph:
    """Two inputs, two ReLUs, one output: x0 + x1 and x0 - x1 through ReLUs, added."""
    return _mlp("tiny", np.array([[1.0, 1.0], [1.0, -1.0]]), np.zeros(2), np.array([[1.0, 1.0]]), skip=None)


def integrator() -> Graph:
    """A double integrator with friction above speed 1; see the module's text."""
    first = np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    second = np.array([[0.0, 0.0], [-0.25, 0.25]])
    skip = np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.5]])
    return _mlp("integrator", first, np.array([-1.0, -1.0]), second, skip)


def boat() -> Graph:
    """A boat that knows one direction only; see the module's text."""
    push = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    forwards, sideways = [0.9, -0.2, 0.0, 0.0], [0.0, 0.0, 0.1, -0.3]
    second = np.array([forwards, sideways, forwards, sideways])
    return _mlp("boat", np.hstack([np.zeros((4, 4)), push]), np.array([-0.1, 0.0, 0.0, -0.2]), second, skip=None)


def _mlp(name: str, first: np.ndarray, bias: np.ndarray, second: np.ndarray, skip: np.ndarray | None) -> Graph:
    units, outputs = first.shape[0], second.shape[0]
    nodes = [
        Node("z", Linear(first, bias), ("x",), (units,)),
        Node("h", Relu(), ("z",), (units,)),
        Node("y" if skip is None else "f", Linear(second, np.zeros(outputs)), ("h",), (outputs,)),
    ]
    if skip is not None:
        nodes.append(Node("g", Linear(skip, np.zeros(outputs)), ("x",), (outputs,)))
        nodes.append(Node("y", Add((1.0, 1.0)), ("f", "g"), (outputs,)))
    return Graph(name, (Port("x", (first.shape[1],)),), (Port("y", (outputs,)),), tuple(nodes))
