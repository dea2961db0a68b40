"""Moving entries about: every such operator is a numpy function applied to the numbers of the entries.

Each entry of each operand gets a number; the operator's numpy counterpart moves the numbers; what comes out
says where each entry of the result comes from. Variables' entries are numbered from 0, constants' -1, -2, ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.ir import Rearrange


def move(call: Call, operands: Sequence[Value], function: Callable[..., Index]) -> Value:
    """The operands' entries, rearranged (repeated, left out) as `function` rearranges arrays."""
    sources = _Sources(call)
    result = function(*(sources.numbers(operand) for operand in operands))
    return sources.collect(np.ravel(result), result.shape)


def expand(call: Call, x: Variable, shape: tuple[int, ...]) -> Variable:
    """A variable broadcast to a shape."""
    if x.shape == shape:
        return x
    result = move(call, [x], lambda numbers: np.broadcast_to(numbers, shape))
    assert isinstance(result, Variable)
    return result


class _Sources:
    """The numbering of entries. It sees through rearrangements, so that none ever reads another."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._variables: list[Variable] = []
        self._start: dict[int, int] = {}
        self._size = 0
        self._constants: list[Array] = []
        self._constant_size = 0

    def numbers(self, operand: Value) -> Index:
        if not isinstance(operand, Variable):
            return self._number_constants(np.asarray(operand, dtype=np.float64))
        op = self._call.emitter.op(operand)
        if not isinstance(op, Rearrange):
            return self._number(operand).reshape(operand.shape)
        pending = self._call.emitter.pending
        inputs = [Variable(k, pending[k].shape) for k in pending[operand.node].inputs]
        numbers = np.concatenate([self._number(x) for x in inputs])[op.index]
        if op.fill is not None:
            numbers = np.where(op.index >= 0, numbers, self._number_constants(op.fill))
        return numbers.reshape(operand.shape)

    def _number(self, variable: Variable) -> Index:
        if variable.node not in self._start:
            self._start[variable.node] = self._size
            self._variables.append(variable)
            self._size += variable.size
        start = self._start[variable.node]
        return np.arange(start, start + variable.size)

    def _number_constants(self, array: Array) -> Index:
        self._constants.append(array.ravel())
        start, self._constant_size = self._constant_size, self._constant_size + array.size
        return -1 - np.arange(start, self._constant_size).reshape(array.shape)

    def collect(self, numbers: Index, shape: tuple[int, ...]) -> Value:
        """The value whose entries have these numbers."""
        fixed = numbers < 0
        pool = np.concatenate([np.zeros(1), *self._constants])
        fill = pool[np.where(fixed, -numbers, 0)]
        if fixed.all() and (numbers.size or not self._variables):
            return fill.reshape(shape)
        index = np.full(numbers.size, -1)
        read: list[Variable] = []
        offset = 0
        for variable in self._variables:
            start = self._start[variable.node]
            here = (numbers >= start) & (numbers < start + variable.size)
            if here.any():
                index[here] = numbers[here] - start + offset
                read.append(variable)
                offset += variable.size
        if len(read) == 1 and index.size == offset and np.array_equal(index, np.arange(offset)):
            return Variable(read[0].node, shape)
        return self._call.emit(Rearrange(index, fill if fixed.any() else None), read, shape)
