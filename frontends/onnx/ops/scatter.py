"""Entries replaced or added to at constant indices: ScatterElements (once Scatter), ScatterND.

Message passing sums messages this way (torch's index_add and scatter_add). Data and updates may both vary.
"""

from __future__ import annotations

import math

import numpy as np

from relu2mip.arrays import Index, compact, selection
from relu2mip.frontends.onnx.algebra import linear, weighted_sum
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.groups import extremum_of_groups
from relu2mip.frontends.onnx.movement import move
from relu2mip.frontends.onnx.ops.gather import constant_indices, element_places, tuple_places
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.ir import GroupMax, GroupMin


@converter("Scatter", since=9)
@converter("ScatterElements", since=11)
def scatter_elements(call: Call) -> Value:
    """Entry by entry along an axis."""
    indices, shape = constant_indices(call, 1), call.value(0).shape
    axis = call.axis(call.integer("axis"), len(shape))
    return _scattered(call, element_places(call, indices, axis, shape), indices.shape)


@converter("ScatterND", since=11)
def scatter_nd(call: Call) -> Value:
    """Slices at tuples of indices."""
    indices, shape = constant_indices(call, 1), call.value(0).shape
    place = tuple_places(call, indices, shape)
    return _scattered(call, place, indices.shape[:-1] + shape[len(place) :])


def _scattered(call: Call, place: tuple[Index, ...], written: tuple[int, ...]) -> Value:
    """The data with the updates, of shape `written`, put at (or added to) the places."""
    data, updates = call.value(0), call.value(2)
    if updates.shape != written:
        call.fail(f"updates have shape {updates.shape}, not {written}")
    targets = np.arange(math.prod(data.shape)).reshape(data.shape)[place].ravel()
    reduction = call.text("reduction", "none")
    match reduction:
        case "none":
            return _replaced(call, data, updates, targets)
        case "add":
            return _added(call, data, updates, targets)
        case "max" | "min":
            return _extreme(call, data, updates, targets, GroupMax if reduction == "max" else GroupMin)
        case _:
            return call.refuse(f"reduction {reduction!r} is not supported", "Use reduction add, max, min, or none")


def _extreme(call: Call, data: Value, updates: Value, targets: Index, kind: type[GroupMax | GroupMin]) -> Value:
    """The largest or smallest of each entry and what is written there."""
    size = math.prod(data.shape)
    both = move(call, [data, updates], lambda a, b: np.concatenate([a.ravel(), b.ravel()]))
    assert isinstance(both, Variable)
    owner = np.concatenate([np.arange(size), targets])
    members = np.argsort(owner, kind="stable")
    starts = np.searchsorted(owner[members], np.arange(size + 1))
    return extremum_of_groups(call, both, members, starts, kind, data.shape)


def _replaced(call: Call, data: Value, updates: Value, targets: Index) -> Value:
    def replaced(old: Index, new: Index) -> Index:
        result = old.flatten()
        result[targets] = new.ravel()
        if (result[targets] != new.ravel()).any():
            call.refuse(
                "it writes an entry twice, and ONNX leaves open which value wins",
                "Sums (index_add, scatter_add) need reduction='add', which torch's older exporter drops: "
                "export with dynamo=True",
            )
        return result.reshape(old.shape)

    return move(call, [data, updates], replaced)


def _added(call: Call, data: Value, updates: Value, targets: Index) -> Value:
    if not isinstance(updates, Variable):
        total = np.zeros(math.prod(data.shape))
        np.add.at(total, targets, np.ravel(updates))
        return weighted_sum(call, [(1.0, data), (1.0, total.reshape(data.shape))])
    matrix = compact(selection(targets, math.prod(data.shape)).T)
    if not isinstance(data, Variable):
        return linear(call, updates, matrix, 1, data.shape, data)
    return weighted_sum(call, [(1.0, data), (1.0, linear(call, updates, matrix, 1, data.shape))])
