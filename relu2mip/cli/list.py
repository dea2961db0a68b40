"""`relu2mip list`: what this installation offers."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from relu2mip.cli.arguments import Debug, Json
from relu2mip.cli.console import show, show_json, table


class Family(StrEnum):
    """The families that can be listed."""

    OPS = "ops"
    BOUNDS = "bounds"
    FORMULATIONS = "formulations"
    SEARCHES = "searches"
    BACKENDS = "backends"
    PLANNERS = "planners"
    GATES = "gates"


def list_(
    family: Annotated[Family | None, typer.Argument(help="What to list; all by default.", show_default=False)] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List operators, bound methods, formulations, searches, backends, planners and gate families of this installation.

    Examples:
      relu2mip list
      relu2mip list backends --json
    """
    readers = {
        Family.OPS: _ops,
        Family.BOUNDS: _bounds,
        Family.FORMULATIONS: _formulations,
        Family.BACKENDS: _backends,
        Family.SEARCHES: _searches,
        Family.PLANNERS: _planners,
        Family.GATES: _gates,
    }
    found = {str(name): reader() for name, reader in readers.items() if family in (None, name)}
    if json:
        show_json(found)
        return
    for name, rows in found.items():
        if family is None:
            show(name)
        if not rows:
            show("none; these need the extra torch")
            continue
        columns = list(rows[0])
        show(table(columns, [[_cell(row[column]) for column in columns] for row in rows], left=columns))


def _ops() -> list[dict[str, Any]]:
    from relu2mip.frontends.onnx import supported_ops

    return [{"op": op, "since versions": list(versions)} for op, versions in supported_ops()]


def _bounds() -> list[dict[str, Any]]:
    from relu2mip.registry import bound_methods

    return [
        {"name": name, "grade": method.grade, "options": _options(method), "what": _summary(method)}
        for name, method in bound_methods.items()
    ]


def _formulations() -> list[dict[str, Any]]:
    from relu2mip.registry import formulations

    return [
        {"name": name, "exact": part.exact, "options": _options(part), "what": _summary(part)}
        for name, part in formulations.items()
    ]


def _backends() -> list[dict[str, Any]]:
    from relu2mip.registry import backends

    found = []
    for name, backend in backends.items():
        availability = backend().availability()
        found.append({"name": name, **vars(availability), "options": _options(backend), "what": _summary(backend)})
    return found


def _searches() -> list[dict[str, Any]]:
    from relu2mip.registry import searches

    return [{"name": name, "options": _options(part), "what": _summary(part)} for name, part in searches.items()]


def _planners() -> list[dict[str, Any]]:
    from relu2mip.registry import planners

    return [{"name": name, "options": _options(part), "what": _summary(part)} for name, part in planners.items()]


def _gates() -> list[dict[str, Any]]:
    if find_spec("torch") is None:
        return []
    from relu2mip.frontends.sparsify import families

    return [{"name": name, "options": _options(family), "what": _summary(family)} for name, family in families.items()]


def _options(part: type[Any]) -> dict[str, Any]:
    """The options of a part and their defaults; those that only Python can give are left out."""
    return {
        f.name: f.default
        for f in fields(part)
        if f.default is not MISSING and isinstance(f.default, str | int | float | bool)
    }


def _summary(part: type[Any]) -> str:
    return (part.__doc__ or "").partition("\n")[0]


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return ", ".join(f"{name}={entry!r}" if entry == "" else f"{name}={entry}" for name, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value
