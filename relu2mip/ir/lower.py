"""Graph to normal form: every node lowers itself, in order."""

from __future__ import annotations

from relu2mip.ir.graph import Graph
from relu2mip.normal_form.builder import FormBuilder
from relu2mip.normal_form.form import NormalForm


def lower(graph: Graph) -> NormalForm:
    """The same function over flat vectors; inputs and outputs keep their names and order."""
    form = FormBuilder()
    values = {port.name: form.input(port.name, port.size) for port in graph.inputs}
    for node in graph.nodes:
        values[node.name] = node.op.lower(form, *(values[name] for name in node.inputs))
    return form.build({port.name: values[port.name] for port in graph.outputs})
