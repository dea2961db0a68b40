"""The text form of a graph: stable, one line a node, compared by tests and read by people."""

from __future__ import annotations

from relu2mip.ir.graph import Graph


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def text(graph: Graph) -> str:
    """The graph as text; see `relu2mip.ir.graph` for an example."""
    lines = [f'graph "{graph.name}"']
    lines += [f"  input  {port.name} : {_shape(port.shape)}" for port in graph.inputs]
    for node in graph.nodes:
        notes = [note for note in (node.origin, node.op.summary()) if note]
        comment = f"    # {'; '.join(notes)}" if notes else ""
        lines.append(f"  {node.name} = {node.op.name}({', '.join(node.inputs)}) : {_shape(node.shape)}{comment}")
    lines += [f"  output {port.name} : {_shape(port.shape)}" for port in graph.outputs]
    return "\n".join(lines)
