"""Read a problem file: a trajectory or a box problem as TOML; docs/problem-file.md has every key.

The keys are those of the classes: a trajectory's file has `Trajectory`'s fields, with `network` for `net`, `costs` for
`cost` and the `solve` table for `options`. Nothing is guessed: a key that nothing reads is an `UnknownOption` naming
its table and the nearest valid key, a value of the wrong type an `InvalidProblem` naming the key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from relu2mip.errors import InvalidOption, InvalidProblem, UnknownOption
from relu2mip.ir import Graph
from relu2mip.options import AUTO, TREE, SolveOptions, build, parse
from relu2mip.registry import backends, bound_methods, formulations, searches
from relu2mip.trajectory import costs
from relu2mip.trajectory.dynamics import Normalisation
from relu2mip.trajectory.sets import Box, Finite, Linear
from relu2mip.trajectory.toml_constraints import constraint, states
from relu2mip.trajectory.toml_values import LINEAR, Reader, box, list_of, number, numbers, pair, table, text, whole

CONTROL = (
    *("planner", "period", "steps", "seed", "safe_control", "reference"),
    *("environment", "state", "actions", "initial_state"),
)
"""Keys of the [control] table."""

NORMS: Mapping[str, Callable[..., costs.Cost]] = {"l1": costs.L1, "linf": costs.LInf, "quadratic": costs.Quadratic}


def _control(value: Any, where: str) -> dict[str, Any]:
    """The [control] table, which `relu2mip.control.settings` reads."""
    return table(value, where, {name: lambda part, _: part for name in CONTROL})


@contextmanager
def in_file(path: str | Path) -> Iterator[None]:
    """Errors of a problem name the file it comes from."""
    try:
        yield
    except (InvalidProblem, InvalidOption, UnknownOption) as error:
        error.args = (f"{path}: {error}",)
        raise


def contents(path: str | Path, wanted: str) -> dict[str, Any]:
    """The fields of a "Trajectory" or "BoxProblem" as a file gives them, and `scenarios`; paths are relative to it.

    Raises `InvalidProblem` (not TOML, a missing file, a wrong type, another kind of problem), `UnknownOption` (a key or
    name that nothing reads), and what `relu2mip.load` raises for its networks.
    """
    data = tables(path)
    if kind_of(data, Path(path).parent) != wanted:
        raise InvalidProblem(f"describes a {kind_of(data, Path(path).parent)}, not a {wanted}; use its from_toml")
    return fields_of(data, Path(path).parent)


def tables(path: str | Path) -> dict[str, Any]:
    """The tables of a file; raises `InvalidProblem` where it is missing or no TOML."""
    path = Path(path)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidProblem(f"cannot read the problem file: {error.strerror}") from error
    except ValueError as error:
        hint = "this is a network; give a problem file that names it" if path.suffix == ".onnx" else error
        raise InvalidProblem(f"not a TOML file: {hint}") from error


def trajectory_keys(folder: Path) -> dict[str, Reader]:
    """The keys of a trajectory's file with their readers; paths are relative to `folder`."""
    return {
        "network": _network(folder),
        "horizon": whole,
        "initial_state": _box_or_numbers,
        "controls": _control_sets,
        "predicts": text,
        "states": states,
        "costs": _costs(folder),
        "window": whole,
        "inputs": _layout,
        "output": text,
        "normalisation": _normalisation,
        "control_rate": box,
        "previous_controls": numbers,
        "constraints": list_of(constraint(folder)),
        "terminal": _terminal,
        "state_names": list_of(text),
        "control_names": list_of(text),
        "solve": _solve(folder),
        "delay": whole,
        "known": _known,
        "period": number,
        "heading": list_of(text),
        "control": _control,
        "scenarios": _scenarios(folder),
    }


def box_problem_keys(folder: Path) -> dict[str, Reader]:
    """The keys of a box problem's file with their readers."""
    return {
        "network": _network(folder),
        "lower": numbers,
        "upper": numbers,
        "objective": numbers,
        "sense": text,
        "solve": _solve(folder),
    }


def kind_of(data: dict[str, Any], folder: Path) -> str:
    """The class of the problem that a file describes."""
    trajectory, box_problem = trajectory_keys(folder), box_problem_keys(folder)
    if ("horizon" in data) == ("objective" in data):
        for key in data:
            if key not in trajectory | box_problem:  # perhaps one of the two, misspelt
                raise UnknownOption("key", key, trajectory | box_problem)
        found = "both horizon and objective are" if "horizon" in data else "neither horizon nor objective is"
        raise InvalidProblem(f"{found} given; a trajectory has a horizon, a box problem an objective")
    return "Trajectory" if "horizon" in data else "BoxProblem"


def fields_of(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The fields of the problem, by name."""
    if kind_of(data, folder) == "Trajectory":
        given = table(data, "", trajectory_keys(folder), ("network", "horizon", "initial_state", "controls"))
    else:
        given = table(data, "", box_problem_keys(folder), ("network", "lower", "upper", "objective"))
    names = {"network": "net", "costs": "cost", "solve": "options"}
    return {names.get(key, key): value for key, value in given.items() if key != "control"}


def _box_or_numbers(value: Any, where: str) -> Any:
    return box(value, where) if isinstance(value, dict) else numbers(value, where)


def _box_or_values(value: Any, where: str) -> Box | Finite:
    if not isinstance(value, dict) or "values" not in value:
        return box(value, where)
    return Finite(**table(value, where, {"values": list_of(list_of(number))}))


def _control_sets(value: Any, where: str) -> Any:
    return list_of(_box_or_values)(value, where) if isinstance(value, list) else _box_or_values(value, where)


def _scenarios(folder: Path) -> Reader:
    """The arguments of `relu2mip.scenarios`."""

    def reader(value: Any, where: str) -> dict[str, Any]:
        keys = {"networks": list_of(_network(folder)), "initial_states": list_of(_box_or_numbers), "cost": text}
        given = table(value, where, keys)
        return {"nets" if key == "networks" else key: part for key, part in given.items()}

    return reader


def _known(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidProblem(f"{where} is {value!r}; give a table from names of signals to their numbers by step")
    return {name: numbers(signal, f"{where}.{name}") for name, signal in value.items()}


def _terminal(value: Any, where: str) -> Any:
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return list_of(_terminal)(value, where)
    if not isinstance(value, dict):
        return numbers(value, where)
    if "state" not in value:
        return box(value, where)
    return Linear(**table(value, where, {key: LINEAR[key] for key in ("state", "lower", "upper")}))


def _layout(value: Any, where: str) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise InvalidProblem(f"{where} is {value!r}; give a table from network inputs to what they read")
    return {name: list_of(text)(blocks, f"{where}.{name}") for name, blocks in value.items()}


def _normalisation(value: Any, where: str) -> Normalisation:
    coordinates = dict.fromkeys(("state", "control", "output"), pair("offset", "scale"))
    return Normalisation(**table(value, where, coordinates))


def _network(folder: Path) -> Reader:
    def reader(value: Any, where: str) -> Graph:
        from relu2mip.frontends.onnx import load_onnx

        path = folder / text(value, where)
        if not path.is_file():
            raise InvalidProblem(f"{where}: there is no file {path}; paths are relative to the problem file")
        return load_onnx(path)

    return reader


def cost_keys(folder: Path) -> dict[str, dict[str, Reader]]:
    """The keys of a cost's table by its kind; a network is given by its path."""
    norm: dict[str, Reader] = dict.fromkeys(
        ("target", "control_target", "state", "control", "terminal", "control_rate"), numbers
    )
    norm["keypoints"] = pair("matrix", "offset")
    network: dict[str, Reader] = {"network": _network(folder), "weight": number, "terminal": number}
    return {"l1": norm, "linf": norm, "quadratic": norm, "network": network}


def _costs(folder: Path) -> Reader:
    kinds = cost_keys(folder)

    def one(value: Any, where: str) -> costs.Cost:
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind is None:
            raise InvalidProblem(f"{where} has no kind; give one of {', '.join(kinds)}")
        if kind not in kinds:
            raise UnknownOption(f"kind in [{where}]:", str(kind), kinds)
        given = table(value, where, {"kind": text, **kinds[kind]}, ("network",) if kind == "network" else ())
        del given["kind"]
        return costs.Network(given.pop("network"), **given) if kind == "network" else NORMS[kind](**given)

    def reader(value: Any, where: str) -> costs.Cost | None:
        summands = list_of(one)(value, where)
        return reduce(add, summands) if summands else None

    return reader


def _solve(folder: Path) -> Reader:
    """The options of `solve` and `compile`, checked here so that a wrong one is found before any work."""

    def methods(value: Any, where: str) -> Any:
        if text(value, where) == "auto":
            return value
        found = parse(value, bound_methods, "bounds")
        return [replace(m, path=str(folder / m.path)) if getattr(m, "path", "") else m for m in found]

    def named(registry: Mapping[str, type[Any]], what: str) -> Reader:
        def reader(value: Any, where: str) -> str:
            if text(value, where) not in (AUTO, *([TREE] if what == "search" else [])):
                parse(value, registry, what)
            return str(value)

        return reader

    def as_given(value: Any, where: str) -> Any:
        return value

    known = [f.name for f in fields(SolveOptions)]
    keys: dict[str, Reader] = {
        "backend": named(backends, "backend"),
        "bounds": methods,
        "formulation": named(formulations, "formulation"),
        "search": named(searches, "search"),
        "binary_horizon": whole,
        **dict.fromkeys(known, as_given),
    }

    def reader(value: Any, where: str) -> dict[str, Any]:
        given = table(value, where, keys)
        limits = {name: given[name] for name in known if name in given}
        settings = build(SolveOptions, limits, f"{where}: option")
        return given | {name: getattr(settings, name) for name in limits}

    return reader
