"""Values of a problem file: readers that take what TOML gives and where it stands, and refuse what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from relu2mip.errors import InvalidProblem, UnknownOption
from relu2mip.trajectory.sets import Box

Reader: TypeAlias = Callable[[Any, str], Any]
"""Turns a value of the file into what the problem takes; the text says where it stands, for errors."""


def table(data: Any, where: str, keys: Mapping[str, Reader], required: tuple[str, ...] = ()) -> dict[str, Any]:
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


def whole(value: Any, where: str) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidProblem(f"{where} is {value!r}; give a whole number")
    return value


def number(value: Any, where: str) -> float:
    """A number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidProblem(f"{where} is {value!r}; give a number")
    return float(value)


def text(value: Any, where: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise InvalidProblem(f"{where} is {value!r}; give a text in quotes")
    return value


def list_of(item: Reader) -> Reader:
    """A list whose entries a reader takes."""

    def reader(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            raise InvalidProblem(f"{where} is {value!r}; give a list")
        return [item(entry, f"{where}[{k}]") for k, entry in enumerate(value)]

    return reader


def numbers(value: Any, where: str) -> Any:
    """A number, a list of numbers, or a list of such lists of one length."""
    if not isinstance(value, list):
        return number(value, where)
    if not any(isinstance(entry, list) for entry in value):
        return list_of(number)(value, where)
    rows = list_of(list_of(number))(value, where)
    if len({len(row) for row in rows}) > 1:
        raise InvalidProblem(f"{where} has rows of {', '.join(str(len(row)) for row in rows)} numbers; give one length")
    return rows


def box(value: Any, where: str) -> Box:
    """A table with lower and upper."""
    return Box(**table(value, where, {"lower": numbers, "upper": numbers}, ("lower", "upper")))


def pair(first: str, second: str) -> Reader:
    """A table of two numbers or arrays, as a pair."""

    def reader(value: Any, where: str) -> tuple[Any, Any]:
        given = table(value, where, {first: numbers, second: numbers}, (first, second))
        return given[first], given[second]

    return reader


LINEAR: Mapping[str, Reader] = {
    "name": text,
    "state": numbers,
    "control": numbers,
    "lower": numbers,
    "upper": numbers,
    "steps": list_of(whole),
}
