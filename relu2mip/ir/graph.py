"""The graph: a typed tensor DAG that says what a network file says.

A `Graph` is immutable: named input and output ports with shapes, and nodes in topological order, each one operation of
`relu2mip.ir.ops` over flat vectors. Constants live inside the operations; identities, dropout and shape arithmetic are
gone. It evaluates itself on batches in float64, prints itself as text (`str(graph)`), and gives its structure as a
`networkx.DiGraph` (`graph.dag()`).

    >>> import numpy as np
    >>> from relu2mip.ir import Graph, Linear, Node, Port, Relu
    >>> layer = Linear(np.array([[1.0, -1.0]]), np.zeros(1))
    >>> nodes = (Node("h", layer, ("x",), (1,)), Node("y", Relu(), ("h",), (1,)))
    >>> graph = Graph("tiny", (Port("x", (2,)),), (Port("y", (1,)),), nodes)
    >>> graph.evaluate(np.array([[3.0, 1.0], [1.0, 3.0]]))["y"].tolist()
    [[2.0], [0.0]]
    >>> print(graph)
    graph "tiny"
      input  x : 2
      h = linear(x) : 1    # matrix=1x2 (2 nonzeros), bias=[0], repeat=1
      y = relu(h) : 1
      output y : 1
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.arrays import Array
from relu2mip.errors import InvalidNetwork, InvalidProblem
from relu2mip.ir.ops import Op

if TYPE_CHECKING:
    import networkx as nx


CHUNK = 1024
"""Samples evaluated at once: layers of that many stay in the processor's cache."""


@dataclass(frozen=True)
class Port:
    """An input or output: its name and the shape of one sample (the batch axis, if the file has one, left out)."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of entries of one sample."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Node:
    """One operation: `name` is the tensor it produces; `inputs` are names of input ports or earlier nodes.

    `shape` is the shape the file gives this tensor (batch axis included, as 1); `origin` says which node of the file
    it came from, for error messages and the text form.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    origin: str = ""


@dataclass(frozen=True, eq=False)
class Source:
    """Where a graph came from: what the replay needs to run the original file, and to recognise it again."""

    path: str
    model: bytes
    digest: str
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """A network. See the module's text; made by `relu2mip.load` or by hand."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    nodes: tuple[Node, ...]
    source: Source | None = None

    def __post_init__(self) -> None:
        known = {port.name for port in self.inputs}
        for node in self.nodes:
            missing = [name for name in node.inputs if name not in known]
            if missing or node.name in known:
                what = f"reads {missing[0]!r} before it is computed" if missing else "is computed twice"
                raise InvalidNetwork(f"{self.name}: node {node.name!r} {what}; order the nodes and name each once")
            known.add(node.name)
        for port in self.outputs:
            if port.name not in known:
                raise InvalidNetwork(f"{self.name}: output {port.name!r} is computed by no node")

    def evaluate(self, *inputs: ArrayLike, **named: ArrayLike) -> dict[str, Array]:
        """Outputs for inputs given in input order or by name, in float64.

        Each input has its port's shape (one sample) or one more leading axis (a batch of B); a sample may also be
        given flat. The outputs come back by name, with that same leading axis.

        Raises `InvalidProblem` where the number of inputs or a shape does not fit.
        """
        flat, batched = self._arguments(inputs, named)
        batch = max((x.shape[0] for x in flat.values()), default=1)
        results = {port.name: np.empty((batch, port.size)) for port in self.outputs}
        for start in range(0, batch, CHUNK):
            rows = slice(start, start + CHUNK)
            values = self.evaluate_flat({name: x[rows] for name, x in flat.items()})
            for name, result in results.items():
                result[rows] = values[name]
        shaped = {port.name: results[port.name].reshape(batch, *port.shape) for port in self.outputs}
        return shaped if batched else {name: np.array(value[0]) for name, value in shaped.items()}

    def evaluate_flat(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Every tensor of the graph, as (B, size) arrays, for inputs of that form."""
        values = dict(inputs)
        batch = max((len(x) for x in inputs.values()), default=1)
        for node in self.nodes:
            value = node.op.evaluate(*(values[name] for name in node.inputs))
            values[node.name] = value if node.inputs else np.broadcast_to(value, (batch, value.shape[1]))
        return values

    def _arguments(
        self, inputs: tuple[ArrayLike, ...], named: Mapping[str, ArrayLike]
    ) -> tuple[dict[str, Array], bool]:
        names = [port.name for port in self.inputs]
        given = dict(zip(names, inputs, strict=False)) | dict(named)
        if len(inputs) > len(names) or set(given) != set(names) or len(inputs) + len(named) != len(names):
            raise InvalidProblem(f"{self.name}: give each of its inputs {names} once, in that order or by name")
        flat: dict[str, Array] = {}
        batched: set[bool] = set()
        for port in self.inputs:
            x = np.asarray(given[port.name], dtype=np.float64)
            single = x.shape in (port.shape, (port.size,))
            if not single and x.shape[1:] not in (port.shape, (port.size,)):
                raise InvalidProblem(
                    f"{self.name}: input {port.name!r} has shape {x.shape}; give {port.shape}, "
                    f"or a batch (B, *{port.shape})"
                )
            flat[port.name] = x.reshape(1 if single else x.shape[0], port.size)
            batched.add(not single)
        if len(batched) > 1 or len({x.shape[0] for x in flat.values()}) > 1:
            raise InvalidProblem(f"{self.name}: all inputs must be single samples, or batches of one length")
        return flat, True in batched

    @property
    def input_size(self) -> int:
        """Entries of all inputs together."""
        return sum(port.size for port in self.inputs)

    @property
    def output_size(self) -> int:
        """Entries of all outputs together."""
        return sum(port.size for port in self.outputs)

    def walk(self) -> Iterator[tuple[Node, int]]:
        """Nodes in topological order, each with the size of its vector."""
        for node in self.nodes:
            yield node, math.prod(node.shape)

    def dag(self) -> nx.DiGraph[str]:
        """The structure: ports and nodes by name, with attributes `op` and `shape`, an edge for each read."""
        import networkx as nx

        dag: Any = nx.DiGraph(name=self.name)
        for port in self.inputs:
            dag.add_node(port.name, op="input", shape=port.shape)
        for node in self.nodes:
            dag.add_node(node.name, op=node.op.name, shape=node.shape)
            dag.add_edges_from((name, node.name) for name in node.inputs)
        return dag

    @property
    def digest(self) -> str:
        """A hash of the function: of the file where there is one, else of the text form and all constants."""
        if self.source is not None:
            return self.source.digest
        digest = hashlib.sha256(str(self).encode())
        for node in self.nodes:
            for value in (v for v in vars(node.op).values() if v is not None):
                digest.update(value.toarray().tobytes() if hasattr(value, "toarray") else np.asarray(value).tobytes())
        return digest.hexdigest()

    def __str__(self) -> str:
        lines = [f'graph "{self.name}"']
        lines += [f"  input  {port.name} : {_shape(port.shape)}" for port in self.inputs]
        for node in self.nodes:
            notes = [note for note in (node.origin, node.op.summary()) if note]
            comment = f"    # {'; '.join(notes)}" if notes else ""
            lines.append(f"  {node.name} = {node.op.name}({', '.join(node.inputs)}) : {_shape(node.shape)}{comment}")
        lines += [f"  output {port.name} : {_shape(port.shape)}" for port in self.outputs]
        return "\n".join(lines)

    def __repr__(self) -> str:
        ports = f"{len(self.inputs)} input(s), {len(self.nodes)} nodes, {len(self.outputs)} output(s)"
        return f"<Graph {self.name!r}: {ports}>"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"
