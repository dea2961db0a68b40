"""Shape and order of entries.

Identity, Cast, CastLike, Transpose, Reshape, Flatten, Squeeze, Unsqueeze, Expand, Tile, Concat, Pad.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from relu2mip.arrays import Index
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.movement import move
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Condition, Constant, Tensor, Value, Variable, in_float64, is_float

FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE)


@converter("Identity", since=1, on_constants=True)
def identity(call: Call) -> Value:
    """Nothing."""
    return call.value(0)


@converter("Cast", since=6, on_constants=True)
def cast(call: Call) -> Tensor:
    """Between floating-point types nothing (all is float64 here); a variable to anything else is refused."""
    call.attribute("saturate")
    call.attribute("round_mode")
    given, to = call.any(0), call.integer("to")
    return given if isinstance(given, Condition) and to in FLOATS else _cast(call, call.value(0), to)


@converter("CastLike", since=15, on_constants=True)
def cast_like(call: Call) -> Value:
    """Cast to the type of another tensor."""
    call.attribute("saturate")
    call.attribute("round_mode")
    like = call.value(1)
    if isinstance(like, Variable) or is_float(like):
        return _cast(call, call.value(0), TensorProto.FLOAT)
    return _cast(call, call.value(0), int(_element_type(like)))


def _element_type(array: Constant) -> int:
    from onnx.helper import np_dtype_to_tensor_dtype

    return np_dtype_to_tensor_dtype(array.dtype)


def _cast(call: Call, x: Value, to: int) -> Value:
    from onnx.helper import tensor_dtype_to_np_dtype

    name = TensorProto.DataType.Name(to)
    if isinstance(x, Variable):
        if to not in FLOATS:
            call.refuse(f"rounding a variable to {name} is not piecewise linear", "Keep it in floating point")
        return x
    if to in FLOATS and x.dtype.kind in "biuf":
        return x.astype(np.float64)
    if to == TensorProto.STRING or x.dtype.kind not in "biuf":
        call.refuse(f"casting {x.dtype} to {name} is not supported", "Compute this part outside the network")
    return in_float64(x.astype(tensor_dtype_to_np_dtype(to)))


@converter("Transpose", since=1)
def transpose(call: Call) -> Value:
    """Axes in another order; reversed by default."""
    x, perm = call.variable(), call.integers("perm")
    if perm is not None and sorted(perm) != list(range(len(x.shape))):
        call.fail(f"perm {perm} is no permutation of the axes of shape {x.shape}")
    return move(call, [x], lambda numbers: numbers.transpose(perm))


@converter("Reshape", since=5)
def reshape(call: Call) -> Value:
    """Another shape: 0 keeps an axis (unless allowzero), -1 takes what is left."""
    x, wanted = call.variable(0), call.constant_integers(1) or []
    if not call.flag("allowzero"):
        if any(size == 0 and k >= len(x.shape) for k, size in enumerate(wanted)):
            call.fail(f"shape {wanted} keeps an axis that shape {x.shape} does not have")
        wanted = [x.shape[k] if size == 0 else size for k, size in enumerate(wanted)]
    if wanted.count(-1) > 1 or min(wanted, default=0) < -1:
        call.fail(f"shape {wanted} is not a shape")
    known = math.prod(size for size in wanted if size != -1)
    if (-1 in wanted and (known == 0 or x.size % known)) or (-1 not in wanted and known != x.size):
        call.fail(f"shape {x.shape} does not fit into {wanted} (a batch axis counts as 1 here)")
    return x.reshaped(tuple(x.size // known if size == -1 else size for size in wanted))


@converter("Flatten", since=1)
def flatten(call: Call) -> Value:
    """Two axes: those before `axis` together, and the rest."""
    x = call.variable()
    axis, rank = call.integer("axis", 1), len(x.shape)
    axis = axis if axis == rank else call.axis(axis, rank) if rank else 0
    return x.reshaped((math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@converter("Squeeze", since=1)
def squeeze(call: Call) -> Value:
    """Without the given axes of length 1 (attribute)."""
    return _squeezed(call, call.integers("axes"))


@converter("Squeeze", since=13)
def squeeze_axes_input(call: Call) -> Value:
    """Without the given axes of length 1 (input)."""
    return _squeezed(call, call.constant_integers(1))


def _squeezed(call: Call, given: Sequence[int] | None) -> Value:
    x = call.variable()
    if given is None:
        return x.reshaped(tuple(size for size in x.shape if size != 1))
    axes = call.axes(given, len(x.shape))
    if any(x.shape[axis] != 1 for axis in axes):
        call.fail(f"cannot squeeze axes {list(given)} of shape {x.shape}: they are not of length 1")
    return x.reshaped(tuple(size for k, size in enumerate(x.shape) if k not in axes))


@converter("Unsqueeze", since=1)
def unsqueeze(call: Call) -> Value:
    """With new axes of length 1 (attribute)."""
    return _unsqueezed(call, call.integers("axes") or [])


@converter("Unsqueeze", since=13)
def unsqueeze_axes_input(call: Call) -> Value:
    """With new axes of length 1 (input)."""
    return _unsqueezed(call, call.constant_integers(1) or [])


def _unsqueezed(call: Call, given: Sequence[int]) -> Value:
    x = call.variable()
    rank = len(x.shape) + len(given)
    axes, old = call.axes(given, rank), iter(x.shape)
    return x.reshaped(tuple(1 if k in axes else next(old) for k in range(rank)))


@converter("Expand", since=8)
def expand_(call: Call) -> Value:
    """Broadcast against a shape, either way."""
    x = call.variable()
    shape = np.broadcast_shapes(x.shape, tuple(call.constant_integers(1) or []))
    return move(call, [x], lambda numbers: np.broadcast_to(numbers, shape))


@converter("Tile", since=6)
def tile(call: Call) -> Value:
    """Repeated along each axis."""
    x, repeats = call.variable(), call.constant_integers(1) or []
    if len(repeats) != len(x.shape) or min(repeats, default=0) < 0:
        call.fail(f"repeats {repeats} do not fit the axes of shape {x.shape}")
    return move(call, [x], lambda numbers: np.tile(numbers, repeats))


@converter("Concat", since=4)
def concat(call: Call) -> Value:
    """Operands, variable or constant, one after the other along an axis."""
    values = call.values()
    axis = call.axis(call.integer("axis"), len(values[0].shape))
    return move(call, values, lambda *numbers: np.concatenate(numbers, axis=axis))


@converter("Pad", since=2)
def pad_attributes(call: Call) -> Value:
    """Entries added (or, negative, removed) around, as attributes say."""
    return _padded(call, call.integers("pads") or [], None, np.array(call.real("value")))


@converter("Pad", since=11)
def pad(call: Call) -> Value:
    """Entries added (or, negative, removed) around, on all axes or those given."""
    value = call.optional(2)
    return _padded(
        call,
        call.constant_integers(1) or [],
        call.constant_integers(3),
        np.zeros(()) if value is None else value,
    )


def _padded(call: Call, pads: list[int], given: list[int] | None, value: Value) -> Value:
    x, mode = call.value(0), call.text("mode", "constant")
    rank = len(x.shape)
    if not rank:
        call.fail("a number has no axes to pad")
    axes = tuple(range(rank)) if given is None else call.axes(given, rank)
    if len(pads) != 2 * len(axes):
        call.fail(f"pads {pads} do not fit {len(axes)} axes")
    if mode not in ("constant", "reflect", "edge", "wrap"):
        call.fail(f"mode {mode!r} is none of constant, reflect, edge, wrap")
    if math.prod(value.shape) != 1:
        call.fail(f"the constant value must be a scalar, not of shape {value.shape}")
    widths = [(0, 0)] * rank
    for k, axis in enumerate(axes):
        widths[axis] = (pads[k], pads[len(axes) + k])
    if any(max(-a, 0) + max(-b, 0) > n for (a, b), n in zip(widths, x.shape, strict=True)):
        call.fail(f"pads {pads} remove more than there is of shape {x.shape}")
    kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, x.shape, strict=True))
    added = [(max(a, 0), max(b, 0)) for a, b in widths]

    def padded(numbers: Index, fill: Index) -> Index:
        if mode == "constant":
            return np.pad(numbers[kept], added, constant_values=fill.item())
        return np.asarray(np.pad(numbers[kept], added, mode=mode))  # type: ignore[call-overload]

    return move(call, [x, value], padded)


@converter("DepthToSpace", since=1)
def depth_to_space(call: Call) -> Value:
    """Channels become blocks of pixels; without mode (opset 10 and before) depth first."""
    x, size = call.variable(), call.integer("blocksize")
    batch, channels, height, width = _image(call, x)
    if size < 1 or channels % size**2:
        call.fail(f"{channels} channels do not fill blocks of {size} x {size}")
    rest = channels // size**2
    by_column = call.text("mode", "DCR") == "CRD"

    def moved(numbers: Index) -> Index:
        if by_column:
            parts = numbers.reshape(batch, rest, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
        else:
            parts = numbers.reshape(batch, size, size, rest, height, width).transpose(0, 3, 4, 1, 5, 2)
        return parts.reshape(batch, rest, height * size, width * size)

    return move(call, [x], moved)


@converter("SpaceToDepth", since=1)
def space_to_depth(call: Call) -> Value:
    """Blocks of pixels become channels."""
    x, size = call.variable(), call.integer("blocksize")
    batch, channels, height, width = _image(call, x)
    if size < 1 or height % size or width % size:
        call.fail(f"an image of {height} x {width} has no blocks of {size} x {size}")
    grid = batch, channels, height // size, size, width // size, size
    out = batch, channels * size**2, height // size, width // size
    return move(call, [x], lambda numbers: numbers.reshape(grid).transpose(0, 3, 5, 1, 2, 4).reshape(out))


def _image(call: Call, x: Variable) -> tuple[int, ...]:
    if len(x.shape) != 4:
        call.fail(f"needs batch, channels, height and width, not shape {x.shape}")
    return x.shape


@converter("Trilu", since=14)
def trilu(call: Call) -> Value:
    """The entries above (upper) or below the k-th diagonal, 0 elsewhere."""
    x, k = call.variable(0), call.constant_integers(1) or [0]
    if len(x.shape) < 2 or len(k) != 1:
        call.fail(f"needs matrices and one diagonal, not shape {x.shape} and {k}")
    rows, columns = np.indices(x.shape[-2:])
    kept = columns - rows >= k[0] if call.flag("upper", 1) else columns - rows <= k[0]
    return move(call, [x, np.zeros(())], lambda numbers, zero: np.asarray(np.where(kept, numbers, zero)))
