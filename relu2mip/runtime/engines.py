"""The engines that run tasks: processes of this machine, Dask, MPI, or any executor that a caller has.

An engine is a `concurrent.futures.Executor`, how many tasks it runs at once, and how it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from relu2mip.errors import InvalidOption, Relu2MipError, UnknownOption

CONNECT = 10.0
"""Seconds to wait for a scheduler."""

RERUNS = 2
"""How often a task is run again whose worker died."""

Local = Callable[[int], AbstractContextManager[Executor]]
"""Makes an executor of so many processes of this machine."""


class EngineUnavailable(Relu2MipError, RuntimeError):
    """An engine that is not installed or cannot be reached."""


@dataclass(frozen=True)
class Engine:
    """Where tasks run.

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
    chosen: str | Executor, local: Local, workers: int | None = None, scheduler: str | None = None, threads: int = 1
) -> Iterator[Engine]:
    """The engine of a name, or around an executor, which is left open.

    local: makes the engine "processes".  workers: tasks at once, by default one for every `threads` processors; on a
    cluster, what it has.
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
    if chosen == "processes":
        slots = workers or max(1, usable_processors() // threads)
        with local(slots) as executor:
            yield Engine(executor, slots, f"{slots} local process{'es' if slots > 1 else ''}")
        return
    clusters: dict[str, Callable[..., Any]] = {"dask": _dask, "mpi": _mpi}
    if chosen not in clusters:
        raise UnknownOption("engine", str(chosen), ["processes", *clusters])
    with clusters[chosen](workers or None, scheduler) as made:
        yield made


@contextmanager
def _dask(workers: int | None, scheduler: str | None) -> Iterator[Engine]:
    """The workers of a Dask scheduler: one task for each thread that they have."""
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
def _mpi(workers: int | None, _: str | None) -> Iterator[Engine]:
    """The processes of mpi4py.futures: `mpiexec -n 9 python -m mpi4py.futures -m relu2mip study ...`."""
    try:
        from mpi4py.futures import MPIPoolExecutor
    except ImportError:
        raise EngineUnavailable('engine "mpi" needs mpi4py: pip install mpi4py, with the MPI of the site') from None
    with MPIPoolExecutor(max_workers=workers) as pool:
        yield Engine(pool, workers or pool.num_workers, "MPI")
