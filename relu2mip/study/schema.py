"""The tables of a store, and its version."""

from __future__ import annotations

from collections.abc import Mapping

VERSION = 1
"""Of the tables below. A store of an older version is brought to this one when it is opened; a newer one is refused."""

APPLICATION = 0x72326D73
"""The mark of a store in the header of its SQLite file ("r2ms")."""

RESULT: Mapping[str, str] = {
    "outcome": "TEXT NOT NULL",
    "status": "TEXT",
    "message": "TEXT",
    "sense": "TEXT",
    "objective": "REAL",
    "bound": "REAL",
    "gap": "REAL",
    "root_bound": "REAL",
    "relaxation": "REAL",
    "seconds": "REAL",
    "cpu_seconds": "REAL",
    "bounds_seconds": "REAL",
    "build_seconds": "REAL",
    "search_seconds": "REAL",
    "wall_seconds": "REAL",
    "peak_memory": "REAL",
    "nodes": "INTEGER",
    "columns": "INTEGER",
    "binaries": "INTEGER",
    "rows": "INTEGER",
    "nonzeros": "INTEGER",
    "units": "INTEGER",
    "stable": "INTEGER",
    "largest_m": "REAL",
    "spread": "REAL",
    "condition": "REAL",
    "check_rows": "REAL",
    "check_bounds": "REAL",
    "check_integrality": "REAL",
    "check_error": "REAL",
    "check_relative_error": "REAL",
    "check_sets": "REAL",
    "solver": "TEXT",
    "grade": "TEXT",
    "exact": "INTEGER",
    "started": "REAL",
    "worker": "TEXT",
    "attempts": "INTEGER",
    "plans": "TEXT",
    "bounds": "TEXT",
}
"""The columns of a result beside its key and environment; `plans` and `bounds` are traces, as JSON."""

TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE instances (digest TEXT PRIMARY KEY, instance TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE trials (
    key TEXT PRIMARY KEY,
    position INTEGER,
    instance TEXT NOT NULL REFERENCES instances (digest),
    trial TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE environments (digest TEXT PRIMARY KEY, environment TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE results (
    key TEXT PRIMARY KEY REFERENCES trials (key),
    environment TEXT NOT NULL REFERENCES environments (digest),
    {", ".join(f"{name} {kind}" for name, kind in RESULT.items())}
) WITHOUT ROWID;
"""
"""A trial whose `position` is NULL belongs to an earlier version of the spec: it is kept, and not reported."""

MIGRATIONS: Mapping[int, str] = {}
"""The statements that bring a store of each older version to the next."""
