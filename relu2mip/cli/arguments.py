"""Arguments that several commands share, under the names of the Python interface."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

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
