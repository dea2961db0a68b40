"""What commands print: results on standard output, progress and messages on standard error."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def show(*parts: RenderableType) -> None:
    """Print a command's result on standard output."""
    console = _console(stderr=False)
    for part in parts:
        # A table wider than the terminal runs over its edge; cutting or folding its numbers would be worse.
        needed = Measurement.get(console, console.options.update(max_width=WIDE), part).maximum
        console.print(part, width=max(needed, console.width))


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


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], left: Sequence[str] = ()) -> Table:
    """A table; columns stand right except those named in `left`, floats have six digits, None is blank."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for column in columns:
        result.add_column(column, justify="left" if column in left else "right", vertical="bottom", no_wrap=True)
    for row in rows:
        result.add_row(*map(text, row))
    return result


def side_by_side(tables: Mapping[str, Table]) -> Table:
    """Tables of as many rows each, in one row, their names above them."""
    result = Table.grid(padding=(0, 3, 0, 0))
    for name, part in tables.items():
        part.title, part.title_justify, part.title_style = name, "left", ""
        result.add_column(vertical="bottom", no_wrap=True)
    result.add_row(*tables.values())
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
