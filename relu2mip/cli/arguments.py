"""Arguments that several commands share, under the names of the Python interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, TypeAlias, get_args, get_type_hints

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
BinaryHorizon: TypeAlias = Annotated[
    int | None,
    typer.Option(help="From this step on, relax the binaries; 0 keeps them all.", show_default=False, metavar="STEP"),
]
Search: TypeAlias = Annotated[
    str | None,
    typer.Option(help='"auto", "tree" (of the backend) or "cells", such as "cells(workers=2)".', show_default=False),
]
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


def with_options(options: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command with a flag for each field of an options dataclass, in place of its parameter `**options`.

    The command gets those that were given. The flags' help is what the fields are annotated with; a field that is true
    unless told otherwise has a flag to say so and one to say no.
    """
    hints = get_type_hints(options, include_extras=True)
    flags = [
        Parameter(f.name, Parameter.KEYWORD_ONLY, default=None, annotation=_flag(f.name, hints[f.name], f.default))
        for f in fields(options)
    ]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        before = signature(command, eval_str=True)
        own = [p.replace(kind=Parameter.KEYWORD_ONLY) for p in before.parameters.values() if p.kind != p.VAR_KEYWORD]

        @wraps(command)
        def with_flags(**given: Any) -> None:
            unset = [f.name for f in flags if given[f.name] is None]
            command(**{name: value for name, value in given.items() if name not in unset})

        with_flags.__signature__ = before.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
        with_flags.__annotations__ = {p.name: p.annotation for p in (*own, *flags)}
        return with_flags

    return decorated


def _flag(name: str, hint: Any, default: Any) -> Any:
    """The annotation of a flag; times come as text, with their units."""
    kind, text = get_args(hint)
    option = name.replace("_", "-")
    names = () if kind is not bool else (f"--{option}/--no-{option}",) if default else (f"--{option}",)
    timed = name.endswith("time_limit")
    metavar = "TIME" if timed else None
    made = typer.Option(*names, help=text, show_default=False, metavar=metavar)
    return Annotated[(str if timed else kind) | None, made]


def check_choices(
    bounds: str | None = None,
    formulation: str | None = None,
    backend: str | None = None,
    options: Mapping[str, Any] | None = None,
    search: str | None = None,
) -> None:
    """Raise `UnknownOption` or `InvalidOption` before any file is read."""
    from relu2mip.options import SolveOptions, build
    from relu2mip.pipeline.specs import resolve_backend, resolve_bounds, resolve_formulation, resolve_search

    if bounds is not None:
        resolve_bounds(bounds)
    if formulation is not None:
        resolve_formulation(formulation)
    if backend is not None:
        resolve_backend(backend)
    if search is not None:
        resolve_search(search)
    build(SolveOptions, options or {}, "solve option")
