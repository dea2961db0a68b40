"""The output of commands: results on standard output, progress and messages on standard error."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table

WIDE = 1000
"""Columns of a console that is not a terminal: tables in a file or a pipe are never cut."""


def _console(stderr: bool) -> Console:
    # Markup stays off: the [brackets] of unit names and TOML tables are text.
    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


class Sheet(Table):
    """A table that knows what it can do without, the least telling first: headers of columns, by what they tell."""

    drop: Mapping[str, Sequence[str]] = MappingProxyType({})

    def without(self, headers: Sequence[str]) -> Sheet:
        """The same table without some columns."""
        result = copy(self)
        kept = (column for column in self.columns if column.header not in headers)
        result.columns = [replace(column, _index=k) for k, column in enumerate(kept)]
        return result


def show(*parts: RenderableType) -> None:
    """Print a command's result on standard output."""
    console = _console(stderr=False)
    for part in parts:
        shown, dropped = _fitted(console, part) if isinstance(part, Sheet) else (part, [])
        # A table wider than the terminal runs over its edge; cutting or folding its numbers would be worse.
        console.print(shown, width=max(_width(console, shown), console.width))
        if dropped:
            console.print(f"left out for want of width: {', '.join(dropped)}; --json has everything\n", soft_wrap=True)


def _width(console: Console, part: RenderableType) -> int:
    return Measurement.get(console, console.options.update(max_width=WIDE), part).maximum


def _fitted(console: Console, sheet: Sheet) -> tuple[Sheet, list[str]]:
    """The table without as many of the columns that it can do without as it takes to fit, and their headers."""
    dropped: list[str] = []
    for name, headers in sheet.drop.items():
        if _width(console, sheet) <= console.width:
            break
        sheet = sheet.without(headers)
        dropped.append(name)
    return sheet, dropped


def show_json(data: Any) -> None:
    """Print plain values as JSON; what JSON has no number for (infinities, NaN) is null."""
    sys.stdout.write(json.dumps(_strict(data), indent=1, allow_nan=False) + "\n")


def stderr() -> Console:
    """The console on standard error."""
    return _console(stderr=True)


def message(text: str) -> None:
    """Print a line for the reader on standard error."""
    _console(stderr=True).print(text, soft_wrap=True)


@contextlib.contextmanager
def progress(text: str) -> Iterator[None]:
    """A spinner beside the text while the block runs, on a terminal only."""
    console = _console(stderr=True)
    with console.status(text) if console.is_terminal else contextlib.nullcontext():
        yield


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    left: Sequence[str] = (),
    drop: Sequence[str] | Mapping[str, Sequence[str]] = (),
) -> Sheet:
    """A table; columns stand right except those named in `left`, floats have six digits, None is blank.

    drop: columns that a narrow terminal does not show, the least telling first; those of one name go together.
    """
    result = Sheet(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    result.drop = drop if isinstance(drop, Mapping) else {header: (header,) for header in drop}
    for column in columns:
        result.add_column(column, justify="left" if column in left else "right", vertical="bottom", no_wrap=True)
    for row in rows:
        result.add_row(*map(text, row))
    return result


def facts(pairs: Mapping[str, Any]) -> Table:
    """Names and values, one pair a line."""
    result = Table.grid(padding=(0, 2))
    for name, value in pairs.items():
        result.add_row(name, text(value))
    return result


def text(value: Any) -> str:
    """A value as it stands in a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value + 0.0:.6g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _strict(data: Any) -> Any:
    if isinstance(data, Mapping):
        return {str(key): _strict(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_strict(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
