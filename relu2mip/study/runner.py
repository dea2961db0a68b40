"""Run a study: what is missing in its store, each result stored as it comes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from relu2mip.errors import Relu2MipError
from relu2mip.runtime.engines import RERUNS, Engine, engine
from relu2mip.study.environment import versions
from relu2mip.study.outcome import FAILURES, Outcome
from relu2mip.study.store import Store, StoreError
from relu2mip.study.trial import Trial
from relu2mip.study.workers import WorkerDied, nursing, run_trial

log = logging.getLogger(__name__)

AHEAD = 1.5
"""Trials that are with an engine, for each that it runs at once: none waits for the next, few are lost at an end."""


@dataclass
class Summary:
    """How far a run is.

    trials: of the study.  finished: of them, those before this run included.  failed: of those of this run.  seconds:
    of this run.  interrupted: whether Ctrl-C ended it.
    """

    trials: int
    finished: int
    begun_with: int
    failed: int = 0
    interrupted: bool = False
    outcomes: dict[str, int] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.since

    @property
    def rate(self) -> float:
        """Trials a second."""
        return (self.finished - self.begun_with) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float:
        """At this rate; infinite before the first."""
        return (self.trials - self.finished) / self.rate if self.rate else float("inf")


Listener = Callable[["Summary", "Trial | None", "dict[str, Any] | None"], None]
"""Told at the start, with None, and of each trial whose result is stored."""


def run(
    about: Mapping[str, Any],
    trials: Sequence[Trial],
    threads: int,
    store: str | Path,
    chosen: str | Executor = "processes",
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    watch: Listener | None = None,
) -> Summary:
    """Run the trials of a study that its store lacks; Ctrl-C ends it, and the next run goes on from there.

    about: what the store says of the study, its name above all.  threads: of a trial.
    chosen: "processes" (of this machine), "dask" with the address of a `scheduler`, "mpi", or an executor.
    workers: how many trials run at once.  watch: see `Listener`.

    Raises `StoreError` for a store of another study, one
    that another run writes, or a full disk; `EngineUnavailable`.

    The store is written by this process alone, each result in a transaction: killed at any moment, a run loses the
    trials that were running, and nothing else.
    """
    with _alone(Path(store)), Store.create(store, about["name"], about) as opened:
        opened.plan(trials)
        _warn_of_versions(opened)
        finished = opened.finished()
        missing = [trial for trial in trials if trial.key not in finished]
        summary = Summary(len(trials), len(trials) - len(missing), len(trials) - len(missing))
        tell = watch or (lambda *_: None)
        tell(summary, None, None)
        if not missing:
            return summary
        with engine(chosen, nursing, workers, scheduler, threads) as there:
            log.info("%d trials on %s", len(missing), there.name)
            with contextlib.closing(_done(missing, there)) as results:
                try:
                    for trial, result in results:
                        opened.add(trial.key, result)
                        summary.finished += 1
                        summary.failed += result["outcome"] in FAILURES
                        summary.outcomes[result["outcome"]] = summary.outcomes.get(result["outcome"], 0) + 1
                        tell(summary, trial, result)
                except KeyboardInterrupt:
                    summary.interrupted = True
    return summary


def _done(trials: Sequence[Trial], there: Engine) -> Generator[tuple[Trial, dict[str, Any]]]:
    """Trials and their results as they come; those of workers that died run again."""
    waiting, attempts = iter(trials), dict.fromkeys((trial.key for trial in trials), 0)
    again: list[Trial] = []
    running: dict[Future[dict[str, Any]], Trial] = {}
    try:
        while True:
            while len(running) < max(there.slots + 1, AHEAD * there.slots):
                trial = again.pop() if again else next(waiting, None)
                if trial is None:
                    break
                attempts[trial.key] += 1
                running[there.executor.submit(run_trial, trial.to_dict())] = trial
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                trial = running.pop(future)
                result = _result(future)
                if result is None and attempts[trial.key] <= RERUNS:
                    log.warning("a worker died with %s; it runs again", trial)
                    again.append(trial)
                    continue
                yield trial, {**(result or _lost(attempts[trial.key])), "attempts": attempts[trial.key]}
    finally:
        for future in running:
            future.cancel()


def _result(future: Future[dict[str, Any]]) -> dict[str, Any] | None:
    """The result of a trial; None where its worker died. Raises `Relu2MipError` where the engine is gone."""
    try:
        return future.result()
    except WorkerDied:
        return None
    except CancelledError as error:
        raise Relu2MipError("the engine gave up its trials; run the study again to go on") from error
    except Exception as error:
        if type(error).__name__ == "KilledWorker":  # of Dask, which has run it again itself
            return _lost(RERUNS + 1)
        raise Relu2MipError(
            f"the engine failed: {type(error).__name__}: {error}; what finished is stored, run the study again to go on"
        ) from error


def _lost(attempts: int) -> dict[str, Any]:
    return {"outcome": Outcome.LOST, "message": f"the workers it ran on died, {attempts} times"}


def _warn_of_versions(store: Store) -> None:
    """Warn where what finished before ran on other versions than are here."""
    mine = versions()
    for ran_on in store.environments().values():
        theirs = ran_on.get("versions", {})
        other = [f"{name} {theirs[name]} (here {mine.get(name)})" for name in theirs if theirs[name] != mine.get(name)]
        if other:
            log.warning("trials that finished ran on other versions: %s", ", ".join(other))
            return


@contextlib.contextmanager
def _alone(store: Path) -> Iterator[None]:
    """Raise `StoreError` where another run writes this store."""
    import fcntl

    try:
        lock = open(store.with_name(store.name + "-lock"), "a", encoding="ascii")  # noqa: SIM115
    except OSError as error:
        raise StoreError(
            f"cannot write beside {store}: {error.strerror}; name a file in a folder that exists"
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(f"another run writes {store}; wait for it, or watch it: relu2mip status {store}") from None
        yield
