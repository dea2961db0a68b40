"""Elementwise building blocks with broadcasting, in as few nodes as they need."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.arrays import Array, Matrix, compact
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.movement import expand
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.ir import Add, Clip, Linear, Maximum, Minimum, Op, Relu, Scale

LARGEST = float(np.finfo(np.float32).max)
"""Limits from here on are none: exporters write the largest float32 where they mean infinity."""


def scale(call: Call, x: Variable, factor: ArrayLike = 1.0, offset: ArrayLike = 0.0) -> Variable:
    """Factor * x + offset."""
    shape = np.broadcast_shapes(x.shape, np.shape(factor), np.shape(offset))
    factors, offsets = _flat(factor, shape), _flat(offset, shape)
    x = expand(call, x, shape)
    if (factors == 1.0).all():
        if (offsets == 0.0).all():
            return x
        shifted = _shifted(call.emitter.op(x), offsets)
        if shifted is not None and not x.shared:
            before = call.emitter.pending[x.node]
            result = call.emit(shifted, [Variable(i, ()) for i in before.inputs], shape)
            if before.origin != call.origin:
                call.emitter.pending[result.node].origin = f"{before.origin}, {call.origin}"
            return result
    return call.emit(Scale(factors, offsets), [x], shape)


def _shifted(op: Op | None, offsets: Array) -> Op | None:
    """The operation that adds `offsets` to the result of one, where that is no more work."""
    if isinstance(op, Linear):
        blocks = offsets.reshape(op.repeat, -1)
        return Linear(op.matrix, op.bias + blocks[0], op.repeat) if (blocks == blocks[0]).all() else None
    return Scale(op.factor, op.offset + offsets) if isinstance(op, Scale) else None


def linear(
    call: Call, x: Variable, matrix: Matrix, repeat: int, shape: tuple[int, ...], bias: ArrayLike = 0.0
) -> Variable:
    """`matrix` applied to each of `repeat` equal blocks of x, plus a bias that broadcasts to `shape`."""
    product = call.emit(Linear(matrix, np.zeros(matrix.shape[0]), repeat), [x], shape)
    return scale(call, product, 1.0, np.broadcast_to(np.asarray(bias, dtype=np.float64), shape))


def by_unit_vectors(call: Call, x: Variable, function: Callable[[Array], Array]) -> Variable:
    """An affine function of x, known by what it does to arrays (N, *x.shape), as a matrix."""
    units = np.concatenate([np.zeros((1, x.size)), np.eye(x.size)]).reshape(-1, *x.shape)
    images = np.asarray(function(units), dtype=np.float64)
    shape = images.shape[1:]
    images = images.reshape(x.size + 1, -1)
    return linear(call, x, compact((images[1:] - images[0]).T), 1, shape, images[0].reshape(shape))


def weighted_sum(call: Call, terms: Sequence[tuple[float, Value]]) -> Variable:
    """The sum of weight * value; at least one value is a variable."""
    shape = np.broadcast_shapes(*(np.shape(v) if not isinstance(v, Variable) else v.shape for _, v in terms))
    offset = sum((weight * v for weight, v in terms if not isinstance(v, Variable)), start=np.zeros(()))
    variables = [(weight, v) for weight, v in terms if isinstance(v, Variable)]
    if len(variables) == 1:
        return scale(call, expand(call, variables[0][1], shape), variables[0][0], offset)
    weights = tuple(float(weight) for weight, _ in variables)
    total = call.emit(Add(weights), [expand(call, v, shape) for _, v in variables], shape)
    return scale(call, total, 1.0, offset)


def clip(call: Call, x: Variable, lower: ArrayLike, upper: ArrayLike) -> Variable:
    """min(max(x, lower), upper)."""
    shape = np.broadcast_shapes(x.shape, np.shape(lower), np.shape(upper))
    low, high = _flat(lower, shape), _flat(upper, shape)
    low, high = np.where(low <= -LARGEST, -np.inf, low), np.where(high >= LARGEST, np.inf, high)
    x = expand(call, x, shape)
    if (high == np.inf).all():
        if (low == -np.inf).all():
            return x
        if (low == 0.0).all():
            return call.emit(Relu(), [x], shape)
    return call.emit(Clip(low, high), [x], shape)


def maximum(call: Call, values: Sequence[Value]) -> Value:
    """The elementwise maximum of variables and constants."""
    x, limit = _join(call, values, Maximum(), np.maximum)
    return limit if x is None else clip(call, x, limit, np.inf)


def minimum(call: Call, values: Sequence[Value]) -> Value:
    """The elementwise minimum of variables and constants."""
    x, limit = _join(call, values, Minimum(), np.minimum)
    return limit if x is None else clip(call, x, -np.inf, limit)


def _join(call: Call, values: Sequence[Value], op: Op, ufunc: np.ufunc) -> tuple[Variable | None, Array]:
    """The extremum of the variables (None where there are none) and that of the constants (else infinite)."""
    variables = list(dict.fromkeys(v for v in values if isinstance(v, Variable)))
    constants = [np.asarray(v, dtype=np.float64) for v in values if not isinstance(v, Variable)]
    none = -np.inf if ufunc is np.maximum else np.inf
    limit = functools.reduce(ufunc, constants, np.full((), none))
    if len(variables) <= 1:
        return (variables[0] if variables else None), limit
    shape = np.broadcast_shapes(*(v.shape for v in variables))
    return call.emit(op, [expand(call, v, shape) for v in variables], shape), limit


def _flat(array: ArrayLike, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.asarray(array, dtype=np.float64), shape).flatten()
