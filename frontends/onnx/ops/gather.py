"""Entries picked by constant indices: Gather, GatherElements, GatherND, Where."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Index
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.movement import move
from relu2mip.frontends.onnx.ops.comparison import switch
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Condition, Value, Variable


def constant_indices(call: Call, position: int) -> Index:
    """The indices given as an input, which must be constant integers."""
    if isinstance(call.value(position), Variable):
        call.refuse("its indices depend on the network's inputs", "The indices must be constant")
    indices = call.constant(position)
    if indices.dtype.kind not in "iu":
        call.fail(f"indices must be integers, not {indices.dtype}")
    return indices.astype(np.intp)


def within(call: Call, indices: Index, size: int | Index) -> Index:
    """Indices counted from the front; outside the axis is an error."""
    if ((indices < -size) | (indices >= size)).any():
        call.fail(f"indices between {indices.min()} and {indices.max()} leave an axis of {np.max(size)}")
    return np.where(indices < 0, indices + size, indices)


@converter("Gather", since=1)
def gather(call: Call) -> Value:
    """Slices along an axis."""
    indices, x = constant_indices(call, 1), call.variable(0)
    axis = call.axis(call.integer("axis"), len(x.shape))
    indices = within(call, indices, x.shape[axis])
    return move(call, [x], lambda numbers: numbers.take(indices, axis=axis))


@converter("GatherElements", since=11)
def gather_elements(call: Call) -> Value:
    """Entry by entry along an axis."""
    indices, x = constant_indices(call, 1), call.variable(0)
    axis = call.axis(call.integer("axis"), len(x.shape))
    place = element_places(call, indices, axis, x.shape)
    return move(call, [x], lambda numbers: numbers[place])


def element_places(call: Call, indices: Index, axis: int, shape: tuple[int, ...]) -> tuple[Index, ...]:
    """Where GatherElements reads and ScatterElements writes: at the indices on one axis, else in place."""
    if indices.ndim != len(shape) or any(
        n > m for k, (n, m) in enumerate(zip(indices.shape, shape, strict=True)) if k != axis
    ):
        call.fail(f"indices of shape {indices.shape} do not fit into shape {shape}")
    place = [np.asarray(grid) for grid in np.indices(indices.shape)]
    place[axis] = within(call, indices, shape[axis])
    return tuple(place)


@converter("GatherND", since=11)
def gather_nd(call: Call) -> Value:
    """Slices at tuples of indices, after `batch_dims` leading axes in common."""
    indices, x = constant_indices(call, 1), call.variable(0)
    lead = call.integer("batch_dims")
    if not 0 <= lead < min(indices.ndim, len(x.shape)) or indices.shape[:lead] != x.shape[:lead]:
        call.fail(f"batch_dims {lead} does not fit shapes {x.shape} and {indices.shape}")
    place = tuple_places(call, indices, x.shape[lead:])
    grid = np.indices(indices.shape[:lead]) if lead else ()
    leading = tuple(np.asarray(g).reshape(*g.shape, *(1,) * (indices.ndim - 1 - lead)) for g in grid)
    return move(call, [x], lambda numbers: numbers[(*leading, *place)])


def tuple_places(call: Call, indices: Index, shape: tuple[int, ...]) -> tuple[Index, ...]:
    """Where GatherND reads and ScatterND writes: the last axis of the indices holds leading coordinates."""
    if indices.ndim < 1 or indices.shape[-1] > len(shape):
        call.fail(f"indices of shape {indices.shape} do not address shape {shape}")
    return tuple(within(call, indices[..., k], shape[k]) for k in range(indices.shape[-1]))


@converter("Where", since=9)
def where(call: Call) -> Value:
    """One operand or the other, entry by entry, by a condition: constant, or continuous in what it selects."""
    given = call.any(0)
    if isinstance(given, Condition):
        return switch(call, given, call.value(1), call.value(2))
    if isinstance(given, Variable):
        call.refuse("its condition depends on the network's inputs", "The condition must be constant")
    condition = call.constant(0).astype(bool)
    return move(call, [call.value(1), call.value(2)], lambda a, b: np.asarray(np.where(condition, a, b)))
