"""The trials of a store as a table for other tools: a polars data frame, a Parquet file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relu2mip.study.frame import Frame
from relu2mip.study.reporting.needs import need
from relu2mip.study.schema import RESULT
from relu2mip.study.trial import AXES

if TYPE_CHECKING:
    from polars import DataFrame


def data_frame(frame: Frame) -> DataFrame:
    """A row for each trial of the spec, with the axes of instance and arm and all that is known of its result.

    Traces are lists of (seconds, value); versions and machine are JSON. Raises `Relu2MipError` without the extra
    `study`.
    """
    need("polars")
    import polars as pl

    kinds: dict[str, Any] = {"TEXT": pl.String, "TEXT NOT NULL": pl.String, "REAL": pl.Float64, "INTEGER": pl.Int64}
    trace = pl.List(pl.List(pl.Float64))
    text = dict.fromkeys(("key", "problem", "network", "cost", *AXES), pl.String)
    numbers = {"horizon": pl.Int64, "initial_state": pl.Int64, "relus": pl.Int64, "seed": pl.Int64}
    result = {_renamed(name): trace if name in ("plans", "bounds") else kinds[kind] for name, kind in RESULT.items()}
    schema = {**text, **numbers, "time_limit": pl.Float64, **result, "environment": pl.String}
    return pl.DataFrame([_row(frame, k) for k in range(len(frame.rows))], schema=schema)


def write_parquet(frame: Frame, path: str | Path) -> Path:
    """Write the data frame as a Parquet file; its path."""
    data_frame(frame).write_parquet(path)
    return Path(path)


def _row(frame: Frame, number: int) -> dict[str, Any]:
    row = frame.rows[number]
    instance = row.trial.instance
    names = ("problem", "network", "cost", "horizon", "initial_state", "relus", "time_limit")
    known = {name: getattr(instance, name) for name in names}
    known |= {"key": row.key, "seed": row.trial.seed, **row.trial.arm.axes}
    if row.result is None:
        return known
    of = frame.environments.get(row.result["environment"], {})
    return {**known, **{_renamed(name): row.result[name] for name in RESULT}, "environment": json.dumps(of)}


def _renamed(name: str) -> str:
    """`bounds` is an axis; its trace is not."""
    return {"bounds": "bound_trace", "plans": "plan_trace"}.get(name, name)
