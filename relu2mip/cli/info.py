"""`relu2mip info`: what a network or a problem consists of."""

from __future__ import annotations

import json as json_module
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from relu2mip.cli.arguments import Bounds, Debug, Formulation, Json, NetworkOrProblem, check_choices
from relu2mip.cli.console import facts, message, progress, show, show_json, text
from relu2mip.cli.files import check_output, complete
from relu2mip.errors import InvalidOption

if TYPE_CHECKING:
    from relu2mip.ir import Graph
    from relu2mip.pipeline.specs import Problem

Draw = Annotated[
    Path | None, typer.Option(help="Also draw the network: .svg, .png, .pdf, .dot or .txt.", show_default=False)
]

Quality = Annotated[
    bool,
    typer.Option("--quality", help="Also root value, integrality gap, largest M and conditioning.", show_default=False),
]


def info(
    file: NetworkOrProblem,
    draw: Draw = None,
    quality: Quality = False,
    bounds: Bounds = None,
    formulation: Formulation = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a network's inputs, outputs, operations and sizes, or a problem's sets, steps and model sizes.

    Examples:
      relu2mip info dynamics.onnx --draw dynamics.svg
      relu2mip info problem.toml
      relu2mip info problem.toml --quality --formulation ideal
    """
    from relu2mip.frontends.onnx import load_onnx
    from relu2mip.ir.draw import draw as draw_graph
    from relu2mip.trajectory.read import read

    check_choices(bounds, formulation)
    check_output(draw, (".svg", ".png", ".pdf", ".dot", ".txt"))
    with progress(f"reading {file}"):
        if file.suffix == ".toml":
            problem = read(file)
            net, found = problem.net, _problem(problem, quality, bounds, formulation)
        else:
            if quality or bounds is not None or formulation is not None:
                raise InvalidOption(f"--quality, --bounds and --formulation need a problem file, {file} is a network")
            net = load_onnx(file)
            found = _network(net)
    if draw is not None:
        with complete(draw) as path, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the text in place of a picture; said below
            written = draw.with_name(draw_graph(net, path).name)
    show_json(found) if json else show(facts({name.replace("_", " "): _words(value) for name, value in _flat(found)}))
    if draw is not None:
        why = "" if written == draw else f" in place of {draw}: pictures need graphviz, whose `dot` is not installed"
        message(f"wrote {written}{why}")


def _network(net: Graph) -> dict[str, Any]:
    from relu2mip.ir.lower import lower
    from relu2mip.passes import simplify

    form = simplify(lower(net)).form
    return {
        "name": net.name,
        "inputs": {port.name: list(port.shape) for port in net.inputs},
        "outputs": {port.name: list(port.shape) for port in net.outputs},
        "operations": dict(Counter(node.op.name for node in net.nodes)),
        "normal_form": {
            "values": len(form.values),
            "relu_units": form.relu_units,
            "max_units": form.max_units,
            "nonzeros": form.nonzeros,
        },
        "metadata": _metadata(net.source.metadata) if net.source else {},
        "digest": net.digest,
    }


def _problem(problem: Problem, quality: bool, bounds: str | None, formulation: str | None) -> dict[str, Any]:
    from relu2mip.pipeline.compiled import compile as compile_problem
    from relu2mip.trajectory.problem import Trajectory

    compiled = compile_problem(problem, bounds, formulation)
    statistics = compiled.statistics.to_dict()
    found: dict[str, Any] = {"kind": type(problem).__name__, "network": problem.net.name}
    if isinstance(problem, Trajectory):
        found |= {
            "horizon": problem.horizon,
            "window": problem.window,
            "predicts": problem.predicts,
            "states": list(problem.state_names or []) or problem.n,
            "controls": list(problem.control_names or []) or problem.m,
            "costs": [part.name for part in problem.cost.parts()] if problem.cost else [],
            "constraints": [constraint.name for constraint in problem.all_constraints],
        }
    else:
        found |= {"sense": problem.sense, "inputs": problem.net.input_size, "outputs": problem.net.output_size}
    model = {name: statistics[name] for name in ("units", "stable", "columns", "binaries", "rows", "nonzeros")}
    methods = [p.method for p in compiled.all_bounds.provenance]
    found |= {"bounds": methods, "formulation": compiled.formulation, "model": model}
    return found | ({"quality": compiled.quality().to_dict()} if quality else {})


def _metadata(entries: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of the file; what the sparsifier wrote is JSON."""
    prefix = "relu2mip."
    found: dict[str, Any] = {}
    for key, value in entries.items():
        try:
            found[key.removeprefix(prefix)] = json_module.loads(value) if key.startswith(prefix) else value
        except ValueError:
            found[key] = value
    return found


def _flat(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The lines that are shown: metadata by entry; the quality without the sizes, which the model's line has."""
    for name, value in found.items():
        if name == "metadata" and value:
            errors = value.get("errors")
            for key, entry in value.items():
                if entry is errors and isinstance(errors, dict):
                    yield from ((f"metadata: error, {what}", error) for what, error in errors.items())
                else:
                    yield f"metadata: {key}", entry
        elif name == "quality":
            yield from ((figure, entry) for figure, entry in value.items() if figure not in found["model"])
        else:
            yield name, value


def _words(value: Any) -> Any:
    """A list or table as one line of text."""
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {_words(entry)}" for name, entry in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(text, value)) or "none"
    return text(value)
