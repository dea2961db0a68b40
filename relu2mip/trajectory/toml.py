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
from typing import Any, TypeAlias

from relu2mip.errors import InvalidOption, InvalidProblem, UnknownOption
from relu2mip.ir import Graph
from relu2mip.options import SolveOptions, build, parse
from relu2mip.registry import backends, bound_methods, formulations
from relu2mip.trajectory import costs
from relu2mip.trajectory.dynamics import Normalisation
from relu2mip.trajectory.sets import Box, Finite, Linear

Reader: TypeAlias = Callable[[Any, str], Any]
"""Turns a value of the file into what the problem takes; the text says where it stands, for errors."""

CONTROL = "planner", "period", "steps", "seed", "safe_control", "environment", "state", "actions", "initial_state"
"""Keys of the [control] table."""

NORMS: Mapping[str, Callable[..., costs.Cost]] = {"l1": costs.L1, "linf": costs.LInf, "quadratic": costs.Quadratic}


def _control(value: Any, where: str) -> dict[str, Any]:
    """The [control] table, which `relu2mip.control.settings` reads."""
    return _table(value, where, {name: lambda part, _: part for name in CONTROL})


@contextmanager
def in_file(path: str | Path) -> Iterator[None]:
    """Errors of a problem name the file it comes from."""
    try:
        yield
    except (InvalidProblem, InvalidOption, UnknownOption) as error:
        error.args = (f"{path}: {error}",)
        raise


def contents(path: str | Path, wanted: str) -> dict[str, Any]:
    """The fields of a "Trajectory" or "BoxProblem" as a file gives them; paths in it are relative to the file.

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
        "horizon": _whole,
        "initial_state": _box_or_numbers,
        "controls": _control_sets,
        "predicts": _text,
        "states": _box,
        "costs": _costs(folder),
        "window": _whole,
        "inputs": _layout,
        "output": _text,
        "normalisation": _normalisation,
        "control_rate": _box,
        "previous_controls": _numbers,
        "constraints": _list_of(_linear),
        "terminal": _terminal,
        "state_names": _list_of(_text),
        "control_names": _list_of(_text),
        "solve": _solve(folder),
        "delay": _whole,
        "known": _known,
        "period": _number,
        "control": _control,
    }


def box_problem_keys(folder: Path) -> dict[str, Reader]:
    """The keys of a box problem's file with their readers."""
    return {
        "network": _network(folder),
        "lower": _numbers,
        "upper": _numbers,
        "objective": _numbers,
        "sense": _text,
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
        given = _table(data, "", trajectory_keys(folder), ("network", "horizon", "initial_state", "controls"))
    else:
        given = _table(data, "", box_problem_keys(folder), ("network", "lower", "upper", "objective"))
    names = {"network": "net", "costs": "cost", "solve": "options"}
    return {names.get(key, key): value for key, value in given.items() if key != "control"}


def _table(data: Any, where: str, keys: Mapping[str, Reader], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The values of a table, each read by its key's reader. `where` is "" for the file's top level."""
    if not isinstance(data, dict):
        raise InvalidProblem(f"{where} is {data!r}; give a table with {', '.join(keys)}")
    for key in data:
        if key not in keys:
            raise UnknownOption(f"key in [{where}]:" if where else "key", key, keys)
    for key in required:
        if key not in data:
            raise InvalidProblem(f"{where or 'the file'} has no {key}; it needs {', '.join(required)}")
    return {key: keys[key](value, f"{where}.{key}" if where else key) for key, value in data.items()}


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidProblem(f"{where} is {value!r}; give a whole number")
    return value


def _number(value: Any, where: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidProblem(f"{where} is {value!r}; give a number")
    return float(value)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidProblem(f"{where} is {value!r}; give a text in quotes")
    return value


def _list_of(item: Reader) -> Reader:
    def reader(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidProblem(f"{where} is {value!r}; give a list")
        return [item(entry, f"{where}[{k}]") for k, entry in enumerate(value)]

    return reader


def _numbers(value: Any, where: str) -> Any:
    """A number, a list of numbers, or a list of such lists of one length."""
    if not isinstance(value, list):
        return _number(value, where)
    if not any(isinstance(entry, list) for entry in value):
        return _list_of(_number)(value, where)
    rows = _list_of(_list_of(_number))(value, where)
    if len({len(row) for row in rows}) > 1:
        raise InvalidProblem(f"{where} has rows of {', '.join(str(len(row)) for row in rows)} numbers; give one length")
    return rows


_LINEAR: Mapping[str, Reader] = {
    "name": _text,
    "state": _numbers,
    "control": _numbers,
    "lower": _numbers,
    "upper": _numbers,
    "steps": _list_of(_whole),
}


def _box(value: Any, where: str) -> Box:
    return Box(**_table(value, where, {"lower": _numbers, "upper": _numbers}, ("lower", "upper")))


def _box_or_numbers(value: Any, where: str) -> Any:
    return _box(value, where) if isinstance(value, dict) else _numbers(value, where)


def _box_or_values(value: Any, where: str) -> Box | Finite:
    if not isinstance(value, dict) or "values" not in value:
        return _box(value, where)
    return Finite(**_table(value, where, {"values": _list_of(_list_of(_number))}))


def _control_sets(value: Any, where: str) -> Any:
    return _list_of(_box_or_values)(value, where) if isinstance(value, list) else _box_or_values(value, where)


def _known(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidProblem(f"{where} is {value!r}; give a table from names of signals to their numbers by step")
    return {name: _numbers(signal, f"{where}.{name}") for name, signal in value.items()}


def _linear(value: Any, where: str) -> Linear:
    return Linear(**_table(value, where, _LINEAR))


def _terminal(value: Any, where: str) -> Any:
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        return _list_of(_terminal)(value, where)
    if not isinstance(value, dict):
        return _numbers(value, where)
    if "state" not in value:
        return _box(value, where)
    return Linear(**_table(value, where, {key: _LINEAR[key] for key in ("state", "lower", "upper")}))


def _pair(first: str, second: str) -> Reader:
    def reader(value: Any, where: str) -> tuple[Any, Any]:
        given = _table(value, where, {first: _numbers, second: _numbers}, (first, second))
        return given[first], given[second]

    return reader


def _layout(value: Any, where: str) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise InvalidProblem(f"{where} is {value!r}; give a table from network inputs to what they read")
    return {name: _list_of(_text)(blocks, f"{where}.{name}") for name, blocks in value.items()}


def _normalisation(value: Any, where: str) -> Normalisation:
    pair = _pair("offset", "scale")
    return Normalisation(**_table(value, where, {"state": pair, "control": pair, "output": pair}))


def _network(folder: Path) -> Reader:
    def reader(value: Any, where: str) -> Graph:
        from relu2mip.frontends.onnx import load_onnx

        path = folder / _text(value, where)
        if not path.is_file():
            raise InvalidProblem(f"{where}: there is no file {path}; paths are relative to the problem file")
        return load_onnx(path)

    return reader


def cost_keys(folder: Path) -> dict[str, dict[str, Reader]]:
    """The keys of a cost's table by its kind; a network is given by its path."""
    norm: dict[str, Reader] = dict.fromkeys(
        ("target", "control_target", "state", "control", "terminal", "control_rate"), _numbers
    )
    norm["keypoints"] = _pair("matrix", "offset")
    network: dict[str, Reader] = {"network": _network(folder), "weight": _number, "terminal": _number}
    return {"l1": norm, "linf": norm, "quadratic": norm, "network": network}


def _costs(folder: Path) -> Reader:
    kinds = cost_keys(folder)

    def one(value: Any, where: str) -> costs.Cost:
        kind = value.get("kind") if isinstance(value, dict) else None
        if kind is None:
            raise InvalidProblem(f"{where} has no kind; give one of {', '.join(kinds)}")
        if kind not in kinds:
            raise UnknownOption(f"kind in [{where}]:", str(kind), kinds)
        given = _table(value, where, {"kind": _text, **kinds[kind]}, ("network",) if kind == "network" else ())
        del given["kind"]
        return costs.Network(given.pop("network"), **given) if kind == "network" else NORMS[kind](**given)

    def reader(value: Any, where: str) -> costs.Cost | None:
        summands = _list_of(one)(value, where)
        return reduce(add, summands) if summands else None

    return reader


def _solve(folder: Path) -> Reader:
    """The options of `solve` and `compile`, checked here so that a wrong one is found before any work."""

    def methods(value: Any, where: str) -> Any:
        if _text(value, where) == "auto":
            return value
        found = parse(value, bound_methods, "bounds")
        return [replace(m, path=str(folder / m.path)) if getattr(m, "path", "") else m for m in found]

    def named(registry: Mapping[str, type[Any]], what: str) -> Reader:
        def reader(value: Any, where: str) -> str:
            if _text(value, where) != "auto":
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
        **dict.fromkeys(known, as_given),
    }

    def reader(value: Any, where: str) -> dict[str, Any]:
        given = _table(value, where, keys)
        limits = {name: given[name] for name in known if name in given}
        settings = build(SolveOptions, limits, f"{where}: option")
        return given | {name: getattr(settings, name) for name in limits}

    return reader
