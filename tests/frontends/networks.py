"""Small ONNX models for tests, and a hypothesis strategy of random piecewise-linear networks.

from tests.frontends.networks import build, networks

model = build([("Relu", ["x"], ["y"])], {"x": ("N", 2)}, {"y": ("N", 2)})

@given(networks(max_units=8))
def test_something(model): ...
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper, numpy_helper

Shape = tuple[int | str, ...]
NodeSpec = tuple[Any, ...]
"""(operator, inputs, outputs) or (operator, inputs, outputs, attributes)."""


def build(
    nodes: Sequence[NodeSpec],
    inputs: Mapping[str, Shape | None],
    outputs: Mapping[str, Shape | None] | Sequence[str],
    constants: Mapping[str, Any] | None = None,
    *,
    opset: int = 18,
    dtype: int = onnx.TensorProto.FLOAT,
    as_nodes: bool = False,
) -> onnx.ModelProto:
    """A model; float constants get its type. `as_nodes`: constants become Constant nodes, not initializers."""
    if not isinstance(outputs, Mapping):
        outputs = dict.fromkeys(outputs)
    tensors = [tensor(name, value, dtype) for name, value in (constants or {}).items()]
    made = [helper.make_node("Constant", [], [t.name], value=t) for t in tensors] if as_nodes else []
    made += [helper.make_node(n[0], n[1], n[2], **(n[3] if len(n) > 3 else {})) for n in nodes]
    graph = helper.make_graph(
        made,
        "net",
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, shape) for name, shape in outputs.items()],
        [] if as_nodes else tensors,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version(opset))


def ir_version(opset: int) -> int:
    """A file version that readers of that operator set know."""
    return 7 if opset < 15 else 9 if opset < 22 else 11


def tensor(name: str, value: Any, dtype: int = onnx.TensorProto.FLOAT) -> onnx.TensorProto:
    """A named tensor; floats (and anything that is no array) in the given type, other arrays in theirs."""
    array = np.asarray(value)
    if array.dtype == np.float64:
        return numpy_helper.from_array(array.astype(helper.tensor_dtype_to_np_dtype(dtype)), name)
    return numpy_helper.from_array(array, name)


def mlp(sizes: Sequence[int], seed: int = 0, batch: int | str = "N") -> onnx.ModelProto:
    """A multilayer perceptron of Gemm and Relu with random weights."""
    rng = np.random.default_rng(seed)
    nodes: list[NodeSpec] = []
    constants: dict[str, Any] = {}
    x = "x"
    for k, (n, m) in enumerate(itertools.pairwise(sizes), 1):
        constants |= {f"w{k}": rng.normal(size=(m, n)) / math.sqrt(n), f"b{k}": rng.normal(size=m) / 4}
        last = k == len(sizes) - 1
        nodes.append(("Gemm", [x, f"w{k}", f"b{k}"], ["y" if last else f"a{k}"], {"transB": 1}))
        if not last:
            nodes.append(("Relu", [f"a{k}"], [f"h{k}"]))
        x = f"h{k}"
    return build(nodes, {"x": (batch, sizes[0])}, {"y": (batch, sizes[-1])}, constants)


@dataclass
class _Sketch:
    """A network being drawn. Axis 0 of every tensor is the batch axis (or, without one, of length `lead`)."""

    integer: Callable[[int, int], int]
    opset: int
    units: int
    lead: int
    nodes: list[NodeSpec] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def choice(self, options: Sequence[Any]) -> Any:
        return options[self.integer(0, len(options) - 1)]

    def real(self) -> float:
        return self.integer(-12, 12) / 8

    def array(self, shape: Sequence[int], low: int = -12) -> np.ndarray:
        """Multiples of 1/8, exact in every floating-point type."""
        rng = np.random.default_rng(self.integer(0, 2**16))
        return rng.integers(low, 13, size=tuple(shape)) / 8

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def node(self, op: str, inputs: Sequence[str], shape: Sequence[int], **attributes: Any) -> None:
        name = f"t{len(self.tensors)}"
        self.nodes.append((op, list(inputs), [name], attributes))
        self.tensors[name] = tuple(shape)

    def spend(self, units: int) -> bool:
        """Whether that many more ReLUs or maxima are allowed."""
        if units > self.units:
            return False
        self.units -= units
        return True


Step = Callable[[_Sketch, str, tuple[int, ...]], None]


def _affine(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 2:
        return
    width = s.integer(1, 4)
    weight = s.array((shape[-1], width))
    if len(shape) == 2 and s.integer(0, 1):
        transposed = s.integer(0, 1)
        bias = s.constant(s.array(s.choice([(width,), (1, width), (1,), ()])))
        inputs = [x, s.constant(weight.T if transposed else weight), bias]
        s.node("Gemm", inputs, (shape[0], width), alpha=s.real(), beta=s.real(), transB=transposed)
    else:
        s.node("MatMul", [x, s.constant(weight)], (*shape[:-1], width))


def _left_product(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) >= 3:
        rows = s.integer(1, 3)
        s.node("MatMul", [s.constant(s.array((rows, shape[-2]))), x], (*shape[:-2], rows, shape[-1]))


def _einsum(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) == 3 and s.opset >= 12:
        factor = s.constant(s.array((shape[2], 2)))
        s.node("Einsum", [x, factor], (shape[0], 2, shape[1]), equation="bij,jk->bki")


def _arithmetic(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    op = s.choice(["Add", "Sub", "Mul", "Div", "RSub"])
    small = s.choice([(), shape[-1:], (1, *shape[1:]), (1,) * len(shape)])
    value = s.array(small, low=2 if op == "Div" else -12)
    other = s.constant(value)
    swap = op == "RSub" or (op in ("Add", "Mul") and s.integer(0, 1))
    s.node(op.replace("RSub", "Sub"), [other, x] if swap else [x, other], shape)


def _two_variables(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    y = s.choice([name for name, other in s.tensors.items() if other == shape])
    op = s.choice(["Add", "Sub", "Sum", "Mean", "Max", "Min"])
    if op in ("Max", "Min") and not s.spend(math.prod(shape)):
        return
    s.node(op, [x, y], shape)


def _activation(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    op = s.choice(["Relu", "Relu", "LeakyRelu", "PRelu", "Abs", "Clip", "HardSigmoid", "Max", "Min"])
    if not s.spend(math.prod(shape) * (2 if op in ("Clip", "HardSigmoid") else 1)):
        return
    match op:
        case "LeakyRelu":
            s.node(op, [x], shape, alpha=s.real())
        case "PRelu":
            s.node(op, [x, s.constant(s.array(shape[-1:]))], shape)
        case "Clip":
            low = s.real()
            limits = [s.constant(np.array(v)) for v in (low, low + s.integer(0, 12) / 8)]
            s.node(op, [x, *limits], shape)
        case "HardSigmoid":
            s.node(op, [x], shape, alpha=0.25, beta=0.5)
        case "Max" | "Min":
            s.node(op, [x, s.constant(s.array(shape[-1:]))], shape)
        case _:
            s.node(op, [x], shape)


def _linear_unary(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    match s.choice(["Neg", "Identity", "Dropout", "Cast", "BatchNormalization"]):
        case "Cast":
            s.node("Cast", [x], shape, to=onnx.TensorProto.FLOAT)
        case "BatchNormalization":
            c = shape[1] if len(shape) > 1 else 0
            if c:
                lows = (-12, -12, -12, 2)
                s.node("BatchNormalization", [x, *(s.constant(s.array((c,), low)) for low in lows)], shape)
        case op:
            s.node(op, [x], shape)


def _reduction(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 2:
        return
    op, axis, keep = s.choice(["Sum", "Mean", "Max", "Min"]), s.integer(1, len(shape) - 1), s.integer(0, 1)
    result = (*shape[:axis], *([1] if keep else []), *shape[axis + 1 :])
    if op in ("Max", "Min") and not s.spend((shape[axis] - 1) * math.prod(result)):
        return
    if s.opset >= (13 if op == "Sum" else 18):
        s.node(f"Reduce{op}", [x, s.constant(np.array([axis]))], result, keepdims=keep)
    else:
        s.node(f"Reduce{op}", [x], result, axes=[axis], keepdims=keep)


def _concat(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 2:
        return
    axis = s.integer(1, len(shape) - 1)
    fits = [
        name
        for name, other in s.tensors.items()
        if len(other) == len(shape) and other[:axis] == shape[:axis] and other[axis + 1 :] == shape[axis + 1 :]
    ]
    y = s.choice(fits)
    s.node("Concat", [x, y], (*shape[:axis], shape[axis] + s.tensors[y][axis], *shape[axis + 1 :]), axis=axis)


def _part(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 2:
        return
    axis = s.integer(1, len(shape) - 1)
    size = shape[axis]
    if s.integer(0, 1):
        count = s.integer(1, 3)
        indices = np.random.default_rng(s.integer(0, 99)).integers(-size, size, size=count)
        s.node("Gather", [x, s.constant(indices)], (*shape[:axis], count, *shape[axis + 1 :]), axis=axis)
        return
    step = s.choice([1, 2, -1])
    start, end = (s.integer(0, size - 1), size) if step > 0 else (s.integer(0, size - 1), -size - 1)
    kept = len(range(size)[start : None if step < 0 else end : step])
    parts = [s.constant(np.array([v])) for v in (start, end, axis, step)]
    s.node("Slice", [x, *parts], (*shape[:axis], kept, *shape[axis + 1 :]))


def _layout(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    match s.choice(["Transpose", "Reshape", "Flatten", "Unsqueeze", "Tile", "Pad", "Expand"]):
        case "Transpose":
            rest = list(range(1, len(shape)))
            perm = [0, *(rest.pop(s.integer(0, len(rest) - 1)) for _ in range(len(shape) - 1))]
            s.node("Transpose", [x], [shape[k] for k in perm], perm=perm)
        case "Reshape" if len(shape) >= 3:
            s.node("Reshape", [x, s.constant(np.array([0, -1]))], (shape[0], math.prod(shape[1:])))
        case "Flatten" if len(shape) >= 2:
            s.node("Flatten", [x], (shape[0], math.prod(shape[1:])), axis=1)
        case "Unsqueeze" if len(shape) < 4 and s.opset >= 13:
            axis = s.integer(1, len(shape))
            s.node("Unsqueeze", [x, s.constant(np.array([axis]))], (*shape[:axis], 1, *shape[axis:]))
        case "Tile" if len(shape) >= 2 and math.prod(shape) <= 12:
            repeats = [1] * (len(shape) - 1) + [2]
            s.node("Tile", [x, s.constant(np.array(repeats))], (*shape[:-1], 2 * shape[-1]))
        case "Pad" if len(shape) >= 2 and math.prod(shape) <= 12:
            pads = [0] * (2 * len(shape))
            pads[len(shape) - 1], pads[-1] = s.integer(0, 1), s.integer(0, 2)
            value = s.constant(np.array(s.real()))
            s.node("Pad", [x, s.constant(np.array(pads)), value], (*shape[:-1], shape[-1] + sum(pads)))
        case "Expand" if len(shape) >= 2 and shape[1] == 1:
            s.node("Expand", [x, s.constant(np.array([1, 2, *(1,) * (len(shape) - 2)]))], (shape[0], 2, *shape[2:]))
        case _:
            pass


def _convolution(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 3:
        return
    rank, channels = len(shape) - 2, s.integer(1, 2)
    kernel = [s.integer(1, min(2, n)) for n in shape[2:]]
    if s.integer(0, 2):
        stride, pad = s.integer(1, 2), s.integer(0, 1)
        out = [(n + 2 * pad - k) // stride + 1 for n, k in zip(shape[2:], kernel, strict=True)]
        weight = s.array((channels, shape[1], *kernel))
        attributes: dict[str, Any] = {"strides": [stride] * rank, "pads": [pad] * (2 * rank)}
        op = "Conv"
    else:
        out = [n + k - 1 for n, k in zip(shape[2:], kernel, strict=True)]
        weight, attributes, op = s.array((shape[1], channels, *kernel)), {}, "ConvTranspose"
    if math.prod(out) <= 16:
        inputs = [x, s.constant(weight), s.constant(s.array((channels,)))]
        s.node(op, inputs, (shape[0], channels, *out), **attributes)


def _pooling(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 3:
        return
    op = s.choice(["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
    kernel = [min(2, n) for n in shape[2:]]
    out = [1] * len(kernel) if op.startswith("Global") else [n - k + 1 for n, k in zip(shape[2:], kernel, strict=True)]
    window = math.prod(shape[2:]) if op.startswith("Global") else math.prod(kernel)
    if "Max" in op and not s.spend((window - 1) * math.prod((*shape[:2], *out))):
        return
    s.node(op, [x], (*shape[:2], *out), **({} if op.startswith("Global") else {"kernel_shape": kernel}))


def _scatter(s: _Sketch, x: str, shape: tuple[int, ...]) -> None:
    if len(shape) < 2 or s.opset < 16:
        return
    targets = np.random.default_rng(s.integer(0, 99)).integers(0, 2, size=shape)
    zeros = s.constant(s.array((shape[0], *(2,) * (len(shape) - 1))))
    if max(shape[1:]) <= 2 and s.lead == shape[0]:
        inputs = [zeros, s.constant(targets), x]
        s.node("ScatterElements", inputs, (shape[0], *(2,) * (len(shape) - 1)), axis=1, reduction="add")


_STEPS: list[Step] = [
    *(_affine, _activation, _affine, _activation, _arithmetic, _two_variables, _left_product, _einsum),
    *(_linear_unary, _reduction, _concat, _part, _layout, _convolution, _pooling, _scatter),
]


@st.composite
def networks(draw: Callable[[st.SearchStrategy[Any]], Any], **limits: Any) -> onnx.ModelProto:
    """Random networks, as `drawn` makes them."""
    return drawn(lambda low, high: int(draw(st.integers(low, high))), **limits)


def drawn(
    integer: Callable[[int, int], int],
    max_units: int = 30,
    max_steps: int = 8,
    opsets: Sequence[int] = (13, 18, 22),
    inputs: int = 2,
) -> onnx.ModelProto:
    """A random piecewise-linear network: any DAG, at most `max_units` ReLUs and maxima, 1 to `inputs` inputs.

    integer(low, high): where its choices come from. All constants are small multiples of 1/8. The batch axis is
    symbolic, 1 or absent.
    """

    def choice(options: Sequence[Any]) -> Any:
        return options[integer(0, len(options) - 1)]

    batch = choice(["N", 1, 2])
    lead = batch if isinstance(batch, int) else 1
    sketch = _Sketch(integer, choice(opsets), max_units, lead)
    declared: dict[str, Shape] = {}
    for k in range(integer(1, inputs)):
        shape = choice([(1,), (2,), (3,), (2, 2), (1, 3), (1, 4), (1, 2, 2), (2, 2, 3)])
        declared[f"x{k}"] = (batch, *shape)
        sketch.tensors[f"x{k}"] = (lead, *shape)
    for _ in range(integer(1, max_steps)):
        step = choice(_STEPS)
        x = choice(list(sketch.tensors))
        if math.prod(sketch.tensors[x]) <= 48:
            step(sketch, x, sketch.tensors[x])
    if not sketch.nodes:
        sketch.node("Identity", ["x0"], sketch.tensors["x0"])
    computed = [node[2][0] for node in sketch.nodes]
    read = {name for node in sketch.nodes for name in node[1]}
    outputs = [name for name in computed if name not in read][:3]
    return build(
        sketch.nodes,
        declared,
        {name: (batch, *sketch.tensors[name][1:]) for name in outputs},
        sketch.constants,
        opset=sketch.opset,
        as_nodes=bool(integer(0, 1)),
    )
