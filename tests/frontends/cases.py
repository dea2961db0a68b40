"""One-node models: for each operator, its attributes and input forms at a given operator set.

`CASES[op](opset)` yields `Case`s; the tests build each at every version of the operator and compare with onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from tests.frontends.networks import NodeSpec, build


@dataclass
class Case:
    """One node: operands are shapes (variables), arrays (constants) or None (left out)."""

    op: str
    operands: Sequence[tuple[int | str, ...] | np.ndarray | None]
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    unused: int = 0
    dtype: int = TensorProto.FLOAT
    note: str = ""

    def model(self, opset: int, as_nodes: bool = False) -> onnx.ModelProto:
        names = ["" if x is None else f"i{k}" for k, x in enumerate(self.operands)]
        inputs = {n: x for n, x in zip(names, self.operands, strict=True) if isinstance(x, tuple)}
        constants = {n: x for n, x in zip(names, self.operands, strict=True) if isinstance(x, np.ndarray)}
        outputs = [f"y{k}" for k in range(self.outputs)]
        node: NodeSpec = (self.op, names, [*outputs, *(f"unused{k}" for k in range(self.unused))], self.attributes)
        model = build([node], inputs, outputs, constants, opset=opset, as_nodes=as_nodes)
        model.graph.output[0].type.tensor_type.elem_type = self.dtype
        return model

    def __str__(self) -> str:
        parts = ["c" if isinstance(x, np.ndarray) else "-" if x is None else "x" for x in self.operands]
        shown = [f"{k}={v}" for k, v in self.attributes.items()]
        return " ".join([f"{self.op}({','.join(parts)})", *shown, self.note]).strip()


rng = np.random.default_rng(7)


def real(*shape: int) -> np.ndarray:
    return np.asarray(np.round(rng.normal(size=shape), 3))


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


Cases = Callable[[int], Iterator[Case]]
CASES: dict[str, Cases] = {}


def cases(*ops: str) -> Callable[[Callable[[str, int], Iterator[Case]]], Callable[[str, int], Iterator[Case]]]:
    def register(function: Callable[[str, int], Iterator[Case]]) -> Callable[[str, int], Iterator[Case]]:
        for op in ops:
            CASES[op] = lambda opset, op=op: function(op, opset)
        return function

    return register


@cases("Gemm")
def gemm(op: str, opset: int) -> Iterator[Case]:
    for trans_b in (0, 1):
        b = real(5, 3) if trans_b else real(3, 5)
        for c in (real(5), real(1, 5), real(1), real(1, 1), np.array(0.7)):
            yield Case(op, [(1, 3), b, c], {"alpha": 0.5, "beta": -2.0, "transB": trans_b})
        for trans_a in (0, 1):
            a = (3, 2) if trans_a else (2, 3)
            for c in (real(2, 5), real(2, 1), real(5)):
                yield Case(op, [a, b, c], {"transA": trans_a, "transB": trans_b})
            yield Case(op, [a, b, (2, 5)], {"transA": trans_a, "transB": trans_b, "beta": 0.25}, note="variable C")
    yield Case(op, [(1, 3), real(3, 5), real(5)], note="no attributes")
    if opset >= 11:
        yield Case(op, [(1, 3), real(3, 5)], note="no C")
        yield Case(op, [(1, 3), real(3, 5)], {"alpha": 3.0, "beta": 5.0}, note="no C")
    for trans_a in (0, 1):
        for trans_b in (0, 1):
            a, b = real(3, 2) if trans_a else real(2, 3), (5, 3) if trans_b else (3, 5)
            attributes = {"alpha": -1.5, "transA": trans_a, "transB": trans_b}
            yield Case(op, [a, b, real(2, 1)], attributes, note="constant A")
    yield Case(op, [real(2, 3), real(3, 5), (2, 5)], {"alpha": 2.0, "beta": 3.0}, note="variable C only")
    yield Case(op, [("N", 3), real(3, 5), real(5)], note="symbolic batch")
    yield Case(op, [(3, 1), real(5, 1), real(5)], {"transB": 1}, note="inner axis 1")


@cases("MatMul")
def matmul(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [("N", 3), real(3, 4)])
    yield Case(op, [(2, 3), real(3, 4)])
    yield Case(op, [(3,), real(3, 4)])
    yield Case(op, [(3,), real(3)])
    yield Case(op, [real(3), (3,)])
    yield Case(op, [(2, 3), real(3)])
    yield Case(op, [(2, 4, 3), real(3, 2)])
    yield Case(op, [(2, 4, 3), real(3)])
    yield Case(op, [(2, 4, 3), real(2, 3, 5)], note="batched constant")
    yield Case(op, [(4, 3), real(2, 3, 5)], note="variable broadcast over the batch")
    yield Case(op, [(2, 1, 4, 3), real(5, 3, 2)])
    yield Case(op, [(1, 4, 3), real(5, 3, 2)])
    yield Case(op, [real(4, 3), (3, 5)])
    yield Case(op, [real(4, 3), (3, 1)])
    yield Case(op, [real(4, 3), (2, 3, 5)])
    yield Case(op, [real(2, 4, 3), (3, 5)])
    yield Case(op, [real(2, 4, 3), (2, 3, 5)])
    yield Case(op, [real(2, 4, 3), (3,)])
    yield Case(op, [real(3), (2, 3, 4)])
    yield Case(op, [(1, 2, 2, 1, 3), real(2, 3, 4)])
    yield Case(op, [(2, 1), real(1, 3)], note="inner axis 1")


@cases("Add", "Sub", "Mul", "Div")
def arithmetic(op: str, opset: int) -> Iterator[Case]:
    for shape in ((2, 3), (3,), (1,), (), (2, 1), (4, 2, 3), (4, 1, 1)):
        yield Case(op, [(2, 3), np.asarray(real(*shape) + 3.0)])
        if op != "Div":
            yield Case(op, [real(*shape), (2, 3)])
            yield Case(op, [real(*shape), ()], note="scalar variable")
    yield Case(op, [("N", 3), real(3) + 3.0])
    if op in ("Add", "Sub"):
        for other in ((2, 3), (3,), (1,), (), (4, 2, 1)):
            yield Case(op, [(2, 3), other], note=f"two variables {other}")
            yield Case(op, [other, (2, 3)], note=f"two variables {other}")
        yield Case(op, [("N", 2, 1), ("N", 1, 3)], note="two variables, outer")


@cases("Sum", "Mean", "Max", "Min")
def variadic(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3)])
    yield Case(op, [(2, 3), (2, 3), (2, 3)])
    yield Case(op, [(2, 3), real(2, 3)])
    yield Case(op, [real(2, 3), (2, 3), real(2, 3), (2, 3)])
    if opset >= 8:
        yield Case(op, [(2, 3), (3,), real(2, 1)])
        yield Case(op, [("N", 3), np.array(0.0)])
        yield Case(op, [real(4, 1, 1), (2, 3)])


@cases("Neg", "Relu", "Abs", "Identity")
def unary(op: str, opset: int) -> Iterator[Case]:
    for shape in (("N", 3), (3,), (), (2, 3, 4)):
        yield Case(op, [shape])


@cases("LeakyRelu")
def leaky(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3)])
    for alpha in (0.5, -0.5, 0.0, 2.0):
        yield Case(op, [(2, 3)], {"alpha": alpha})


@cases("PRelu")
def prelu(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(1, 2, 3), real(2, 3) if opset < 9 else real(2, 1)])
    yield Case(op, [(1, 2, 3), real(1)])
    yield Case(op, [("N", 2, 3), real(3)])
    yield Case(op, [(1, 2, 3), real(1, 2, 3)])


@cases("Clip")
def clip(op: str, opset: int) -> Iterator[Case]:
    if opset < 11:
        for attributes in ({}, {"min": 0.0}, {"max": 0.5}, {"min": -0.5, "max": 0.5}, {"min": 0.0, "max": 6.0}):
            yield Case(op, [(2, 3)], attributes)
        return
    low, high = np.array(-0.5), np.array(0.5)
    for limits in ([], [low], [None, high], [low, high], [np.array(0.0)], [np.array(-np.inf), np.array(np.inf)]):
        yield Case(op, [(2, 3), *limits], note=str([None if v is None else float(v) for v in limits]))
    yield Case(op, [(2, 3), np.array(-3.4028234663852886e38), high], note="lowest float")
    if opset >= 12:
        yield Case(op, [(2, 3), (), high], note="variable limit")
        yield Case(op, [(2, 3), low, ()], note="variable limit")
        yield Case(op, [real(2, 3), low, ()], note="variable limit alone")
        yield Case(op, [(2, 3), high, low], note="crossed")


@cases("HardSigmoid")
def hard_sigmoid(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3)])
    yield Case(op, [(2, 3)], {"alpha": 0.5, "beta": 0.25})
    yield Case(op, [(2, 3)], {"alpha": -1.0})


@cases("Einsum")
def einsum(op: str, opset: int) -> Iterator[Case]:
    for equation, *operands in (
        ("ij,jk->ik", (2, 3), real(3, 4)),
        ("ij,jk", (2, 3), real(3, 4)),
        ("ij,kj->ki", real(2, 3), (4, 3)),
        ("bij,bjk->bik", (2, 3, 4), real(2, 4, 5)),
        ("bij,jk->bik", (2, 3, 4), real(4, 5)),
        ("...ij,jk->...ik", (2, 2, 3, 4), real(4, 5)),
        ("...ij,...jk->...ik", (1, 3, 4), real(2, 4, 5)),
        ("...ij,...jk", (2, 3, 4), real(2, 4, 5)),
        ("ij->ji", (2, 3)),
        ("ij->i", (2, 3)),
        ("ij->", (2, 3)),
        ("ii->i", (3, 3)),
        ("ii", (3, 3)),
        ("i,j->ij", (2,), real(3)),
        ("ij,ij->", (2, 3), real(2, 3)),
        ("ij,jk,kl->il", real(2, 3), (3, 4), real(4, 2)),
        ("i,ij,j->j", real(2), (2, 3), real(3)),
        ("b i j , j -> b i", (2, 3, 4), real(4)),
        ("bhwc,hkc->bhwk", (2, 3, 2, 2), real(3, 4, 2)),
        ("ij,k->i", (2, 3), real(4)),
    ):
        yield Case(op, operands, {"equation": equation})


@cases("Conv")
def conv(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [("N", 2, 7), real(3, 2, 3), real(3)])
    yield Case(op, [(1, 2, 5, 6), real(3, 2, 2, 3)])
    yield Case(op, [(2, 1, 3, 4, 3), real(2, 1, 2, 2, 2), real(2)], {"pads": [1, 0, 1, 0, 1, 0]})
    image, kernel = (1, 2, 7, 6), real(4, 2, 3, 2)
    yield Case(op, [image, kernel, real(4)], {"pads": [1, 0, 2, 1], "strides": [2, 3], "dilations": [2, 1]})
    yield Case(op, [image, kernel], {"kernel_shape": [3, 2]})
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"):
        yield Case(op, [image, kernel], {"auto_pad": pad, "strides": [2, 2]})
    yield Case(op, [(1, 2, 7, 6), real(4, 2, 2, 2)], {"auto_pad": "SAME_UPPER"})
    yield Case(op, [(1, 2, 7, 6), real(4, 2, 2, 2)], {"auto_pad": "SAME_LOWER"})
    yield Case(op, [(1, 4, 5, 5), real(6, 2, 3, 3), real(6)], {"group": 2, "pads": [1, 1, 1, 1]})
    yield Case(op, [(1, 4, 5, 5), real(4, 1, 3, 3)], {"group": 4})
    yield Case(op, [(1, 3, 1, 1), real(2, 3, 1, 1), real(2)])


@cases("ConvTranspose")
def conv_transpose(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [("N", 2, 4), real(2, 3, 3), real(3)])
    yield Case(op, [(1, 2, 3, 4), real(2, 3, 2, 3)], {"strides": [2, 3]})
    yield Case(op, [(2, 1, 2, 3, 2), real(1, 2, 2, 2, 2), real(2)], {"pads": [1, 0, 1, 0, 1, 0]})
    image, kernel = (1, 2, 3, 4), real(2, 3, 3, 2)
    attributes = {"pads": [1, 0, 0, 1], "strides": [2, 2], "dilations": [1, 2]}
    yield Case(op, [image, kernel, real(3)], attributes)
    yield Case(op, [image, kernel], {"strides": [2, 3], "output_padding": [1, 2]})
    for pad in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        yield Case(op, [image, kernel], {"output_shape": [6, 7], "strides": [2, 2], "auto_pad": pad})
        yield Case(op, [image, kernel], {"auto_pad": pad, "strides": [2, 2]})
        yield Case(op, [image, kernel], {"auto_pad": pad})
    yield Case(op, [image, kernel], {"auto_pad": "VALID", "strides": [2, 2]})
    yield Case(op, [image, kernel, real(3)], {"output_shape": [8, 9], "strides": [2, 2]}, note="larger than needed")
    yield Case(op, [(1, 4, 3, 3), real(4, 2, 2, 2), real(4)], {"group": 2, "strides": [2, 1]})
    yield Case(op, [(1, 4, 3, 3), real(4, 1, 2, 2)], {"group": 4})
    yield Case(op, [(1, 2, 4), real(2, 3, 2)], {"kernel_shape": [2], "strides": [3]}, note="gaps")


@cases("BatchNormalization")
def batch_normalization(op: str, opset: int) -> Iterator[Case]:
    statistics = [real(3), real(3), real(3), np.abs(real(3)) + 0.1]
    for shape in (("N", 3), (2, 3, 4), (1, 3, 2, 2)):
        yield Case(op, [shape, *statistics])
    yield Case(op, [(1, 3), *statistics], {"epsilon": 0.1, "momentum": 0.5})
    if opset >= 14:
        yield Case(op, [(1, 3), *statistics], {"training_mode": 0})


@cases("AveragePool", "MaxPool")
def pooling(op: str, opset: int) -> Iterator[Case]:
    for shape, kernel in ((("N", 2, 7), [3]), ((1, 2, 5, 6), [2, 3]), ((1, 1, 4, 3, 4), [2, 2, 3])):
        yield Case(op, [shape], {"kernel_shape": kernel})
    image, kernel = {"kernel_shape": [3, 2]}, (1, 2, 7, 6)
    yield Case(op, [kernel], image | {"strides": [2, 3], "pads": [1, 0, 2, 1]})
    yield Case(op, [kernel], {"kernel_shape": [1, 1]})
    for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        yield Case(op, [kernel], image | {"auto_pad": pad, "strides": [2, 2]})
        yield Case(op, [kernel], image | {"auto_pad": pad})
    if op == "AveragePool":
        yield Case(op, [kernel], image | {"pads": [1, 1, 2, 0], "count_include_pad": 1})
        yield Case(op, [kernel], image | {"auto_pad": "SAME_UPPER", "count_include_pad": 1})
    if opset >= 10:
        for pads in ([0, 0, 0, 0], [1, 1, 1, 1], [1, 0, 0, 1]):
            yield Case(op, [kernel], image | {"strides": [2, 3], "pads": pads, "ceil_mode": 1})
            yield Case(op, [(1, 1, 4, 4)], {"kernel_shape": [2, 2], "strides": [3, 3], "pads": pads, "ceil_mode": 1})
            if op == "AveragePool" and opset >= 19:
                more = {"pads": pads, "ceil_mode": 1, "count_include_pad": 1}
                yield Case(op, [kernel], image | more | {"strides": [2, 3]})
    if opset >= (19 if op == "AveragePool" else 10):
        yield Case(op, [kernel], image | {"dilations": [2, 1]})
        yield Case(op, [kernel], image | {"dilations": [2, 3], "pads": [1, 1, 1, 1], "strides": [1, 2]})
    if op == "MaxPool" and opset >= 8:
        yield Case(op, [kernel], image | {"storage_order": 1})


@cases("GlobalAveragePool", "GlobalMaxPool")
def global_pooling(op: str, opset: int) -> Iterator[Case]:
    for shape in (("N", 2, 5), (2, 3, 4, 2), (1, 2, 2, 3, 2), (1, 2, 1, 1)):
        yield Case(op, [shape])


@cases("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin")
def reduction(op: str, opset: int) -> Iterator[Case]:
    as_input = opset >= (13 if op == "ReduceSum" else 18)
    for axes in (None, [0], [-1], [0, 2], [1, 2], [2, 0], [0, 1, 2]):
        for keep in (None, 0, 1):
            attributes: dict[str, Any] = {} if keep is None else {"keepdims": keep}
            if as_input:
                yield Case(op, [(2, 3, 4), *([] if axes is None else [ints(*axes)])], attributes, note=str(axes))
            else:
                yield Case(op, [(2, 3, 4)], attributes | ({} if axes is None else {"axes": axes}))
    if as_input:
        for noop in (0, 1):
            yield Case(op, [(2, 3)], {"noop_with_empty_axes": noop})
            yield Case(op, [(2, 3), ints()], {"noop_with_empty_axes": noop}, note="empty")
    yield Case(op, [(3, 1, 2), ints(1)] if as_input else [(3, 1, 2)], {} if as_input else {"axes": [1]}, note="one")


@cases("Concat")
def concat(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3), (2, 3)], {"axis": 0})
    yield Case(op, [("N", 3), ("N", 2)], {"axis": 1})
    yield Case(op, [(2, 3), real(2, 1), (2, 2), real(2, 2)], {"axis": 1})
    if opset >= 11:
        yield Case(op, [(2, 3, 1), (2, 3, 2)], {"axis": -1})
    yield Case(op, [(2, 3)], {"axis": 1})
    yield Case(op, [(2, 3), np.zeros((2, 0))], {"axis": 1}, note="with nothing")


@cases("Split")
def split(op: str, opset: int) -> Iterator[Case]:
    if opset < 13:
        yield Case(op, [(2, 6)], {"axis": 1, "split": [1, 3, 2]}, outputs=3)
        yield Case(op, [(6, 2)], {"split": [2, 4]}, outputs=2)
        yield Case(op, [(6, 2)], outputs=3)
        yield Case(op, [(2, 6)], {"axis": -1}, outputs=2)
        return
    yield Case(op, [(2, 6), ints(1, 3, 2)], {"axis": 1}, outputs=3)
    yield Case(op, [(6, 2), ints(2, 4)], outputs=2)
    yield Case(op, [(6, 2), ints(6)], outputs=1)
    equal = {} if opset < 18 else {"num_outputs": 3}
    yield Case(op, [(6, 2)], equal, outputs=3)
    yield Case(op, [(2, 6)], {"axis": -1} | equal, outputs=3)
    if opset >= 18:
        yield Case(op, [(7, 2)], {"num_outputs": 3}, outputs=3, note="uneven")


@cases("Slice")
def slice_(op: str, opset: int) -> Iterator[Case]:
    big = 2**31 - 1
    forward = [([0], [2], None), ([1], [big], [1]), ([-2, 0], [big, -1], [-1, 0]), ([0, 1], [1, 3], [0, 1])]
    forward += [([1, 1], [-1, 9], [1, 2]), ([-9], [2], [0])]
    for starts, ends, axes in forward:
        if opset < 10:
            axes_given = {} if axes is None else {"axes": axes}
            yield Case(op, [(3, 4, 5)], {"starts": starts, "ends": ends} | axes_given)
        else:
            operands = [ints(*starts), ints(*ends), *([] if axes is None else [ints(*axes)])]
            yield Case(op, [(3, 4, 5), *operands], note=str((starts, ends, axes)))
    if opset >= 10:
        small = -(2**63)
        for start, end, step in ((0, big, 2), (4, 0, -1), (-1, small, -1), (big, small, -2), (3, -6, -2), (1, 4, 3)):
            operands = [ints(start), ints(end), ints(2), ints(step)]
            yield Case(op, [("N", 4, 5), *operands], note=str((start, end, step)))
        operands = [ints(1, 5), ints(3, 0), None, ints(1, -2)]
        yield Case(op, [(3, 6), *operands], note="axes left out")
        yield Case(op, [(3, 4), *(np.array([v], dtype=np.int32) for v in (1, 3, 1))], note="int32")


@cases("Gather")
def gather(op: str, opset: int) -> Iterator[Case]:
    for axis in (0, 1, -1) if opset >= 11 else (0, 1):
        for indices in (ints(1, 0, 1), np.array(1), ints(0, 1, 1, 0).reshape(2, 2), ints()):
            yield Case(op, [(2, 3, 2), indices], {"axis": axis}, note=str(indices.tolist()))
    if opset >= 11:
        yield Case(op, [("N", 3), ints(-1, -3)], {"axis": 1}, note="negative")
    yield Case(op, [(3, 2), np.array([2, 0], dtype=np.int32)], note="int32")


@cases("GatherElements")
def gather_elements(op: str, opset: int) -> Iterator[Case]:
    indices = ints(0, 1, 1, -1, 0, 0).reshape(3, 2)
    yield Case(op, [(3, 2), indices])
    yield Case(op, [(3, 2), indices], {"axis": 1})
    yield Case(op, [(3, 2), indices[:2]], {"axis": -1}, note="fewer")
    yield Case(op, [(2, 2, 2), ints(0, 1).reshape(1, 2, 1)], {"axis": 1})


@cases("GatherND")
def gather_nd(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3), ints(0, 1, 1, -1).reshape(2, 2)])
    yield Case(op, [(2, 3), ints(1, 0).reshape(2, 1)])
    yield Case(op, [(2, 3, 4), ints(1, 0, 1, 2).reshape(2, 1, 2)])
    yield Case(op, [(3,), ints(2)], note="one entry")
    if opset >= 12:
        yield Case(op, [(2, 3, 4), ints(1, 0).reshape(2, 1)], {"batch_dims": 1})
        yield Case(op, [(2, 3, 4), ints(1, 0, 2, 1, 1, 0).reshape(2, 3, 1)], {"batch_dims": 1})
        yield Case(op, [(2, 3, 4), ints(1, 0, 2, 1, 1, 0).reshape(2, 3, 1)], {"batch_dims": 2})
        yield Case(op, [(2, 3, 4), ints(1, 0, 2, 1).reshape(2, 1, 2)], {"batch_dims": 1})


@cases("Scatter", "ScatterElements")
def scatter_elements(op: str, opset: int) -> Iterator[Case]:
    indices = ints(1, 0, 2).reshape(1, 3)
    for data, updates in (((3, 3), (1, 3)), (real(3, 3), (1, 3)), ((3, 3), real(1, 3))):
        yield Case(op, [data, indices, updates])
        yield Case(op, [data, indices, updates], {"axis": 1})
    if op == "Scatter":
        return
    yield Case(op, [(3, 3), ints(-1, 0, -2).reshape(1, 3), (1, 3)], {"axis": -1})
    if opset >= 16:
        twice = ints(1, 1, 0, 1).reshape(2, 2)
        for data, updates in (((3, 3), (2, 2)), (real(3, 3), (2, 2)), ((3, 3), real(2, 2))):
            yield Case(op, [data, twice, updates], {"reduction": "add"}, note="duplicates")
            yield Case(op, [data, twice, updates], {"reduction": "add", "axis": 1}, note="duplicates")
            if opset >= 18:
                yield Case(op, [data, twice, updates], {"reduction": "max"}, note="duplicates")
                yield Case(op, [data, twice, updates], {"reduction": "min", "axis": 1}, note="duplicates")
        yield Case(op, [(3, 3), indices, (1, 3)], {"reduction": "none"})


@cases("ScatterND")
def scatter_nd(op: str, opset: int) -> Iterator[Case]:
    places = ints(0, 1, 2, 0).reshape(2, 2)
    for data, updates in (((3, 2), (2,)), (real(3, 2), (2,)), ((3, 2), real(2))):
        yield Case(op, [data, places, updates])
    yield Case(op, [(3, 2), ints(2, 0).reshape(2, 1), (2, 2)], note="slices")
    yield Case(op, [(3, 2), ints(-1, -3).reshape(2, 1), (2, 2)], note="negative")
    if opset >= 16:
        twice = ints(1, 1, 2).reshape(3, 1)
        for data, updates in (((3, 2), (3, 2)), (real(3, 2), (3, 2)), ((3, 2), real(3, 2))):
            yield Case(op, [data, twice, updates], {"reduction": "add"}, note="duplicates")
            if opset >= 18:
                yield Case(op, [data, twice, updates], {"reduction": "max"}, note="duplicates")
                yield Case(op, [data, twice, updates], {"reduction": "min"}, note="duplicates")


@cases("Transpose")
def transpose(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3, 4)])
    yield Case(op, [(2, 3, 4)], {"perm": [1, 2, 0]})
    yield Case(op, [("N", 3, 4)], {"perm": [0, 2, 1]})
    yield Case(op, [(1, 3)], {"perm": [1, 0]})


@cases("Reshape")
def reshape(op: str, opset: int) -> Iterator[Case]:
    for shape in ([6, 4], [-1], [0, -1], [2, 0, 4], [0, 0, 2, -1], [1, 24, 1]):
        yield Case(op, [(2, 3, 4), ints(*shape)], note=str(shape))
    yield Case(op, [(1,), np.zeros(0, dtype=np.int64)], note="to a scalar")
    if opset >= 14:
        yield Case(op, [(2, 3, 4), ints(4, -1)], {"allowzero": 1})
        yield Case(op, [(2, 3, 4), ints(0, -1)], {"allowzero": 0})


@cases("Flatten")
def flatten(op: str, opset: int) -> Iterator[Case]:
    for axis in (None, 0, 1, 2, 3, *((-1, -3) if opset >= 11 else ())):
        yield Case(op, [(2, 3, 4)], {} if axis is None else {"axis": axis})


@cases("Squeeze", "Unsqueeze")
def squeeze(op: str, opset: int) -> Iterator[Case]:
    shape = (1, 3, 1, 2) if op == "Squeeze" else (3, 2)
    for axes in ([0], [0, 2], [2, 0], *([[-2], [-2, 0]] if opset >= 11 else [])):
        if opset >= 13:
            yield Case(op, [shape, ints(*axes)], note=str(axes))
        else:
            yield Case(op, [shape], {"axes": axes})
    if op == "Squeeze":
        yield Case(op, [shape], note="all")


@cases("Expand")
def expand(op: str, opset: int) -> Iterator[Case]:
    for shape in ([2, 3], [4, 2, 3], [1], [1, 1, 1], [2, 1]):
        yield Case(op, [(2, 3), ints(*shape)], note=str(shape))
    yield Case(op, [(2, 1), ints(3, 1, 4)])


@cases("Tile")
def tile(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3), ints(2, 1)])
    yield Case(op, [("N", 3), ints(1, 3)])
    yield Case(op, [(2, 3, 2), ints(2, 1, 2)])


@cases("Pad")
def pad(op: str, opset: int) -> Iterator[Case]:
    for pads in ([0, 1, 2, 0], [1, 1, 1, 1], [0, 0, 0, 0], [0, -1, 1, 0], [-1, 2, 0, -1]):
        for mode in ("constant", "reflect", "edge"):
            if mode == "reflect" and (max(pads) > 1 or min(pads) < 0):
                continue
            if mode == "edge" and min(pads) < 0:
                continue
            if opset < 11:
                yield Case(op, [(2, 3)], {"pads": pads, "mode": mode, "value": 0.5})
            else:
                value = [np.array(0.5)] if mode == "constant" else []
                yield Case(op, [(2, 3), ints(*pads), *value], {"mode": mode}, note=str(pads))
    if opset >= 11:
        yield Case(op, [(2, 3), ints(0, 1, 0, 1)], note="no value")
    if opset >= 18:
        yield Case(op, [(2, 3), ints(1, 2), np.array(-1.0), ints(-1)], note="axes")
        yield Case(op, [(2, 3), ints(1, 0, 2, 1), None, ints(1, 0)], note="axes")
    if opset >= 19:
        yield Case(op, [(2, 3), ints(0, 1, 0, 2)], {"mode": "wrap"})


@cases("Dropout")
def dropout(op: str, opset: int) -> Iterator[Case]:
    if opset < 12:
        yield Case(op, [(2, 3)])
        yield Case(op, [(2, 3)], {"ratio": 0.7})
        return
    yield Case(op, [(2, 3)], {"seed": 3})
    yield Case(op, [(2, 3), np.array(0.7)])
    yield Case(op, [(2, 3), np.array(0.7), np.array(False)])


@cases("Cast")
def cast(op: str, opset: int) -> Iterator[Case]:
    for to in (TensorProto.FLOAT, TensorProto.DOUBLE):
        yield Case(op, [(2, 3)], {"to": to}, dtype=to)


@cases("CastLike")
def cast_like(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3), np.zeros(1)])
    yield Case(op, [(2, 3), (2,)])


@cases("Where")
def where(op: str, opset: int) -> Iterator[Case]:
    condition = np.array([[True, False, True]])
    for a, b in (((2, 3), (2, 3)), ((2, 3), real(2, 3)), (real(3), (2, 1)), ((1,), (2, 3))):
        yield Case(op, [condition, a, b])
    yield Case(op, [np.array([True, False]).reshape(2, 1, 1), (2, 3), (3,)])


@cases("ThresholdedRelu")
def thresholded_relu(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3)], {"alpha": 0.0})


@cases("Shrink")
def shrink(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(2, 3)], {"bias": 0.25, "lambd": 0.25})
    yield Case(op, [("N", 3)], {"bias": 0.0, "lambd": 0.0})


@cases("CumSum")
def cumsum(op: str, opset: int) -> Iterator[Case]:
    for axis in (0, 1, -1):
        for exclusive in (0, 1):
            for reverse in (0, 1):
                attributes = {"exclusive": exclusive, "reverse": reverse}
                yield Case(op, [(2, 3, 2), np.array(axis)], attributes, note=f"axis {axis}")
    yield Case(op, [(1, 4), ints(1)], note="an axis of shape (1,)")


@cases("ReduceL1")
def reduce_l1(op: str, opset: int) -> Iterator[Case]:
    for axes in ([0], [1, 2], [-1], None):
        for keep in (0, 1):
            if opset >= 18:
                operands = [(2, 3, 4)] if axes is None else [(2, 3, 4), ints(*axes)]
                yield Case(op, operands, {"keepdims": keep}, note=f"axes {axes}")
            else:
                yield Case(op, [(2, 3, 4)], {"keepdims": keep} | ({} if axes is None else {"axes": axes}))


@cases("DepthToSpace")
def depth_to_space(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(1, 8, 2, 3)], {"blocksize": 2})
    if opset >= 11:
        yield Case(op, [(1, 8, 2, 3)], {"blocksize": 2, "mode": "CRD"})
        yield Case(op, [(1, 9, 1, 2)], {"blocksize": 3, "mode": "DCR"})


@cases("SpaceToDepth")
def space_to_depth(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(1, 2, 4, 6)], {"blocksize": 2})
    yield Case(op, [(1, 1, 3, 3)], {"blocksize": 3})


@cases("Trilu")
def trilu(op: str, opset: int) -> Iterator[Case]:
    for upper in (0, 1):
        yield Case(op, [(3, 4)], {"upper": upper})
        yield Case(op, [(2, 3, 3), np.array(-1)], {"upper": upper}, note="below")
        yield Case(op, [(2, 3, 3), np.array(2)], {"upper": upper}, note="above")


@cases("Resize")
def resize(op: str, opset: int) -> Iterator[Case]:
    scales = np.array([1.0, 1.0, 2.0, 1.5], dtype=np.float32)
    image, nothing = (1, 1, 2, 4), np.zeros(0, dtype=np.float32)
    for mode in ("nearest", "linear"):
        if opset < 11:
            yield Case(op, [image, scales], {"mode": mode})
            continue
        yield Case(op, [image, nothing, scales], {"mode": mode})
        no_scales = nothing if opset < 13 else None
        yield Case(op, [image, nothing, no_scales, ints(1, 1, 3, 2)], {"mode": mode}, note="sizes")
        for way in ("align_corners", "asymmetric", "pytorch_half_pixel"):
            yield Case(op, [image, nothing, scales], {"mode": mode, "coordinate_transformation_mode": way})


@cases("Upsample")
def upsample(op: str, opset: int) -> Iterator[Case]:
    for mode in ("nearest", "linear"):
        if opset < 9:
            yield Case(op, [(1, 1, 2, 3)], {"mode": mode, "scales": [1.0, 1.0, 2.0, 2.0]})
        elif opset < 10:
            yield Case(op, [(1, 1, 2, 3), np.array([1.0, 1.0, 2.0, 2.0], dtype=np.float32)], {"mode": mode})


@cases("Col2Im")
def col2im(op: str, opset: int) -> Iterator[Case]:
    yield Case(op, [(1, 4, 4), ints(3, 3), ints(2, 2)])
    yield Case(op, [(1, 8, 4), ints(5, 5), ints(2, 2)], {"strides": [2, 2], "dilations": [2, 2], "pads": [0, 0, 0, 0]})


@cases("TopK")
def top_k(op: str, opset: int) -> Iterator[Case]:
    shapes = [((2, 4), -1), ((3, 2), 0), ((1, 5), 1), ((2, 1), 1)]
    for shape, axis in shapes:
        for wanted in (1, 2, shape[axis]):
            if wanted > shape[axis]:
                continue
            if opset < 10:
                yield Case(op, [shape], {"axis": axis, "k": wanted}, unused=1)
                continue
            yield Case(op, [shape, ints(wanted)], {"axis": axis}, unused=1, note=f"k = {wanted}")
            if opset >= 11:
                yield Case(op, [shape, ints(wanted)], {"axis": axis, "largest": 0}, unused=1, note=f"k = {wanted}")
