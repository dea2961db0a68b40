"""Arguments that several commands share, under the names of the Python interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

DEBUG = "relu2mip.debug"


def _remember_debug(context: typer.Context, value: bool) -> None:
    context.meta[DEBUG] = value


Problem: TypeAlias = Annotated[Path, typer.Argument(help="A problem file (TOML).", show_default=False)]
NetworkOrProblem: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", help="A network (ONNX) or a problem file (TOML).", show_default=False)
]
Bounds: TypeAlias = Annotated[
    str | None, typer.Option(help='Bound methods, such as "ibp" or "ibp+data(path=x.npz)".', show_default=False)
]
Formulation: TypeAlias = Annotated[str | None, typer.Option(help='Formulation, such as "big-m".', show_default=False)]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON alone on standard output.", show_default=False)
]
Debug: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--debug",
        callback=_remember_debug,
        expose_value=False,
        help="Show the traceback of an error.",
        show_default=False,
    ),
]


def check_choices(
    bounds: str | None = None,
    formulation: str | None = None,
    backend: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Raise `UnknownOption` or `InvalidOption` before any file is read."""
    from relu2mip.options import SolveOptions, build
    from relu2mip.pipeline.specs import resolve_backend, resolve_bounds, resolve_formulation

    if bounds is not None:
        resolve_bounds(bounds)
    if formulation is not None:
        resolve_formulation(formulation)
    if backend is not None:
        resolve_backend(backend)
    build(SolveOptions, options or {}, "solve option")
