"""`relu2mip compile`: a problem as an LP or MPS file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relu2mip.cli.arguments import BinaryHorizon, Bounds, Debug, Formulation, Json, Problem, check_choices
from relu2mip.cli.console import facts, message, progress, show, show_json
from relu2mip.cli.files import check_output, complete
from relu2mip.cli.report import sizes

Output = Annotated[Path, typer.Option(help="File to write, .lp or .mps; a map of its names is written beside it.")]


def compile_(
    problem: Problem,
    output: Output,
    bounds: Bounds = None,
    formulation: Formulation = None,
    binary_horizon: BinaryHorizon = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compile a problem to a mixed-integer program with readable names.

    Examples:
      relu2mip compile problem.toml --output plan.mps
      relu2mip compile problem.toml --output plan.lp --bounds ibp --formulation big-m
    """
    from relu2mip.pipeline.compiled import compile as compile_problem
    from relu2mip.trajectory.read import read

    check_choices(bounds, formulation)
    check_output(output, (".lp", ".mps"))
    with progress(f"compiling {problem}"):
        compiled = compile_problem(read(problem), bounds, formulation, binary_horizon)
        with complete(output) as path:
            compiled.write(path)
    methods = [p.method for p in compiled.all_bounds.provenance]
    if json:
        statistics = compiled.statistics.to_dict()
        found = {"formulation": compiled.formulation, "bounds": methods, "statistics": statistics}
        show_json({**found, "output": str(output)})
        return
    seconds = ", ".join(f"{stage} {value:.3f} s" for stage, value in compiled.statistics.seconds.items())
    how = f"{compiled.formulation} with bounds {' + '.join(methods)}"
    cuts = {} if compiled.statistics.cuts is None else {"cuts": str(compiled.statistics.cuts)}
    show(facts({"compiled": how, "sizes": sizes(compiled.statistics), **cuts, "time": seconds}))
    message(f"wrote {output}")
