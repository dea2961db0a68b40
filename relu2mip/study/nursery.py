"""The nursery: a process that has imported everything and runs nothing, and forks a process for each trial.

    python -m relu2mip.study.nursery        # reads a trial a line from standard input, writes a result a line

A forked process starts in milliseconds with all imports in place, and takes whatever a solver leaves behind, threads,
memory and handles, to its grave. It leads a process group, so that it can be killed with all its children. What it
imported besides, the nursery imports for those to come. Nothing is ever solved in the nursery itself: threads of a
solver do not survive a fork.

The nursery ends when its standard input does, and a trial when the nursery does: nothing is left of a runner that was
killed. POSIX only.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import resource
import select
import signal
import sys
import time
import traceback
from typing import Any, NoReturn

from relu2mip.study.measure import measured
from relu2mip.study.outcome import Outcome
from relu2mip.study.trial import Trial

POLL = 0.05
"""Seconds between two looks at a trial's memory and clock."""

STORIES = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL})
"""Signals that a process that gets no memory may die of."""

NEARLY = 0.8
"""Share of the memory limit at which a death counts as one of memory."""

DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux."""


def main() -> None:
    """Run the trials that standard input gives, one after the other."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.dup(1)
    os.dup2(2, 1)  # nothing else may write where results go
    logging.getLogger("relu2mip").addHandler(logging.NullHandler())  # what matters is in results
    gc.collect()
    gc.freeze()  # so that a collection in a fork copies no pages
    os.write(output, b'{"ready": true}\n')
    buffered = b""
    while data := os.read(0, 1 << 20):
        buffered += data
        while b"\n" in buffered:
            line, _, buffered = buffered.partition(b"\n")
            result = run(Trial.from_dict(json.loads(line)))
            whole = memoryview(json.dumps(result).encode() + b"\n")
            while whole:
                whole = whole[os.write(output, whole) :]


def run(trial: Trial) -> dict[str, Any]:
    """Run a trial in a process of its own, and say how it ended."""
    begun, started = time.perf_counter(), time.time()
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _live(trial, read, write)
    os.close(write)
    received, killed, peak = _watched(child, read, trial)
    os.close(read)
    _, status, usage = os.wait4(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it started
    peak = max(peak, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
    result = _read(received) if killed is None else None
    if result is None:
        result = _death(status, killed, peak, trial)
    elif result["outcome"] == Outcome.FAILED and peak > NEARLY * trial.limits.memory:
        result["outcome"] = Outcome.MEMORY
    for name in result.pop("modules", ()):
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    wall = time.perf_counter() - begun
    return {"wall_seconds": wall, "peak_memory": peak, "started": started, **result}


def _live(trial: Trial, read: int, write: int) -> NoReturn:
    """Be the process of a trial: limits, the trial, its result into the pipe, and an end without clean-up."""
    try:
        os.close(read)
        os.setpgid(0, 0)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)
            limit, kind = int(trial.limits.memory), resource.RLIMIT_DATA
        else:
            limit, kind = int(trial.limits.memory), resource.RLIMIT_AS
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        before = set(sys.modules)
        result = measured(trial)
        result["modules"] = sorted(set(sys.modules) - before - {"__main__"})
        with os.fdopen(write, "wb") as pipe:
            pipe.write(json.dumps(result).encode())
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _watched(child: int, read: int, trial: Trial) -> tuple[bytes, Outcome | None, int]:
    """What a trial wrote, the limit it was killed at, and the most memory it was seen with."""
    until, received, peak = time.monotonic() + trial.wall, bytearray(), 0
    while True:
        ready, _, _ = select.select([read, 0], [], [], POLL)
        if read in ready:
            if not (data := os.read(read, 1 << 20)):
                return bytes(received), None, peak
            received += data
        elif 0 in ready and _input_ended():
            os.killpg(child, signal.SIGKILL)
            os._exit(1)
        peak = max(peak, resident(child))
        over = Outcome.MEMORY if peak > trial.limits.memory else None
        over = Outcome.KILLED if time.monotonic() > until else over
        if over is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            return b"", over, peak


def _input_ended() -> bool:
    """Whether standard input is at its end: the runner waits for this trial, so there is nothing else to read."""
    return os.read(0, 1) == b""


def resident(process: int) -> int:
    """Bytes of memory that a process has now; 0 where the system does not say."""
    try:
        with open(f"/proc/{process}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _read(received: bytes) -> dict[str, Any] | None:
    try:
        result: dict[str, Any] = json.loads(received)
    except ValueError:
        return None
    return result


def _death(status: int, killed: Outcome | None, peak: int, trial: Trial) -> dict[str, Any]:
    """The result of a process that gave none."""
    limit = f"{trial.limits.memory / 1e9:.3g} GB"
    if killed is Outcome.KILLED:
        return {"outcome": killed, "message": f"did not end by {trial.wall:g} s, the hard limit, and was killed"}
    if killed is Outcome.MEMORY:
        return {"outcome": killed, "message": f"took more memory than its limit of {limit}, and was killed"}
    code = os.waitstatus_to_exitcode(status)
    how = f"ended with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
    if code < 0 and -code in STORIES and peak > NEARLY * trial.limits.memory:
        return {"outcome": Outcome.MEMORY, "message": f"{how} near its memory limit of {limit}"}
    hint = "; the system may have run out of memory" if code == -signal.SIGKILL else ""
    return {"outcome": Outcome.CRASHED, "message": f"the process of the trial {how}{hint}"}


if __name__ == "__main__":
    main()
