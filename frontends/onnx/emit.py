"""Collects the nodes of the new graph. Nodes are numbers here and get names at the end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import scipy.sparse as sp

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.ir import Clip, Constant, Node, Op, Port, Rearrange

LARGEST = 2**27
"""Entries of a tensor; damaged files ask for more than any memory holds."""


class NonFiniteError(Exception):
    """A node whose constants would hold NaN or infinity."""


@dataclass
class Pending:
    """A node to be; an input where `op` is None."""

    op: Op | None
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    name: str = ""
    origin: str = ""


class Emitter:
    """The nodes emitted so far, in topological order."""

    def __init__(self) -> None:
        self.pending: list[Pending] = []
        self.sizes: list[int] = []

    def input(self, name: str, shape: tuple[int, ...]) -> Variable:
        """Add an input of the graph."""
        return self._append(Pending(None, (), shape, name))

    def emit(self, op: Op, inputs: Sequence[Variable], shape: tuple[int, ...], origin: str = "") -> Variable:
        """Add a node; its constants must be finite (limits of a `Clip` may be infinite)."""
        return self.add(op, tuple(x.node for x in inputs), shape, origin)

    def add(self, op: Op, nodes: tuple[int, ...], shape: tuple[int, ...], origin: str = "") -> Variable:
        """The same, its inputs given as nodes."""
        if not _finite(op):
            raise NonFiniteError
        return self._append(Pending(op, nodes, shape, origin=origin))

    def _append(self, node: Pending) -> Variable:
        size = math.prod(node.shape)
        if size > LARGEST:
            raise InvalidNetwork(
                f"a tensor of shape {node.shape} does not fit into memory: {LARGEST:,} entries are the limit"
            )
        self.pending.append(node)
        self.sizes.append(size)
        return Variable(len(self.pending) - 1, node.shape)

    def op(self, x: Variable) -> Op | None:
        """The operation that computes a variable; None for an input."""
        return self.pending[x.node].op

    def name_since(self, start: int, names: Sequence[tuple[str, Value]], otherwise: str) -> None:
        """Name the nodes emitted since `start`: results after their tensors, others after the first."""
        for name, value in names:
            if isinstance(value, Variable) and value.node >= start and not self.pending[value.node].name:
                self.pending[value.node].name = name
        unnamed = [node for node in self.pending[start:] if not node.name]
        for k, node in enumerate(unnamed):
            node.name = f"{names[0][0] if names else otherwise}.{k + 1}"

    def finish(self, ports: Sequence[Port], results: Sequence[tuple[str, Value]]) -> tuple[Node, ...]:
        """The nodes that the results need, named; each result is held by a node (or input) of its name."""
        taken = {port.name for port in ports}
        claimed: set[int] = set()
        for name, value in results:
            if name in taken:
                continue  # an input handed through under its own name
            if isinstance(value, Variable):
                last = self.pending[value.node]
                if last.op is None or value.node in claimed:
                    copy = Rearrange(np.arange(value.size))
                    value = self.emit(copy, (value,), value.shape, f"output {name!r}")
            else:
                value = self.emit(Constant(np.ravel(value).astype(np.float64)), (), value.shape, f"output {name!r}")
            self.pending[value.node].name = name
            claimed.add(value.node)
            taken.add(name)
        needed = self._needed(claimed)
        for i in needed:
            node = self.pending[i]
            if node.op is not None and i not in claimed:
                node.name = _unique(node.name, taken)
        return tuple(
            Node(node.name, node.op, tuple(self.pending[k].name for k in node.inputs), node.shape, node.origin)
            for node in (self.pending[i] for i in needed)
            if node.op is not None
        )

    def _needed(self, results: set[int]) -> list[int]:
        needed = set(results)
        for i in range(len(self.pending) - 1, -1, -1):
            if i in needed:
                needed.update(self.pending[i].inputs)
        return sorted(needed)


def _finite(op: Op) -> bool:
    for field in fields(op):
        value = getattr(op, field.name)
        numbers = value.data if isinstance(value, sp.csr_array) else value
        if isinstance(numbers, np.ndarray) and numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            # A clip to [inf, inf] or [-inf, -inf] is not finite; a one-sided clip is.
            if not isinstance(op, Clip) or np.isnan(numbers).any():
                return False
            if (op.lower_limit == math.inf).any() or (op.upper_limit == -math.inf).any():
                return False
    return True


def _unique(name: str, taken: set[str]) -> str:
    candidate, k = name, 1
    while candidate in taken:
        candidate, k = f"{name}_{k}", k + 1
    taken.add(candidate)
    return candidate
