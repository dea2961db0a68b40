"""Rows of a claim's trials in a CSV file: each is written as its trial ends, and a rerun does what is missing.

    given = arguments(__doc__, SMALL, FULL)
    rows = collected(given.folder / "open_loop.csv", trials, measure)
    mean, low, high = mean_interval([row["cost"] for row in rows])

A trial is a mapping of settings, which name it; what `measure` returns of it stands beside them. So small and full
settings share a file, and trials that both have are run once. All intervals are of 95 %.
"""

import argparse
import csv
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

Row: TypeAlias = dict[str, Any]

RESULTS = Path(__file__).parent / "results"
LEVEL, RESAMPLES = 0.95, 10_000


def collected(path: Path, trials: Iterable[Mapping[str, Any]], measure: Callable[..., Mapping[str, Any]]) -> list[Row]:
    """The rows of these trials, in their order; those that the file does not have are measured and appended to it.

    measure: called with the settings of a trial.  Raises ValueError where the file has other columns.
    """
    found, known = read(path), dict[tuple[str, ...], Row]()
    rows = []
    for trial in trials:
        if not known:
            known = {_key(row, trial): row for row in found}
        key = _key(trial, trial)
        if key not in known:
            known[key] = append(path, {**trial, **measure(**trial)})
        rows.append(known[key])
    return rows


def read(path: Path) -> list[Row]:
    """The rows of a file, numbers as numbers; none where there is no file. A last line cut short is removed."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        warnings.warn(f"{path}: the last line was cut short, its trial runs again", stacklevel=2)
        path.write_text(whole, encoding="utf-8")
    return [{name: _value(field) for name, field in row.items()} for row in csv.DictReader(StringIO(whole))]


def append(path: Path, row: Mapping[str, Any]) -> Row:
    """Write a row to the end of a file, on the disk when this returns; the row as `read` gives it.

    Raises ValueError where the file has other columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8", newline="") as file:
        file.seek(0)
        header = next(csv.reader(file), None)
        if header is not None and header != list(row):
            raise ValueError(f"{path} has the columns {header}, not {list(row)}; move it away")
        writer = csv.writer(file, lineterminator="\n")
        if header is None:
            writer.writerow(row)
        texts = {name: _text(value) for name, value in row.items()}
        writer.writerow(texts.values())
        file.flush()
        os.fsync(file.fileno())
    return {name: _value(field) for name, field in texts.items()}


def mean_interval(values: ArrayLike, seed: int = 0) -> tuple[float, float, float]:
    """The mean and its interval, by a bootstrap (percentiles); the interval of fewer than two values is nan."""
    array = np.asarray(values, dtype=np.float64)
    if array.size < 2:
        return float(array.mean()) if array.size else float("nan"), float("nan"), float("nan")
    drawn = np.random.default_rng(seed).integers(array.size, size=(RESAMPLES, array.size))
    low, high = np.percentile(array[drawn].mean(axis=1), [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(array.mean()), float(low), float(high)


def ratio_interval(values: ArrayLike, others: ArrayLike, seed: int = 0) -> tuple[float, float, float]:
    """The mean of some values over that of others on the same trials, and its interval, by a bootstrap of trials."""
    pairs = np.stack([np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)])
    drawn = np.random.default_rng(seed).integers(pairs.shape[1], size=(RESAMPLES, pairs.shape[1]))
    above, below = pairs[:, drawn].mean(axis=2)
    low, high = np.percentile(above / below, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(pairs[0].mean() / pairs[1].mean()), float(low), float(high)


def seeds_interval(values: ArrayLike) -> tuple[float, float, float]:
    """The mean over seeds and its interval by Student's t, for a handful of values; nan of one."""
    array = np.asarray(values, dtype=np.float64)
    half = float("nan")
    if array.size > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, array.size - 1) * stats.sem(array))
    return float(array.mean()), float(array.mean()) - half, float(array.mean()) + half


def share_interval(values: ArrayLike) -> tuple[float, float, float]:
    """The share of what is true, and its interval by Wilson's score."""
    array = np.asarray(values, dtype=bool)
    found = stats.binomtest(int(array.sum()), array.size).proportion_ci(LEVEL, "wilson")
    return float(array.mean()), float(found.low), float(found.high)


def arguments(
    text: str, small: Mapping[str, Any], full: Mapping[str, Any], given: Sequence[str] | None = None
) -> argparse.Namespace:
    """What the command line says: an option for each of the small settings, and `--full` for the full ones.

    A sequence is an option of several values. `folder` is where the CSV and the picture go.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the full settings instead of small ones")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="of the CSV file and the picture")
    for name, value in small.items():
        several = isinstance(value, tuple)
        kind = type(value[0] if several else value)
        shown = f"{value}, or {full[name]} with --full" if full[name] != value else str(value)
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, nargs="+" if several else None, help=shown)
    found = parser.parse_args(given)
    for name, value in (full if found.full else small).items():
        if getattr(found, name) is None:
            setattr(found, name, value)
    return found


def _key(row: Mapping[str, Any], trial: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_text(row.get(name, "")) for name in trial)


def _text(value: Any) -> str:
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
