"""A run stores each result as it comes, goes on where it ended, and runs again what a dead worker took along."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import relu2mip as r2m
from relu2mip.registry import backends
from relu2mip.runtime.engines import EngineUnavailable
from relu2mip.study import Axes, Store
from relu2mip.study.outcome import Outcome
from relu2mip.study.store import StoreError
from relu2mip.study.workers import close_all
from tests.registries import restored_registries  # noqa: F401
from tests.study.small import install_faulty, small, spec_text


def test_a_run_runs_what_is_missing_and_nothing_again(tmp_path: Path) -> None:
    study, seen = small(tmp_path), list[str]()
    summary = study.run(
        tmp_path / "study.db", workers=1, watch=lambda s, trial, result: seen.append(trial.key) if trial else None
    )
    assert (summary.trials, summary.finished, summary.failed, summary.outcomes) == (4, 4, 0, {"solved": 4})
    assert seen == [t.key for t in study.trials], "one worker keeps the order"
    again = study.run(tmp_path / "study.db", watch=lambda s, trial, result: pytest.fail(str(trial)) if trial else None)
    assert again.begun_with == again.finished == 4
    more = small(tmp_path, count=3).run(tmp_path / "study.db", workers=2)
    assert more.finished - more.begun_with in {2, 6}, "states are drawn one after the other"
    with Store.open(tmp_path / "study.db") as store:
        results = store.results().values()
        assert {r["outcome"] for r in results} == {"solved"}
        (environment,) = store.environments().values()
        assert environment["versions"]["relu2mip"] == r2m.__version__
        assert {"highspy", "numpy"} <= set(environment["versions"])
        assert all(r["attempts"] == 1 and r["worker"] and r["started"] > 0 for r in results)


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, pytest.param(ProcessPoolExecutor, marks=pytest.mark.slow)])
def test_any_executor_drives_it(tmp_path: Path, pool: type[Any]) -> None:
    context = {"mp_context": __import__("multiprocessing").get_context("spawn")} if pool is ProcessPoolExecutor else {}
    with pool(max_workers=1, **context) as executor:
        assert small(tmp_path, count=1).run(tmp_path / "study.db", executor).finished == 2
    close_all()


@pytest.mark.usefixtures("restored_registries")
def test_a_trial_whose_worker_dies_runs_again_at_most_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_faulty(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    backends.register("faulty", "faulty_backends:Faulty")
    once, always = (f"faulty(how=kill {how},path={tmp_path / how})" for how in ("once", "always"))
    axes = Axes(bounds="ibp", formulation="big-m", backend=["highs", once, always], time_limit=20)
    small(tmp_path, count=1, axes=axes).run(tmp_path / "study.db", workers=1)
    with Store.open(tmp_path / "study.db") as store:
        results, found = store.results(), {}
        for key, trial in store.trials():
            found[trial.arm.backend] = results[key]["outcome"], results[key]["attempts"]
    assert found == {"highs": ("solved", 1), once: ("solved", 2), always: (Outcome.LOST, 3)}
    assert (tmp_path / "always").read_text() == "xxx"


def test_two_runs_do_not_write_one_store(tmp_path: Path) -> None:
    study = small(tmp_path)

    def second(summary: Any, trial: Any, result: Any) -> None:
        if trial is None:
            with pytest.raises(StoreError, match="another run"):
                small(tmp_path).run(tmp_path / "study.db")

    study.run(tmp_path / "study.db", workers=2, watch=second)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"engine": "dusk"}, r2m.errors.UnknownOption, "dask"),
        ({"engine": "dask"}, r2m.errors.InvalidOption, "--scheduler"),
        ({"scheduler": "tcp://127.0.0.1:1"}, r2m.errors.InvalidOption, "--engine dask"),
        ({"workers": 0}, r2m.errors.InvalidOption, "at least 1"),
        ({"engine": "mpi"}, EngineUnavailable, "mpi4py"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused_and_the_store_is_whole(
    tmp_path: Path, given: dict[str, Any], error: type[Exception], words: str
) -> None:
    if given.get("engine") == "mpi":
        with contextlib.suppress(ImportError):
            import mpi4py  # noqa: F401

            pytest.skip("mpi4py is installed")
    with pytest.raises(error, match=words):
        small(tmp_path).run(tmp_path / "study.db", **given)
    with Store.open(tmp_path / "study.db") as store:
        assert store.count() == {"trials": 4, "finished": 0}


def start(folder: Path) -> subprocess.Popen[str]:
    """A run in a process of its own, which prints a line when a result is stored."""
    script = (
        "import sys\nfrom relu2mip.study import Study\n"
        "tell = lambda s, trial, result: print(trial.key, flush=True) if trial else None\n"
        f"Study.from_toml({str(folder / 'study.toml')!r}).run({str(folder / 'study.db')!r}, workers=2, watch=tell)\n"
    )
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)


def killed_again_and_again(folder: Path, times: int, trials: int) -> None:
    """Kill a run with SIGKILL at random moments; what it said it stored is there, and the file is whole."""
    rng, stored, runs = random.Random(0), set[str](), []
    for _ in range(times):
        process = start(folder)
        assert process.stdout is not None
        if rng.random() < 0.8:  # else perhaps before the first result
            runs.append(process.stdout.readline().strip())
        time.sleep(rng.uniform(0.0, 1.0))
        process.send_signal(signal.SIGKILL)
        runs += process.communicate()[0].split()
        stored |= set(filter(None, runs))
        if not (folder / "study.db").exists():
            continue
        connection = sqlite3.connect(folder / "study.db")
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
        with contextlib.suppress(StoreError), Store.open(folder / "study.db") as store:
            assert stored <= store.finished()
    process = start(folder)
    runs += process.communicate()[0].split()
    assert process.returncode == 0
    with Store.open(folder / "study.db") as store:
        assert store.count() == {"trials": trials, "finished": trials}
    told = list(filter(None, runs))
    assert len(told) == len(set(told)), "nothing that finished runs again"


def test_killed_runs_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(spec_text(count=4))
    killed_again_and_again(tmp_path, 2, 8)


@pytest.mark.slow
def test_fifty_killed_runs_lose_nothing(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(spec_text(count=250))
    killed_again_and_again(tmp_path, 50, 500)


def test_ctrl_c_ends_a_run_and_the_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(spec_text(count=5))
    command = [Path(sys.executable).with_name("relu2mip"), "study", "study.toml", "--workers", "1", "--json"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(StoreError), Store.open(tmp_path / "study.db") as store:
            if store.count()["finished"] >= 2:
                break
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    first = json.loads(out)
    assert (process.returncode, first["interrupted"]) == (130, True), err
    assert 2 <= first["finished"] < 10
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    second = json.loads(done.stdout)
    assert (second["finished"], second["ran"]) == (10, 10 - first["finished"])
