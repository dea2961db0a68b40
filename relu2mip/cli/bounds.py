"""`relu2mip bounds`: how tight the bounds of each layer are at each step."""

from __future__ import annotations

from typing import Annotated

import typer

from relu2mip.cli.arguments import Debug, Json, Problem
from relu2mip.cli.console import progress, show, show_json, table
from relu2mip.cli.report import LAYER, layer_table

Method = Annotated[
    str | None, typer.Option(help='Bound methods, such as "ibp" or "ibp+data(path=x.npz)".', show_default=False)
]


def bounds(problem: Problem, method: Method = None, json: Json = False, debug: Debug = False) -> None:
    """Bound every unit of a problem's network and show, for each layer and step, how many units are stable.

    Examples:
      relu2mip bounds problem.toml
      relu2mip bounds problem.toml --method "ibp+data(path=transitions.npz)"
    """
    from relu2mip.compiled import compile as compile_problem
    from relu2mip.trajectory.toml import read

    with progress(f"bounding {problem}"):
        compiled = compile_problem(read(problem), method)
    found, layers = compiled.all_bounds, compiled.statistics.layers
    methods = [(p.method, p.sound, p.seconds) for p in found.provenance]
    if json:
        show_json(
            {
                "sound": found.sound,
                "provenance": [vars(p) for p in found.provenance],
                "layers": [{name: getattr(layer, name) for name in LAYER} for layer in layers],
                "values": [
                    {"place": value.place.prefix, "lower": lower.tolist(), "upper": upper.tolist()}
                    for value, lower, upper in zip(found.form.values, found.lower, found.upper, strict=True)
                ],
            }
        )
    else:
        show(layer_table(layers, LAYER), table(["method", "sound", "seconds"], methods, left=["method"]))
