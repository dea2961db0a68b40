"""A drawing of a graph: a picture where graphviz is installed, else its text."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

from relu2mip.errors import Relu2MipError
from relu2mip.ir.graph import Graph

_COLOURS = {
    "input": "#dbeafe",
    "relu": "#fde68a",
    "leaky-relu": "#fde68a",
    "clip": "#fde68a",
    "group-max": "#fecaca",
}


def dot(graph: Graph) -> str:
    """The graph in graphviz's DOT language, laid out left to right."""
    dag = graph.dag()
    lines = [
        f"digraph {_quote(graph.name)} {{",
        '  rankdir=LR; node [shape=box, style="rounded,filled", fontname=Helvetica];',
    ]
    for name, facts in dag.nodes(data=True):
        label = _quote(f"{name}\\n{facts['op']} {'x'.join(map(str, facts['shape']))}")
        lines.append(f"  {_quote(name)} [label={label}, fillcolor={_quote(_COLOURS.get(facts['op'], '#f3f4f6'))}];")
    lines += [f"  {_quote(a)} -> {_quote(b)};" for a, b in dag.edges]
    for port in graph.outputs:
        lines.append(f"  {_quote('output ' + port.name)} [fillcolor={_quote('#bbf7d0')}];")
        lines.append(f"  {_quote(port.name)} -> {_quote('output ' + port.name)};")
    return "\n".join([*lines, "}"])


def draw(graph: Graph, path: str | Path) -> Path:
    """Write a drawing to `.svg`, `.png`, `.pdf`, `.dot` or `.txt`; returns the file that was written.

    A picture needs graphviz; without its `dot` on the path the text form is written beside, with a warning.
    Raises `Relu2MipError` for another suffix.
    """
    path = Path(path)
    if path.suffix == ".dot":
        path.write_text(dot(graph))
    elif path.suffix == ".txt":
        path.write_text(str(graph))
    elif path.suffix in {".svg", ".png", ".pdf"}:
        program = shutil.which("dot")
        if program is None:
            instead = path.with_suffix(".txt")
            warnings.warn(f"graphviz's `dot` is not installed; wrote the text form to {instead}", stacklevel=2)
            return draw(graph, instead)
        subprocess.run([program, f"-T{path.suffix[1:]}", "-o", str(path)], input=dot(graph).encode(), check=True)
    else:
        raise Relu2MipError(f"{path}: cannot draw to {path.suffix or 'no suffix'}; use .svg, .png, .pdf, .dot or .txt")
    return path


def _quote(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'
