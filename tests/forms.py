"""Random normal forms and small dynamics networks, for tests of everything after the frontend."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

from relu2mip.arrays import selection
from relu2mip.ir import Graph, Linear, Node, Port, Relu
from relu2mip.normal_form import FormBuilder, NormalForm


@st.composite
def forms(draw, max_values: int = 9, max_size: int = 5) -> NormalForm:
    """A random DAG of affine values, ReLUs and maxima over one or two inputs, sparse and dense, with kept values."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    form = FormBuilder()
    values = [form.input(f"x{k}", int(rng.integers(1, max_size + 1))) for k in range(rng.integers(1, 3))]
    for _ in range(draw(st.integers(1, max_values))):
        source = int(rng.choice(values[-4:]))
        size = form.size(source)
        match rng.choice(["affine", "affine", "relu", "relu", "max", "constant"]):
            case "affine":
                values.append(_affine(form, values, rng, max_size))
            case "relu":
                values.append(form.relu(source))
            case "max":
                groups = [rng.integers(0, size, rng.integers(1, 4)) for _ in range(rng.integers(1, 4))]
                starts = np.concatenate([[0], np.cumsum([g.size for g in groups])])
                values.append(form.max(source, np.concatenate(groups), starts))
            case "constant":
                values.append(form.affine((), (), rng.integers(-2, 3, size).astype(float)))
    outputs = {f"y{k}": int(v) for k, v in enumerate(rng.choice(values, size=min(2, len(values)), replace=False))}
    return form.build({**outputs, "last": values[-1]})


def _affine(form: FormBuilder, values: list[int], rng: np.random.Generator, max_size: int) -> int:
    inputs = sorted({int(v) for v in rng.choice(values, size=rng.integers(1, 3))})
    rows = int(rng.integers(1, max_size + 1))
    matrices = []
    for k in inputs:
        if rng.random() < 0.3:
            matrices.append(selection(rng.integers(-1, form.size(k), rows), form.size(k)))
        else:
            # Small whole numbers make stable, dead and duplicate units common, and sums exact.
            matrix = rng.integers(-2, 3, (rows, form.size(k))).astype(float) * (rng.random((rows, form.size(k))) < 0.6)
            matrices.append(sp.csr_array(matrix) if rng.random() < 0.5 else matrix)
    return form.affine(inputs, matrices, rng.integers(-2, 3, rows).astype(float), kept=bool(rng.random() < 0.15))


def points(form: NormalForm, count: int = 64, seed: int = 0, radius: float = 2.0) -> dict[str, np.ndarray]:
    """Random inputs in a box, its corners and the origin among them."""
    rng = np.random.default_rng(seed)
    result = {}
    for name, i in form.inputs.items():
        x = rng.uniform(-radius, radius, (count, form.values[i].size))
        x[: count // 4] = np.sign(x[: count // 4]) * radius
        x[-1] = 0.0
        result[name] = x
    return result


def domain(form: NormalForm, radius: float = 2.0) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """The box of `points` for every input."""
    sizes = {i: form.values[i].size for i in form.inputs.values()}
    return {i: (np.full(n, -radius), np.full(n, radius)) for i, n in sizes.items()}


def mlp(sizes: list[int], seed: int = 0, scale: float = 1.0, name: str = "mlp") -> Graph:
    """A random multilayer perceptron as a graph, `sizes` from input to output."""
    rng = np.random.default_rng(seed)
    nodes, tensor = [], "x"
    for k, (a, b) in enumerate(pairwise(sizes), 1):
        last = k == len(sizes) - 1
        matrix = rng.normal(size=(b, a)) * scale / np.sqrt(a)
        nodes.append(Node("y" if last else f"z{k}", Linear(matrix, 0.3 * rng.normal(size=b)), (tensor,), (b,)))
        if not last:
            nodes.append(Node(f"h{k}", Relu(), (f"z{k}",), (b,)))
            tensor = f"h{k}"
    return Graph(name, (Port("x", (sizes[0],)),), (Port("y", (sizes[-1],)),), tuple(nodes))
