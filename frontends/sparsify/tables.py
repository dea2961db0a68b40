"""Tables of TOML as arguments: every key is a parameter, every value of its type, and nothing is guessed."""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from relu2mip.errors import InvalidOption, Relu2MipError, UnknownOption

T = TypeVar("T")


def read(path: str | Path, make: Callable[[dict[str, Any], Path], T]) -> T:
    """What a function makes of the tables of a TOML file and of its folder; errors name the file.

    Raises `InvalidOption` for a file that cannot be read or is no TOML, and what the function raises.
    """
    path = Path(path)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidOption(f"{path}: cannot read the file: {error.strerror}") from error
    except ValueError as error:
        raise InvalidOption(f"{path} is not a TOML file: {error}") from error
    try:
        return make(tables, path.parent)
    except Relu2MipError as error:
        error.args = (f"{path}: {error}",)
        raise


def build(make: Callable[..., T], table: Mapping[str, Any], where: str, hidden: Sequence[str], **given: Any) -> T:
    """What a class or function makes of a table; `hidden` are parameters that no table gives, some of them given.

    Raises `UnknownOption` for a key that is no parameter, `InvalidOption` for a value of another type and one missing.
    """
    return make(**given, **arguments(make, table, where, hidden))


def arguments(make: Callable[..., Any], table: Mapping[str, Any], where: str, hidden: Sequence[str]) -> dict[str, Any]:
    """The values of a table for the parameters of a class or function, those hidden apart."""
    parameters = {n: p for n, p in inspect.signature(make).parameters.items() if n not in hidden}
    for key in table:
        if key not in parameters:
            raise UnknownOption(f"key in [{where}]:", key, parameters)
    for name, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and name not in table:
            raise InvalidOption(f"[{where}] has no {name}, which {make.__name__} needs")
    hints = get_type_hints(make.__init__ if inspect.isclass(make) else make)
    return {key: checked(value, hints[key], f"{where}.{key}") for key, value in table.items()}


def checked(value: Any, hint: Any, where: str) -> Any:
    """The value, if it is of the type of a parameter; whole numbers count as numbers, tables as dataclasses."""
    if is_dataclass(hint) and isinstance(hint, type):
        return build(hint, checked(value, Mapping[str, Any], where), where, ())
    whole = isinstance(value, int) and not isinstance(value, bool)
    lists: dict[Any, tuple[type, str]] = {
        Sequence[int]: (int, "a list of whole numbers"),
        tuple[int, ...]: (int, "a list of whole numbers"),
        Sequence[str]: (str, "a list of texts"),
        tuple[str, ...]: (str, "a list of texts"),
    }
    if hint in lists:
        kind, what = lists[hint]
        fits = isinstance(value, list) and all(isinstance(v, kind) and not isinstance(v, bool) for v in value)
        value = tuple(value) if fits else value
    elif hint in (Mapping[str, Any], Mapping[str, str]):
        texts = hint == Mapping[str, str]
        what = "a table of texts" if texts else "a table"
        fits = isinstance(value, dict) and not (texts and not all(isinstance(v, str) for v in value.values()))
    else:
        what = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[hint]
        number = whole or isinstance(value, float)
        fits = {int: whole, float: number}.get(hint, isinstance(value, hint))
    if not fits:
        raise InvalidOption(f"{where} is {value!r}; give {what}")
    return float(value) if hint is float else value
