"""The store of a study: one SQLite file with its spec, its trials, and the result of each that finished."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from relu2mip.errors import Relu2MipError
from relu2mip.study import schema
from relu2mip.study.trial import Trial, digest_of

PATIENCE = 10.0
"""Seconds to wait for another process that writes."""


class StoreError(Relu2MipError, RuntimeError):
    """A store that cannot be opened, read or written; what finished before is in it."""


class Store:
    """An open store, a context manager. Every result is a transaction of its own, on the disk when `add` returns.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Store.create(f"{folder}/study.db", "mine", {}) as store:
    ...     store.count()
    {'trials': 0, 'finished': 0}
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection

    @classmethod
    def create(cls, path: str | Path, name: str, spec: Mapping[str, Any]) -> Store:
        """Open the store of a study to write in it, a new one where there is none.

        Raises `StoreError` where the file is that of another study, no store, of a newer version, or cannot be written.
        """
        path = Path(path)
        new = not path.exists() or path.stat().st_size == 0
        with _spoken(path):
            connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            store = cls(path, connection)
            try:
                if new:
                    store._make(name)
                store._check()
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                store._migrate()
                if (found := store.meta["name"]) != name:
                    raise StoreError(f"{path} is the store of the study {found!r}, not of {name!r}; name another file")
                store._set(spec)
            except BaseException:
                connection.close()
                raise
        return store

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store to read it, maybe while it is written; raises `StoreError` as `create` does."""
        path = Path(path)
        if not path.is_file():
            raise StoreError(f"there is no store {path}; relu2mip study makes one")
        with _spoken(path):
            connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            store = cls(path, connection)
            try:
                connection.execute("PRAGMA query_only = ON")
                store._check()
                store._require_this_version()
            except BaseException:
                connection.close()
                raise
        return store

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def meta(self) -> dict[str, Any]:
        """What the study says of itself: name, question, baseline, seed, and its spec."""
        return {name: json.loads(value) for name, value in self._rows("SELECT name, value FROM meta")}

    def count(self) -> dict[str, int]:
        """Trials of the spec, and how many of them finished."""
        trials = self._one("SELECT count(*) FROM trials WHERE position IS NOT NULL")
        finished = self._one("SELECT count(*) FROM results JOIN trials USING (key) WHERE position IS NOT NULL")
        return {"trials": trials, "finished": finished}

    def finished(self) -> set[str]:
        """The keys of the trials that have a result."""
        return {key for (key,) in self._rows("SELECT key FROM results")}

    def plan(self, trials: Sequence[Trial]) -> None:
        """Make these the trials of the study, in this order; results of others stay, and are not reported."""
        instances = {trial.instance.identity: trial.instance for trial in trials}
        with self._transaction():
            self._connection.execute("UPDATE trials SET position = NULL")
            self._connection.executemany(
                "INSERT OR REPLACE INTO instances VALUES (?, ?)",
                [(key, json.dumps(asdict(instance))) for key, instance in instances.items()],
            )
            self._connection.executemany(
                "INSERT INTO trials (key, position, instance, trial) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE "
                "SET position = excluded.position, instance = excluded.instance, trial = excluded.trial",
                [
                    (trial.key, position, trial.instance.identity, _without_instance(trial))
                    for position, trial in enumerate(trials)
                ],
            )
            self._connection.execute(
                "DELETE FROM trials WHERE position IS NULL AND key NOT IN (SELECT key FROM results)"
            )

    def add(self, key: str, result: Mapping[str, Any]) -> None:
        """Keep the result of a trial, in place of one that is there. Raises `StoreError`, as where a disk is full."""
        environment = result.get("environment", {})
        row = {name: _cell(result.get(name)) for name in schema.RESULT}
        with self._transaction():
            self._connection.execute(
                "INSERT OR IGNORE INTO environments VALUES (?, ?)", (digest_of(environment), json.dumps(environment))
            )
            self._connection.execute(
                f"INSERT OR REPLACE INTO results (key, environment, {', '.join(row)}) "
                f"VALUES (?, ?, {', '.join('?' * len(row))})",
                (key, digest_of(environment), *row.values()),
            )

    def trials(self) -> Iterator[tuple[str, Trial]]:
        """The trials of the spec by key, in order."""
        instances = {digest: json.loads(text) for digest, text in self._rows("SELECT digest, instance FROM instances")}
        query = "SELECT key, instance, trial FROM trials WHERE position IS NOT NULL ORDER BY position"
        for key, instance, text in self._rows(query):
            yield key, Trial.from_dict({"instance": instances[instance], **json.loads(text)})

    def results(self) -> dict[str, dict[str, Any]]:
        """The result of each trial that has one, by key, traces included; `environment` is the digest of it."""
        columns = ["key", "environment", *schema.RESULT]
        found = {}
        for row in self._rows(f"SELECT {', '.join(columns)} FROM results"):
            made = dict(zip(columns, row, strict=True))
            for trace in ("plans", "bounds"):
                made[trace] = json.loads(made[trace]) if made[trace] else []
            found[made.pop("key")] = made
        return found

    def environments(self) -> dict[str, dict[str, Any]]:
        """What trials ran on, by digest."""
        query = "SELECT digest, environment FROM environments WHERE digest IN (SELECT environment FROM results)"
        return {digest: json.loads(text) for digest, text in self._rows(query)}

    def merge(self, other: Store) -> int:
        """Take over the results of another store of the same study that this one lacks; how many those are.

        Trials that this one does not know come with them, and are not reported until the spec has them.
        Raises `StoreError` for a store of another study.
        """
        mine, theirs = self.meta["name"], other.meta["name"]
        if mine != theirs:
            raise StoreError(f"{other.path} is the store of the study {theirs!r}, not of {mine!r}")
        before = self._one("SELECT count(*) FROM results")
        with _spoken(self.path):
            self._connection.execute("ATTACH DATABASE ? AS other", (str(other.path),))
            try:
                with self._transaction():
                    for table, columns in (
                        ("instances", "digest, instance"),
                        ("environments", "digest, environment"),
                        ("trials", "key, position, instance, trial"),
                        ("results", f"key, environment, {', '.join(schema.RESULT)}"),
                    ):
                        picked = columns.replace("position", "NULL")
                        self._connection.execute(
                            f"INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {picked} FROM other.{table}"
                        )
            finally:
                self._connection.execute("DETACH DATABASE other")
        return int(self._one("SELECT count(*) FROM results") - before)

    def _make(self, name: str) -> None:
        with self._transaction():
            for statement in filter(None, map(str.strip, schema.TABLES.split(";"))):
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO meta VALUES ('name', ?)", (json.dumps(name),))
            self._connection.execute(f"PRAGMA application_id = {schema.APPLICATION}")
            self._connection.execute(f"PRAGMA user_version = {schema.VERSION}")

    def _set(self, spec: Mapping[str, Any]) -> None:
        with self._transaction():
            self._connection.executemany(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", [(name, json.dumps(value)) for name, value in spec.items()]
            )

    def _check(self) -> None:
        """Raise `StoreError` for a file that is no store, or one of a later version."""
        if self._one("PRAGMA application_id") != schema.APPLICATION:
            raise StoreError(f"{self.path} is an SQLite file, but no store of a study; name another file")
        if (found := self._one("PRAGMA user_version")) > schema.VERSION:
            raise StoreError(
                f"{self.path} has schema {found}, which a newer relu2mip wrote; this one reads up to {schema.VERSION}"
            )

    def _require_this_version(self) -> None:
        if (found := self._one("PRAGMA user_version")) < schema.VERSION:
            raise StoreError(f"{self.path} has schema {found}; `relu2mip study` on it brings it to {schema.VERSION}")

    def _migrate(self) -> None:
        for version in range(self._one("PRAGMA user_version"), schema.VERSION):
            with self._transaction():
                for statement in filter(None, map(str.strip, schema.MIGRATIONS[version].split(";"))):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {version + 1}")

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with _spoken(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with _spoken(self.path):
            return self._connection.execute(query).fetchall()

    def _one(self, query: str) -> Any:
        return self._rows(query)[0][0]


@contextlib.contextmanager
def _spoken(path: Path) -> Iterator[None]:
    """Errors of SQLite name the file and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        remedies = {
            "full": "the disk is full; what finished is safe: free space and run the study again",
            "locked": "another process holds it; wait for that to end",
            "not a database": "it is no store of a study; name another file",
            "unable to open": "the folder does not exist or cannot be written",
            "readonly": "the file cannot be written",
        }
        remedy = next((text for word, text in remedies.items() if word in str(error)), "what finished is safe")
        raise StoreError(f"store {path}: {error}: {remedy}") from error


def _without_instance(trial: Trial) -> str:
    return json.dumps({name: value for name, value in trial.to_dict().items() if name != "instance"})


def _cell(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return json.dumps(value, separators=(",", ":"))
    if isinstance(value, float) and math.isnan(value):
        return None
    return value
