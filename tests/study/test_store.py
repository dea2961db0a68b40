"""A store keeps what finished, refuses what is not its own, merges, and is read by every version that knows it."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from relu2mip.study import Store, schema
from relu2mip.study.store import StoreError
from tests.study.small import small

RESULT: dict[str, Any] = {
    "outcome": "solved",
    "objective": 1.5,
    "bound": -math.inf,
    "gap": math.nan,
    "nodes": 7,
    "plans": [(0.1, 2.0), (0.2, 1.5)],
    "environment": {"versions": {"highspy": "1"}, "machine": {"host": "here"}},
}


def made(folder: Path, name: str = "small", path: str = "study.db", count: int = 2) -> Store:
    study = small(folder, name, count)
    store = Store.create(folder / path, name, study.about)
    store.plan(study.trials)
    return store


def test_results_come_back_as_they_were(tmp_path: Path) -> None:
    with made(tmp_path) as store:
        key, trial = next(store.trials())
        store.add(key, RESULT)
    with Store.open(tmp_path / "study.db") as store:
        (found,) = store.results().values()
        assert {name: found[name] for name in ("outcome", "objective", "bound", "nodes")} == {
            "outcome": "solved",
            "objective": 1.5,
            "bound": -math.inf,
            "nodes": 7,
        }
        assert (found["gap"], found["seconds"]) == (None, None)
        assert found["plans"] == [[0.1, 2.0], [0.2, 1.5]]
        assert store.environments()[found["environment"]] == RESULT["environment"]
        assert store.count() == {"trials": 4, "finished": 1}
        assert dict(store.trials())[key] == trial
        assert [t.key for _, t in store.trials()] == [t.key for t in small(tmp_path).trials]
        with pytest.raises(StoreError, match="written"):
            store.add(key, RESULT)


def test_a_spec_that_changes_keeps_results_and_reports_its_own_trials(tmp_path: Path) -> None:
    with made(tmp_path, count=2) as store:
        for key, _ in store.trials():
            store.add(key, RESULT)
    with made(tmp_path, count=1) as store:
        assert store.count() == {"trials": 2, "finished": 2}
        assert len(store.finished()) == 4
    with made(tmp_path, count=3) as store:
        assert store.count() == {"trials": 6, "finished": 4}


def test_stores_merge(tmp_path: Path) -> None:
    with made(tmp_path, path="a.db") as a, made(tmp_path, path="b.db", count=3) as b:
        keys = [key for key, _ in b.trials()]
        a.add(keys[0], RESULT) if keys[0] in dict(a.trials()) else None
        for key in keys:
            b.add(key, {**RESULT, "objective": 2.5})
        before = len(a.finished())
        assert a.merge(b) == 6 - before
        assert a.count() == {"trials": 4, "finished": 4}
        assert len(a.results()) == 6
        assert a.merge(b) == 0
        assert sorted(r["objective"] for r in a.results().values()).count(1.5) == before, "what is there stays"


def test_stores_of_other_studies_do_not_merge(tmp_path: Path) -> None:
    with (
        made(tmp_path, path="a.db") as a,
        made(tmp_path, "other", path="b.db") as b,
        pytest.raises(StoreError, match="'other', not of 'small'"),
    ):
        a.merge(b)


def test_what_is_no_store_of_this_study_is_refused_and_left_alone(tmp_path: Path) -> None:
    made(tmp_path, "other").close()
    sqlite3.connect(tmp_path / "plain.db").execute("CREATE TABLE mine (a)").connection.close()
    (tmp_path / "text.db").write_text("no database at all, but long enough to be one " * 100)
    for path, words in (
        ("study.db", "store of the study 'other', not of 'small'"),
        ("plain.db", "no store of a study"),
        ("text.db", "no store of a study"),
        ("folder/study.db", "folder does not exist"),
    ):
        before = (tmp_path / path).read_bytes() if (tmp_path / path).exists() else None
        with pytest.raises(StoreError, match=words):
            Store.create(tmp_path / path, "small", {})
        assert before is None or (tmp_path / path).read_bytes() == before
    with pytest.raises(StoreError, match="there is no store"):
        Store.open(tmp_path / "nowhere.db")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    made(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    for opening in (Store.open, lambda path: Store.create(path, "small", {})):
        with pytest.raises(StoreError, match="newer relu2mip"):
            opening(tmp_path / "study.db")


def test_an_older_store_is_brought_to_this_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it will be when there is a second version: a column more."""
    with made(tmp_path) as store:
        store.add(next(store.trials())[0], RESULT)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    monkeypatch.setattr(schema, "MIGRATIONS", {schema.VERSION - 1: "ALTER TABLE results ADD COLUMN mood TEXT"})
    monkeypatch.setattr(schema, "RESULT", {**schema.RESULT, "mood": "TEXT"})
    with pytest.raises(StoreError, match="brings it to"):
        Store.open(tmp_path / "study.db")
    with made(tmp_path) as store:
        (found,) = store.results().values()
        assert (found["objective"], found["mood"]) == (1.5, None)


def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    with made(tmp_path) as store:
        (first, _), (second, _), *_ = store.trials()
        store.add(first, RESULT)
        pages = store._one("PRAGMA page_count")
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="disk is full"):
            store.add(second, {**RESULT, "message": "x" * 100_000})
    with made(tmp_path) as store:
        assert store.finished() == {first}
        assert store._one("PRAGMA integrity_check") == "ok"
        store.add(second, RESULT)
