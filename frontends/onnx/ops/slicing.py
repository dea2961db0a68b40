"""Parts of a tensor: Slice, Split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.movement import move
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value

ENDLESS = {2**31 - 1, 2**63 - 1}
"""Ends that mean the end of an axis, forwards."""


@converter("Slice", since=1)
def slice_attributes(call: Call) -> Value:
    """Ranges with step 1, as attributes."""
    return _sliced(call, call.integers("starts") or [], call.integers("ends") or [], call.integers("axes"), None)


@converter("Slice", since=10)
def slice_(call: Call) -> Value:
    """Ranges with steps of either sign, as inputs."""
    starts, ends = call.constant_integers(1) or [], call.constant_integers(2) or []
    return _sliced(call, starts, ends, call.constant_integers(3), call.constant_integers(4))


def _sliced(
    call: Call,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None,
    steps: Sequence[int] | None,
) -> Value:
    x = call.variable()
    axes = call.axes(range(len(starts)) if axes is None else axes, len(x.shape))
    steps = [1] * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        call.fail(f"starts {starts}, ends {ends}, axes {axes} and steps {steps} do not fit")
    if any(step < 0 and end in ENDLESS for end, step in zip(ends, steps, strict=True)):
        call.refuse(
            "a backward slice to the largest integer is empty in ONNX, and everything in onnxruntime",
            "Write the smallest integer where it should go to the front",
        )
    kept = [np.arange(size) for size in x.shape]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        kept[axis] = _range(start, end, step, x.shape[axis])
    return move(call, [x], lambda numbers: numbers[np.ix_(*kept)] if kept else numbers)


def _range(start: int, end: int, step: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """The entries that a slice takes of an axis: negative limits count from the end, then are clamped.

    Backwards, a start before the axis is its first entry, as ONNX has it; numpy takes nothing there.
    """
    start, end = (k + size if k < 0 else k for k in (start, end))
    first, before, last = (0, 0, size) if step > 0 else (0, -1, size - 1)
    return np.arange(min(max(start, first), last), min(max(end, before), last), step)


@converter("Split", since=2)
def split_attribute(call: Call) -> list[Value]:
    """Parts along an axis, with sizes as an attribute, equal by default."""
    return _split(call, call.integers("split"))


@converter("Split", since=13)
def split(call: Call) -> list[Value]:
    """Parts along an axis, with sizes as an input; equal by default, the last one smaller if it must be."""
    return _split(call, call.constant_integers(1))


def _split(call: Call, sizes: list[int] | None) -> list[Value]:
    x = call.variable()
    axis = call.axis(call.integer("axis"), len(x.shape))
    parts, size = len(call.node.output), x.shape[axis]
    if call.attribute("num_outputs", parts) != parts:
        call.fail(f"num_outputs is {call.attribute('num_outputs')}, but there are {parts} outputs")
    if sizes is None:
        each = -(-size // parts)
        sizes = [max(min(each, size - k * each), 0) for k in range(parts)]
        if size % parts and call.opset < 18:
            call.fail(f"{size} entries do not split into {parts} equal parts")
    if len(sizes) != parts or sum(sizes) != size or min(sizes) < 0:
        call.fail(f"sizes {sizes} do not split {size} entries into {parts} parts")
    ends = np.cumsum(sizes)
    return [
        move(call, [x], lambda numbers, a=end - n, b=end: numbers.take(np.arange(a, b), axis=axis))
        for n, end in zip(sizes, ends, strict=True)
    ]
