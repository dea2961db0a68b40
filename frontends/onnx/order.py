"""Which nodes of a graph its outputs need, in an order in which they can be computed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator

from onnx import GraphProto, NodeProto

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.onnx.call import label


def needed_nodes(graph: GraphProto) -> tuple[list[NodeProto], Counter[str]]:
    """The nodes that a graph's outputs need, each after those it reads, and how often each tensor is read.

    Nodes that are in order already (as ONNX asks, but not every writer heeds) stay in the order of the file.
    """
    producer: dict[str, int] = {}
    for k, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if producer.setdefault(name, k) != k:
                raise InvalidNetwork(f"tensor {name!r} is computed twice; export the network again")
    reads = [[producer[name] for name in tensors_read(node) if name in producer] for node in graph.node]
    needed: set[int] = set()
    waiting = [producer[value.name] for value in graph.output if value.name in producer]
    while waiting:
        k = waiting.pop()
        if k not in needed:
            needed.add(k)
            waiting.extend(reads[k])
    missing = {k: len(set(reads[k])) for k in needed}
    readers: dict[int, set[int]] = {k: set() for k in needed}
    for k in needed:
        for earlier in reads[k]:
            readers[earlier].add(k)
    ready = sorted(k for k in needed if not missing[k])
    order = []
    while ready:
        order.append(heapq.heappop(ready))
        for later in readers[order[-1]]:
            missing[later] -= 1
            if not missing[later]:
                heapq.heappush(ready, later)
    if len(order) < len(needed):
        stuck = graph.node[min(needed.difference(order))]
        raise InvalidNetwork(f"{stuck.op_type} {label(stuck)!r} depends on its own result; export the network again")
    uses = Counter(value.name for value in graph.output)
    uses.update(name for k in order for name in tensors_read(graph.node[k]))
    return [graph.node[k] for k in order], uses


def tensors_read(node: NodeProto) -> Iterator[str]:
    """Every tensor a node reads, those that its inner graphs read from outside included."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            own = {value.name for value in (*graph.input, *graph.initializer)}
            own.update(name for inner in graph.node for name in inner.output)
            reads = [name for inner in graph.node for name in tensors_read(inner)]
            yield from (name for name in (*reads, *(value.name for value in graph.output)) if name not in own)
