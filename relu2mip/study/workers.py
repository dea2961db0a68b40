"""A worker's side of trials: `run_trial`, what every engine runs, keeps a nursery for each thread that calls it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from relu2mip.errors import Relu2MipError
from relu2mip.study.environment import environment

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerDied(Relu2MipError, RuntimeError):
    """The process that runs trials died, and took one with it; the trial can be run again."""


class Nursery:
    """A nursery (`relu2mip.study.nursery`) as a process of its own, with linear algebra on so many threads."""

    def __init__(self, threads: int) -> None:
        if os.name != "posix":
            raise Relu2MipError("trials run on Linux and macOS alone, which can fork; on Windows, use WSL")
        self.threads = threads
        self.process = subprocess.Popen(
            [sys.executable, "-m", "relu2mip.study.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))},
            start_new_session=True,  # Ctrl-C is the runner's alone
        )
        self._answer()

    def run(self, trial: Mapping[str, Any]) -> dict[str, Any]:
        """Run a trial; raises `WorkerDied`."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(trial).encode() + b"\n")
            self.process.stdin.flush()
        except OSError as error:
            raise self._died() from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._died()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> WorkerDied:
        code = self.process.wait()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return WorkerDied(f"the worker process {self.process.pid} {how}")

    @property
    def alive(self) -> bool:
        """Whether it can take a trial."""
        return self.process.poll() is None

    def close(self) -> None:
        """End it, and the trial that it runs."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self.process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Here(threading.local):
    nursery: Nursery | None = None


_here = _Here()
_all: set[Nursery] = set()
_lock = threading.Lock()


def run_trial(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Run a trial, given as `Trial.to_dict`, and give its result; where it ran is in `environment`, `worker`.

    Raises `WorkerDied` where it has no result.
    """
    threads = trial["limits"]["threads"]
    nursery = _here.nursery
    if nursery is None or not nursery.alive or nursery.threads != threads:
        if nursery is not None:
            _forget(nursery)
        nursery = _here.nursery = Nursery(threads)
        with _lock:
            _all.add(nursery)
    try:
        result = nursery.run(trial)
    except WorkerDied:
        _forget(nursery)
        _here.nursery = None
        raise
    return {
        **result,
        "environment": environment(),
        "worker": f"{environment()['machine']['host']}:{nursery.process.pid}",
    }


def nurseries() -> Iterator[Nursery]:
    """Those of this process."""
    with _lock:
        yield from list(_all)


def close_all() -> None:
    """End all nurseries of this process, and the trials they run."""
    for nursery in list(nurseries()):
        _forget(nursery)


def _forget(nursery: Nursery) -> None:
    with _lock:
        _all.discard(nursery)
    nursery.close()


@contextlib.contextmanager
def nursing(slots: int) -> Iterator[Executor]:
    """An executor for `run_trial`: a thread for each nursery, which waits while it works."""
    pool = ThreadPoolExecutor(slots, thread_name_prefix="relu2mip trials")
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        close_all()
        pool.shutdown(wait=True)


atexit.register(close_all)
