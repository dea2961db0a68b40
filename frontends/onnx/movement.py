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
        self._start: dict[int, int] = {}
        self._size = 0
        self._constants: list[Array] = []
        self._constant_size = 0

    def numbers(self, operand: Value) -> Index:
        if not isinstance(operand, Variable):
            return self._number_constants(np.asarray(operand, dtype=np.float64))
        op = self._call.emitter.op(operand)
        if not isinstance(op, Rearrange):
            return self._number([operand.node]).reshape(operand.shape)
        numbers = self._number(self._call.emitter.pending[operand.node].inputs)[op.index]
        if op.fill is not None:
            numbers = np.where(op.index >= 0, numbers, self._number_constants(op.fill))
        return numbers.reshape(operand.shape)

    def _number(self, nodes: Sequence[int]) -> Index:
        """The numbers of the entries of nodes, laid end to end."""
        sizes = self._sizes(nodes)
        new = list(dict.fromkeys(node for node in nodes if node not in self._start))
        ends = self._size + np.cumsum(self._sizes(new))
        self._start.update(zip(new, [self._size, *ends[:-1].tolist()], strict=False))
        self._size = int(ends[-1]) if new else self._size
        start = np.array([self._start[node] for node in nodes], dtype=np.intp)
        before = np.cumsum(sizes) - sizes
        return np.repeat(start - before, sizes) + np.arange(sizes.sum())

    def _sizes(self, nodes: Sequence[int]) -> Index:
        known = self._call.emitter.sizes
        return np.array([known[node] for node in nodes], dtype=np.intp)

    def _number_constants(self, array: Array) -> Index:
        self._constants.append(array.ravel())
        start, self._constant_size = self._constant_size, self._constant_size + array.size
        return -1 - np.arange(start, self._constant_size).reshape(array.shape)

    def collect(self, numbers: Index, shape: tuple[int, ...]) -> Value:
        """The value whose entries have these numbers."""
        fixed = numbers < 0
        pool = np.concatenate([np.zeros(1), *self._constants])
        fill = pool[np.where(fixed, -numbers, 0)]
        if fixed.all() and (numbers.size or not self._start):
            return fill.reshape(shape)
        nodes, start = np.array(list(self._start)), np.array(list(self._start.values()))
        sizes = self._sizes(nodes.tolist())
        owner = np.searchsorted(start, numbers[~fixed], side="right") - 1
        used = np.zeros(nodes.size, dtype=bool)
        used[owner] = True
        moved = np.cumsum(np.where(used, sizes, 0)) - np.where(used, sizes, 0) - start
        index = np.full(numbers.size, -1)
        index[~fixed] = numbers[~fixed] + moved[owner]
        read = nodes[used].tolist()
        if len(read) == 1 and np.array_equal(index, np.arange(sizes[used][0])):
            return Variable(read[0], shape)
        op = Rearrange(index, fill if fixed.any() else None)
        return self._call.emitter.add(op, tuple(read), tuple(int(d) for d in shape), self._call.origin)
