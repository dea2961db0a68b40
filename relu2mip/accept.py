"""Readers that make the value of a field out of what a caller gives: one a field, applied where an object is made.

    def __post_init__(self) -> None:
        accept(self, horizon=whole(1), states=optional(box), constraints=several(linear))

A reader takes a value and the name of its field. It accepts what a person plainly means (a pair for a box, one
constraint for a list of them, numpy's integers) and refuses the rest: `InvalidProblem` with the name of the field,
what was given, and what to give.

    >>> whole(1)(np.int64(3), "horizon")
    3
    >>> whole(1)(0, "horizon")
    Traceback (most recent call last):
    relu2mip.errors.InvalidProblem: horizon is 0; give a whole number, at least 1
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, dense
from relu2mip.errors import InvalidProblem

Reader: TypeAlias = Callable[[Any, str], Any]
"""Makes a value given for a field into what it holds; the text names the field, for errors."""

SHOWN = 60
"""Characters of a value that an error shows."""


def accept(made: Any, **readers: Reader) -> None:
    """Replace fields of a frozen dataclass that is being made by what their readers make of them."""
    for name, reader in readers.items():
        object.__setattr__(made, name, reader(getattr(made, name), name))


def refuse(value: Any, where: str, wanted: str) -> NoReturn:
    """Raise `InvalidProblem`: what was given for a field, and what to give."""
    raise InvalidProblem(f"{where} is {shown(value)}; give {wanted}")


def shown(value: Any) -> str:
    """A value in a few words."""
    if isinstance(value, np.ndarray) and value.size > 1:
        return f"an array of shape {value.shape}"
    try:
        words = " ".join(repr(value).split())
    except Exception:  # an object of the caller's whose repr fails
        words = f"a {type(value).__name__}"
    return words if len(words) <= SHOWN else words[: SHOWN - 3] + "..."


def whole(least: int) -> Reader:
    """A whole number, at least so large; no truth value."""

    def reader(value: Any, where: str) -> int:
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < least:
            refuse(value, where, f"a whole number, at least {least}")
        return int(value)

    return reader


def number(value: Any, where: str) -> float:
    """One finite number."""
    array = numbers(value, where, "a finite number")
    if array.size != 1 or not np.isfinite(array).all():
        refuse(value, where, "a finite number")
    return float(array.reshape(-1)[0])


def positive(value: Any, where: str) -> float:
    """A finite number above 0."""
    if (size := number(value, where)) <= 0:
        refuse(value, where, "a number above 0")
    return size


def text(value: Any, where: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        refuse(value, where, "a text")
    return str(value)


def one_of(*choices: str) -> Reader:
    """One of some words."""

    def reader(value: Any, where: str) -> str:
        if not isinstance(value, str) or value not in choices:
            refuse(value, where, " or ".join(f'"{choice}"' for choice in choices))
        return value

    return reader


def numbers(value: Any, where: str, wanted: str = "numbers") -> Array:
    """A number, or an array of them, as a float64 array of its own that nobody writes to; may be infinite or NaN."""
    if isinstance(value, np.ndarray | np.generic) and not np.ma.isMaskedArray(value):
        given = np.asarray(value)
    elif isinstance(value, str | bytes | Mapping | set | frozenset | bool) or value is None:
        refuse(value, where, wanted)
    elif np.ma.isMaskedArray(value):
        refuse(value, where, f"{wanted}, none of them masked")
    else:
        try:
            given = np.asarray(dense(value) if sp.issparse(value) else value)
        except ValueError:
            refuse(value, where, f"{wanted}, in rows of one length")
        except (TypeError, RuntimeError, AttributeError):
            refuse(value, where, wanted)
    if given.dtype.kind not in "iuf":
        refuse(value, where, wanted)
    array = np.array(given, dtype=np.float64)
    array.setflags(write=False)
    return array


def optional(reader: Reader) -> Reader:
    """The same, or None."""
    return lambda value, where: None if value is None else reader(value, where)


def several(reader: Reader, one: type | tuple[type, ...]) -> Reader:
    """A tuple of what the reader makes of each value; a single value of type `one` is a list of it, None is empty."""

    def many(value: Any, where: str) -> tuple[Any, ...]:
        if value is None:
            return ()
        if isinstance(value, one):
            return (reader(value, where),)
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable) or _single(value):
            return (reader(value, where),)
        return tuple(reader(entry, f"{where}[{k}]") for k, entry in enumerate(value))

    return many


def _single(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 0


def instance(kind: type, wanted: str) -> Reader:
    """A value of a type."""

    def reader(value: Any, where: str) -> Any:
        if not isinstance(value, kind):
            refuse(value, where, wanted)
        return value

    return reader


def names(value: Any, where: str) -> tuple[str, ...]:
    """Texts; one text alone is one name."""
    return tuple(several(text, str)(value, where))


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A mapping whose keys are texts."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        refuse(value, where, "a mapping whose keys are texts")
    return dict(value)
