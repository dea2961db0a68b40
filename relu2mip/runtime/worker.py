"""Processes of this machine that call functions, one call at a time, and whose death loses nobody else's.

A worker is `python -m relu2mip.runtime.worker`: it imports nothing of the caller's script, so a script needs no guard
of its main part. Calls and results travel as `multiprocessing` sends objects, through a socket that nobody else has.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

from relu2mip.errors import Relu2MipError

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerDied(Relu2MipError, RuntimeError):
    """The process that ran a call died; the call can be made again."""


class Worker:
    """A process that calls functions, with one thread of linear algebra. Needs Linux or macOS."""

    def __init__(self) -> None:
        if os.name != "posix":
            raise Relu2MipError("workers run on Linux and macOS alone; on Windows, use WSL, or an executor of your own")
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "relu2mip.runtime.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
                start_new_session=True,  # Ctrl-C is the caller's alone
            )
        self.connection = Connection(ours.detach())

    def call(self, function: Callable[..., Any], *given: Any) -> Any:
        """The function's result; raises what it raises, and `WorkerDied`."""
        try:
            self.connection.send((function, given))
            failed, result = self.connection.recv()
        except (OSError, EOFError) as error:
            code = self.process.wait()
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            raise WorkerDied(f"the worker process {self.process.pid} {how}") from error
        if failed:
            raise result
        return result

    def close(self) -> None:
        """End it, and what it runs."""
        self.process.kill()
        self.process.wait()


class Processes(Executor):
    """So many workers. One that died is replaced, and only the call that it ran raises `WorkerDied`.

    >>> with Processes(2) as executor:
    ...     executor.submit(divmod, 7, 2).result()
    (3, 1)
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="relu2mip worker")
        self._here = threading.local()
        self.workers: set[Worker] = set()

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        """Call a function of an importable module in some worker."""
        if named:
            raise TypeError("a worker takes no named arguments")
        return self._threads.submit(self._call, function, *given)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers; without `wait`, whatever they run."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        for worker in list(self.workers):
            worker.close()
        self._threads.shutdown(wait=True)

    def _call(self, function: Callable[..., Any], *given: Any) -> Any:
        worker: Worker | None = getattr(self._here, "worker", None)
        if worker is None:
            worker = self._here.worker = Worker()
            self.workers.add(worker)
        try:
            return worker.call(function, *given)
        except WorkerDied:
            self.workers.discard(worker)
            self._here.worker = None
            raise


def _serve(connection: Connection) -> None:
    """Answer calls until the caller is gone."""
    while True:
        try:
            function, given = connection.recv()
        except EOFError:
            return
        try:
            answer = False, function(*given)
        except Exception as error:  # whatever it is, the caller is told
            answer = True, error
        connection.send(answer)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
