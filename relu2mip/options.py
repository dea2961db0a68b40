"""Options: every choice is a field of a frozen dataclass, built from keywords, TOML or a string with the same names.

The string form names registered dataclasses, options in brackets, several joined by `+`:

    crown+lp(budget=5s)        big-m        cvxpy(solver=SCIP)

Durations take a unit (`5s`, `200ms`, `2min`) or are plain seconds. An unknown name or option is an `UnknownOption`
that names the nearest valid one; a value of the wrong type is an `InvalidOption`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from math import inf
from numbers import Integral, Real
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

from relu2mip.errors import InvalidOption, UnknownOption

T = TypeVar("T")


AUTO, TREE = "auto", "tree"
"""The search that is chosen by the problem, and that of a backend itself."""

LEAST_TOLERANCE, MOST_TOLERANCE = 1e-9, 1e-3
"""The tolerances that every solver takes."""


@dataclass(frozen=True)
class SolveOptions:
    """How long and how far a backend searches; the notes at the fields are also the command line's help.

    The time limit is one of wall time, for all that `relu2mip.solve` does; for the search of a compiled problem.
    Without `rescale`, tolerances are absolute, and answers depend on the units of the problem. The solvers' tolerance
    of their own is 1e-6.
    """

    time_limit: Annotated[float, "Time for all of it, in seconds or with a unit: 60, 500ms, 5s, 2min."] = 60.0
    gap: Annotated[float, "Relative gap to stop at."] = 1e-4
    threads: Annotated[int, "0 leaves it to the solver."] = 0
    seed: Annotated[int, "Random seed of the solver."] = 0
    log: Annotated[bool, "Show the solver's log, on standard error."] = False
    node_limit: Annotated[int, "0 is none."] = 0
    rescale: Annotated[bool, "Write the program in units of its proven ranges."] = True
    presolve: Annotated[bool, "Let the solver presolve."] = True
    tolerance: Annotated[float, "Of rows, bounds and integrality, in units of the ranges; 0 is the solver's."] = 0.0

    def __post_init__(self) -> None:
        settle(self)
        if not self.time_limit > 0:
            raise InvalidOption(f"time_limit is {self.time_limit}; give a positive number of seconds")
        if not 0 <= self.gap < 1:
            raise InvalidOption(f"gap is {self.gap}; give a relative gap in [0, 1)")
        if self.threads < 0 or self.node_limit < 0 or self.seed < 0:
            raise InvalidOption("threads, seed and node_limit must be at least 0")
        if self.tolerance and not LEAST_TOLERANCE <= self.tolerance <= MOST_TOLERANCE:
            raise InvalidOption(f"tolerance is {self.tolerance}; give {LEAST_TOLERANCE} to {MOST_TOLERANCE}, or 0")


class Part:
    """Base of what a specification names (a bound method, a formulation, a backend): frozen dataclasses of options."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        settle(self)

    def __str__(self) -> str:
        """The specification that gives it, without options at their defaults: `split(cells=64,cutoff=false)`."""
        given = [
            f"{f.name}={str(value).lower() if isinstance(value, bool) else value}"
            for f in fields(self)  # type: ignore[arg-type]
            if (value := getattr(self, f.name)) != f.default
        ]
        return f"{self.name}({','.join(given)})" if given else self.name


def settle(made: Any) -> None:
    """Bring the plain fields of an options dataclass that is being made to their types.

    Raises `InvalidOption` naming the field for a value of another type.
    """
    hints = get_type_hints(type(made))
    name = getattr(made, "name", "")
    for f in fields(made):
        what = f"{name}: {f.name}" if name else f.name
        object.__setattr__(made, f.name, _coerce(getattr(made, f.name), hints[f.name], what))


def within(made: Any, **ranges: tuple[float, float]) -> None:
    """Raise `InvalidOption` for a field of an options dataclass outside its range, ends included."""
    for field, (least, most) in ranges.items():
        value = getattr(made, field)
        if not least <= value <= most:
            wanted = f"at least {least:g}" if most == inf else f"{least:g} to {most:g}"
            raise InvalidOption(f"{made.name}: {field} is {value}; give {wanted}")


def solve_options(value: Any, where: str) -> dict[str, Any]:
    """The defaults that a problem has for `solve` and `compile`, each one checked.

    Raises `InvalidProblem` for no mapping, `UnknownOption` and `InvalidOption`.
    """
    from relu2mip.accept import mapping, whole
    from relu2mip.registry import backends, formulations, searches

    given = mapping({} if value is None else value, where)
    known = {f.name for f in fields(SolveOptions)}
    valid = known | {"backend", "bounds", "formulation", "binary_horizon", "search"}
    for key in given:
        if key not in valid:
            raise UnknownOption(f"key of {where}:", key, valid)
    build(SolveOptions, {key: given[key] for key in given if key in known}, f"{where}:")
    for key, registry in (("backend", backends), ("formulation", formulations), ("search", searches)):
        if isinstance(given.get(key), str) and given[key] not in (AUTO, *([TREE] if key == "search" else [])):
            parse(given[key], registry, key)
    if "binary_horizon" in given:
        whole(0)(given["binary_horizon"], f"{where}: binary_horizon")
    return given


def build(cls: type[T], given: Mapping[str, Any], what: str = "option") -> T:
    """An options dataclass from a mapping (keywords or a TOML table); unknown keys raise `UnknownOption`."""
    valid = {f.name: f for f in fields(cls) if f.init}  # type: ignore[arg-type]
    for key in given:
        if key not in valid:
            raise UnknownOption(what, key, valid)
    missing = [n for n, f in valid.items() if n not in given and f.default is MISSING and f.default_factory is MISSING]
    if missing:
        raise InvalidOption(f"{what} {missing[0]!r} is missing: {cls.__name__} needs it")
    hints = get_type_hints(cls)
    return cls(**{key: _coerce(value, hints[key], f"{what} {key!r}") for key, value in given.items()})


_NAME = r"[A-Za-z][A-Za-z0-9_-]*"
_PART = re.compile(rf"\s*({_NAME})\s*(?:\(([^()]*)\))?\s*")


def parse(text: str, registry: Mapping[str, type[T]], what: str) -> list[T]:
    """The options dataclasses that a string like `crown+lp(budget=5s)` names, in order."""
    parts: list[T] = []
    for piece in _split(text):
        match = _PART.fullmatch(piece)
        if match is None:
            raise InvalidOption(f"cannot read {what} {text!r} at {piece!r}; write name or name(option=value, ...)")
        name, arguments = match.group(1), match.group(2) or ""
        if name not in registry:
            raise UnknownOption(what, name, registry)
        given: dict[str, Any] = {}
        for argument in filter(None, (a.strip() for a in arguments.split(","))):
            key, equals, value = argument.partition("=")
            if not equals:
                raise InvalidOption(f"{what} {name}: {argument!r} has no value; write option=value")
            given[key.strip()] = value.strip()
        parts.append(build(registry[name], given, f"option of {what} {name}:"))
    return parts


def _split(text: str) -> list[str]:
    return re.split(r"\+(?![^(]*\))", text)


_KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
_UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


def _coerce(value: Any, hint: Any, what: str) -> Any:
    """A value of the field's type from a string, int or float; other types are left to the dataclass's own checks."""
    wanted = {int: int, float: float, bool: bool, str: str}.get(hint)
    if wanted is None or (type(value) is wanted and value == value):
        return value
    if wanted is bool and getattr(value, "dtype", None) == "bool" and not value.shape:
        return bool(value)
    if wanted is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    real = isinstance(value, Real) and not isinstance(value, bool)
    if wanted is float and real and value == value:
        return float(value)
    if isinstance(value, str):
        if wanted is bool and value.lower() in {"true", "false"}:
            return value.lower() == "true"
        if wanted is int and re.fullmatch(r"[+-]?\d+", value):
            return int(value)
        if wanted is float:
            match = re.fullmatch(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?|inf)\s*(ms|s|min|h)?", value)
            if match:
                return float(match.group(1)) * _UNITS.get(match.group(2), 1.0)
    raise InvalidOption(f"{what} is {value!r}; give {_KINDS[wanted]}")
