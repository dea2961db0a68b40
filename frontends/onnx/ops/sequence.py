"""Sequences whose length is known: SequenceConstruct, SplitToSequence, SequenceAt, ConcatFromSequence, and the rest.

What torch's exporter writes for unbind, hstack and x[:, i].
"""

from __future__ import annotations

import numpy as np

from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.movement import move
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import TensorSequence, Value


@converter("SequenceEmpty", since=11, on_constants=True)
def sequence_empty(call: Call) -> TensorSequence:
    """No tensor."""
    call.attribute("dtype")
    return TensorSequence(())


@converter("SequenceConstruct", since=11, on_constants=True)
def sequence_construct(call: Call) -> TensorSequence:
    """The operands."""
    return TensorSequence(tuple(call.values()))


@converter("SplitToSequence", since=11, on_constants=True)
def split_to_sequence(call: Call) -> TensorSequence:
    """Parts along an axis: of length 1, of one length, or of lengths that are given."""
    x, sizes = call.value(0), call.constant_integers(1)
    axis = call.axis(call.integer("axis"), len(x.shape))
    keep, length = call.flag("keepdims", 1), x.shape[axis]
    given = call.arguments[1] if call.count > 1 else None
    if sizes is None:
        sizes = [1] * length
    else:
        keep = True
        if isinstance(given, np.ndarray) and given.ndim == 0:
            if sizes[0] < 1:
                call.fail(f"cannot split into parts of {sizes[0]}")
            sizes = [min(sizes[0], length - at) for at in range(0, length, sizes[0])]
    if sum(sizes) != length or min(sizes, default=0) < 0:
        call.fail(f"sizes {sizes} do not split {length} entries")
    ends = np.cumsum(sizes)

    def part(first: int, last: int) -> Value:
        if isinstance(x, np.ndarray):
            taken = x.take(np.arange(first, last), axis=axis)
            return taken if keep else taken.squeeze(axis)

        def take(numbers: np.ndarray) -> np.ndarray:
            cut = numbers.take(np.arange(first, last), axis=axis)
            return cut if keep else cut.squeeze(axis)

        return move(call, [x], take)

    return TensorSequence(tuple(part(int(end) - n, int(end)) for n, end in zip(sizes, ends, strict=True)))


@converter("SequenceAt", since=11, on_constants=True)
def sequence_at(call: Call) -> Value:
    """The tensor at a position, counted from the end where it is negative."""
    items, at = call.sequence(0).items, _position(call, 1)
    if not -len(items) <= at < len(items):
        call.fail(f"position {at} is outside a sequence of {len(items)}")
    return items[at]


@converter("SequenceInsert", since=11, on_constants=True)
def sequence_insert(call: Call) -> TensorSequence:
    """A tensor more, at a position or the end."""
    items, new = list(call.sequence(0).items), call.value(1)
    at = len(items) if call.optional(2) is None else _position(call, 2)
    if not -len(items) <= at <= len(items):
        call.fail(f"position {at} is outside a sequence of {len(items)}")
    items.insert(at if at >= 0 else at + len(items), new)
    return TensorSequence(tuple(items))


@converter("SequenceErase", since=11, on_constants=True)
def sequence_erase(call: Call) -> TensorSequence:
    """A tensor less, at a position or the end."""
    items = list(call.sequence(0).items)
    at = -1 if call.optional(1) is None else _position(call, 1)
    if not -len(items) <= at < len(items):
        call.fail(f"position {at} is outside a sequence of {len(items)}")
    del items[at]
    return TensorSequence(tuple(items))


@converter("SequenceLength", since=11, on_constants=True)
def sequence_length(call: Call) -> Value:
    """How many tensors there are."""
    return np.array(len(call.sequence(0).items), dtype=np.int64)


@converter("ConcatFromSequence", since=11, on_constants=True)
def concat_from_sequence(call: Call) -> Value:
    """The tensors one after the other along an axis, or stacked along a new one."""
    items, new = call.sequence(0).items, call.flag("new_axis")
    if not items:
        call.fail("joins an empty sequence")
    axis = call.axis(call.attribute("axis"), len(items[0].shape) + new)
    join = np.stack if new else np.concatenate
    if all(isinstance(item, np.ndarray) for item in items):
        return join([np.asarray(item) for item in items], axis=axis)
    return move(call, items, lambda *numbers: join(numbers, axis=axis))


def _position(call: Call, k: int) -> int:
    given = call.constant_integers(k) or []
    if len(given) != 1:
        call.fail(f"input {k} must be one position, not {given}")
    return given[0]
