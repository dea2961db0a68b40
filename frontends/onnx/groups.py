"""Maxima and minima over groups of entries."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Index
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.movement import move
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.ir import GroupMax, GroupMin


def extremum_of_groups(
    call: Call,
    x: Variable,
    members: Index,
    starts: Index,
    kind: type[GroupMax | GroupMin],
    shape: tuple[int, ...],
) -> Value:
    """The maximum (or minimum) of each group; a rearrangement where every group has one member."""
    if starts.size - 1 == members.size:
        return move(call, [x], lambda numbers: numbers.ravel()[members].reshape(shape))
    return call.emit(kind(members.astype(np.intp), starts.astype(np.intp)), [x], shape)
