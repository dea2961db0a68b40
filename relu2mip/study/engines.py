"""The engines that run trials: processes of this machine, Dask, MPI, or any executor that a caller has.

An engine is a `concurrent.futures.Executor` of `run_trial`, how many trials it runs at once, and how it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from relu2mip.errors import InvalidOption, Relu2MipError, UnknownOption
from relu2mip.study.workers import close_all

CONNECT = 10.0
"""Seconds to wait for a scheduler."""

RERUNS = 2
"""How often a trial is run again whose worker died."""


class EngineUnavailable(Relu2MipError, RuntimeError):
    """An engine that is not installed or cannot be reached."""


@dataclass(frozen=True)
class Engine:
    """Where trials run.

    executor: takes them.  slots: how many it runs at once.  name: for messages.
    """

    executor: Executor
    slots: int
    name: str


def usable_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def engine(
    chosen: str | Executor, workers: int | None = None, scheduler: str | None = None, threads: int = 1
) -> Iterator[Engine]:
    """The engine of a name, or around an executor, which is left open.

    workers: trials at once, by default one for every `threads` processors; on a cluster, what it has.
    scheduler: the address of a Dask scheduler.  Raises `EngineUnavailable`, `UnknownOption`, `InvalidOption`.
    """
    if workers is not None and workers < 1:
        raise InvalidOption(f"workers is {workers}; give at least 1")
    if scheduler is not None and chosen != "dask":
        raise InvalidOption(f"scheduler {scheduler!r} is given, but the engine is {chosen!r}; give --engine dask")
    if isinstance(chosen, Executor):
        yield Engine(
            chosen, workers or getattr(chosen, "_max_workers", None) or usable_processors(), type(chosen).__name__
        )
        return
    engines: dict[str, Callable[..., Any]] = {"processes": _processes, "dask": _dask, "mpi": _mpi}
    if chosen not in engines:
        raise UnknownOption("engine", str(chosen), engines)
    with engines[chosen](workers or None, scheduler, threads) as made:
        yield made


@contextmanager
def _processes(workers: int | None, _: str | None, threads: int) -> Iterator[Engine]:
    """A thread for each nursery: they wait while it works."""
    slots = workers or max(1, usable_processors() // threads)
    pool = ThreadPoolExecutor(slots, thread_name_prefix="relu2mip trials")
    try:
        yield Engine(pool, slots, f"{slots} local process{'es' if slots > 1 else ''}")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        close_all()
        pool.shutdown(wait=True)


@contextmanager
def _dask(workers: int | None, scheduler: str | None, _: int) -> Iterator[Engine]:
    """The workers of a Dask scheduler: one trial for each thread that they have."""
    if scheduler is None:
        raise InvalidOption('engine "dask" needs the address of its scheduler: --scheduler tcp://HOST:8786')
    try:
        from distributed import Client
    except ImportError:
        raise EngineUnavailable('engine "dask" needs dask: install it with pip install "relu2mip[study]"') from None
    try:
        client: Any = Client(scheduler, timeout=CONNECT, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TimeoutError) as error:
        raise EngineUnavailable(
            f"there is no Dask scheduler at {scheduler}: {error}; start one, or check it"
        ) from error
    with client:
        slots = sum(client.nthreads().values())
        if not slots:
            raise EngineUnavailable(
                f"the Dask scheduler at {scheduler} has no workers; start some: dask worker {scheduler}"
            )
        before = client.run_on_scheduler(_allowed_failures, RERUNS)
        try:
            yield Engine(client.get_executor(), workers or slots, f"{slots} threads of Dask at {scheduler}")
        finally:
            client.run_on_scheduler(_allowed_failures, before)


def _allowed_failures(number: int, dask_scheduler: Any = None) -> int:
    """Let a scheduler run a task again so often whose worker died; what it was before."""
    before: int = dask_scheduler.allowed_failures
    dask_scheduler.allowed_failures = number
    return before


@contextmanager
def _mpi(workers: int | None, _: str | None, __: int) -> Iterator[Engine]:
    """The processes of mpi4py.futures: `mpiexec -n 9 python -m mpi4py.futures -m relu2mip study ...`."""
    try:
        from mpi4py.futures import MPIPoolExecutor
    except ImportError:
        raise EngineUnavailable('engine "mpi" needs mpi4py: pip install mpi4py, with the MPI of the site') from None
    with MPIPoolExecutor(max_workers=workers) as pool:
        yield Engine(pool, workers or pool.num_workers, "MPI")
