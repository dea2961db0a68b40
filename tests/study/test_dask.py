"""A study on a real Dask scheduler with two workers, one of which is killed in its middle."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relu2mip.runtime.engines import EngineUnavailable
from relu2mip.study import Store
from tests.study.small import small

pytest.importorskip("distributed")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler, and two workers of one thread each, as a user would start them."""
    address = f"tcp://127.0.0.1:{free_port()}"
    dask = Path(sys.executable).with_name("dask")
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    own = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = subprocess.Popen([dask, "scheduler", *own, "--port", address.rpartition(":")[2]], **quiet)
    one = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path)]
    workers = [subprocess.Popen([dask, "worker", address, *one, "--name", f"worker-{k}"], **quiet) for k in range(2)]
    try:
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def awaited(address: str, count: int) -> None:
    """Until the workers are there."""
    from distributed import Client

    with Client(address, timeout=30, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=30)


@pytest.mark.slow
def test_a_worker_is_killed_and_nothing_is_lost(cluster: Any, tmp_path: Path) -> None:
    address, workers = cluster
    awaited(address, 2)
    seen: list[str] = []

    def watch(summary: Any, trial: Any, result: Any) -> None:
        if trial is not None:
            seen.append(trial.key)
            if len(seen) == 3:
                workers[0].send_signal(signal.SIGKILL)

    summary = small(tmp_path, count=8).run(tmp_path / "study.db", "dask", scheduler=address, watch=watch)
    assert (summary.finished, summary.outcomes) == (16, {"solved": 16})
    assert sorted(seen) == sorted(set(seen)), "each result comes once"
    with Store.open(tmp_path / "study.db") as store:
        assert store.count() == {"trials": 16, "finished": 16}
        ran = {re.sub(r".*:", "", r["worker"]) for r in store.results().values()}
    assert len(ran) == 2, "both workers had a part"
    assert workers[1].poll() is None
    deadline = time.monotonic() + 5
    while alive(ran) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(alive(ran)) <= 1, "the process that ran the trials of a killed worker ends with it"


def alive(pids: set[str]) -> list[str]:
    found = []
    for pid in pids:
        try:
            os.kill(int(pid), 0)
            if (Path("/proc") / pid / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(pid)
        except (ProcessLookupError, FileNotFoundError):
            pass
    return found


def test_a_scheduler_that_is_not_there_or_has_no_workers_is_said_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relu2mip.runtime.engines.CONNECT", 1.0)
    with pytest.raises(EngineUnavailable, match="no Dask scheduler at"):
        small(tmp_path).run(tmp_path / "study.db", "dask", scheduler=f"tcp://127.0.0.1:{free_port()}")
    with pytest.raises(EngineUnavailable, match="no Dask scheduler at"):
        small(tmp_path).run(tmp_path / "study.db", "dask", scheduler="nonsense://here")
    with Store.open(tmp_path / "study.db") as store:
        assert store.count() == {"trials": 4, "finished": 0}
