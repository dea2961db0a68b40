"""Constants, and facts about shapes, which are all known: Constant, EyeLike, Shape, Size."""

from __future__ import annotations

import math

import numpy as np

from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.tensors import from_sparse_tensor, from_tensor
from relu2mip.frontends.onnx.values import Value, in_float64


@converter("Constant", since=1, on_constants=True)
def constant(call: Call) -> Value:
    """A constant of any kind: one attribute says which."""
    kinds = [attribute.name for attribute in call.node.attribute]
    if len(kinds) != 1:
        call.fail(f"needs exactly one of its attributes, not {kinds}")
    given = call.attribute(kinds[0])
    name = call.node.output[0]
    match kinds[0]:
        case "value":
            return from_tensor(given, name)
        case "sparse_value":
            return from_sparse_tensor(given, name)
        case "value_float" | "value_floats":
            return np.array(given, dtype=np.float64)
        case "value_int" | "value_ints":
            return np.array(given, dtype=np.int64)
        case _:
            return np.array(given, dtype=object)


@converter("Shape", since=1, on_constants=True)
def shape(call: Call) -> Value:
    """The shape, or a range of it."""
    sizes = call.value(0).shape
    end = call.attribute("end")
    return np.array(sizes[call.integer("start") : None if end is None else int(end)], dtype=np.int64)


@converter("EyeLike", since=9, on_constants=True)
def eye_like(call: Call) -> Value:
    """Ones on the k-th diagonal of a matrix of the operand's shape."""
    from onnx.helper import tensor_dtype_to_np_dtype

    x, to = call.value(0), call.attribute("dtype")
    if len(x.shape) != 2:
        call.fail(f"needs a matrix, not shape {x.shape}")
    kind = x.dtype if to is None and isinstance(x, np.ndarray) else np.dtype(np.float64)
    kind = kind if to is None else tensor_dtype_to_np_dtype(to)
    return in_float64(np.eye(x.shape[0], x.shape[1], k=call.integer("k"), dtype=np.dtype(kind)))


@converter("Size", since=1, on_constants=True)
def size(call: Call) -> Value:
    """The number of entries."""
    return np.array(math.prod(call.value(0).shape), dtype=np.int64)
