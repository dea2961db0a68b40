"""TopK, where its values alone are used: sorted values are continuous and piecewise linear, their positions are not.

The first value is a maximum. More of them come from a sorting network, rounds that compare neighbours and swap them:

    (a, b)  ->  (max(a, b), min(a, b))

Source: Knuth, The Art of Computer Programming, volume 3, section 5.3.4 (odd-even transposition).
"""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Index
from relu2mip.frontends.onnx.algebra import maximum, minimum
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.groups import extremum_of_groups
from relu2mip.frontends.onnx.movement import move
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value
from relu2mip.ir import GroupMax, GroupMin

LONGEST = 16
"""Entries that are sorted: the network has half as many comparisons as their square."""


@converter("TopK", since=1)
def top_k_attribute(call: Call) -> list[Value | None]:
    """The k largest values, k as an attribute."""
    return _top(call, call.integer("k"))


@converter("TopK", since=10)
def top_k(call: Call) -> list[Value | None]:
    """The k largest (or smallest) values along an axis, in order."""
    wanted = call.constant_integers(1) or []
    if len(wanted) != 1:
        call.fail(f"needs one k, not {wanted}")
    return _top(call, wanted[0])


def _top(call: Call, wanted: int) -> list[Value | None]:
    x = call.variable(0)
    axis = call.axis(call.integer("axis", -1), len(x.shape))
    largest, in_order = call.flag("largest", 1), call.flag("sorted", 1)
    if call.output_used(1):
        call.refuse("positions and orders are discontinuous", "Cut the network before it, or use its values alone")
    length = x.shape[axis]
    if not 1 <= wanted <= length:
        call.fail(f"cannot take {wanted} of {length} entries")
    kept = tuple(n if k != axis else wanted for k, n in enumerate(x.shape))
    if wanted == 1:
        members = np.moveaxis(np.arange(x.size).reshape(x.shape), axis, -1).ravel()
        starts = np.arange(0, x.size + 1, length)
        return [extremum_of_groups(call, x, members, starts, GroupMax if largest else GroupMin, kept), None]
    if length > LONGEST:
        call.refuse(f"sorting {length} entries takes too many maxima", f"Sort {LONGEST} entries at most")
    if not in_order:
        call.refuse("ONNX leaves the order of values open where they are not sorted", "Set sorted=1")
    value: Value = x
    for start in [0, 1] * ((length + 1) // 2):
        value = _swapped(call, value, axis, start, largest)
    return [move(call, [value], lambda numbers: numbers.take(np.arange(wanted), axis=axis)), None]


def _swapped(call: Call, value: Value, axis: int, start: int, descending: bool) -> Value:
    """One round: neighbours from `start` on, in order."""
    count = (value.shape[axis] - start) // 2
    left, right = start + 2 * np.arange(count), start + 2 * np.arange(count) + 1
    if not count:
        return value
    pair = [move(call, [value], lambda numbers, at=at: numbers.take(at, axis=axis)) for at in (left, right)]
    high, low = maximum(call, pair), minimum(call, pair)
    first, second = (high, low) if descending else (low, high)

    def joined(numbers: Index, a: Index, b: Index) -> Index:
        result = np.moveaxis(numbers.copy(), axis, 0)
        result[left], result[right] = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
        return np.moveaxis(result, 0, axis)

    return move(call, [value, first, second], joined)
