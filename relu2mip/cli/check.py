"""`relu2mip check`: can this be compiled?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from relu2mip.cli.arguments import Debug, Json, NetworkOrProblem
from relu2mip.cli.console import progress, show, show_json
from relu2mip.errors import Relu2MipError, UnsupportedNetwork


def check(file: NetworkOrProblem, json: Json = False, debug: Debug = False) -> None:
    """Say whether a network or a problem can be compiled, and if not, list every reason.

    Examples:
      relu2mip check dynamics.onnx
      relu2mip check problem.toml --json
    """
    try:
        with progress(f"checking {file}"):
            found = _compile(file)
    except Relu2MipError as error:
        if json:
            refusals = [vars(refusal) for refusal in error.refusals] if isinstance(error, UnsupportedNetwork) else []
            show_json({"file": str(file), "compilable": False, "error": str(error), "refusals": refusals})
        raise
    if json:
        show_json({"file": str(file), "compilable": True, "error": None, "refusals": [], **found})
    else:
        sizes = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in found.items())
        show(f"{file} can be compiled: {sizes}")


def _compile(file: Path) -> dict[str, Any]:
    """Sizes of what a network or a problem compiles to."""
    if file.suffix == ".toml":
        from relu2mip.pipeline.compiled import compile as compile_problem
        from relu2mip.trajectory.read import read

        statistics = compile_problem(read(file)).statistics
        return {name: getattr(statistics, name) for name in ("units", "stable", "columns", "binaries", "rows")}

    from relu2mip.frontends.onnx import load_onnx
    from relu2mip.ir.lower import lower
    from relu2mip.passes import simplify

    form = simplify(lower(load_onnx(file))).form
    return {"relu_units": form.relu_units, "max_units": form.max_units}
