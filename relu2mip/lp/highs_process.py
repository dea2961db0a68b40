"""HiGHS's process-wide side: solver objects that print nothing, and the pools of threads that their runs share.

HiGHS keeps one pool for each thread that calls it. The first run makes the pool, with as many threads as its option
`threads` says, 0 being HiGHS's own choice; a later run that asks for another number ends `kNotset` without a result.
So a solve that a user asked for gets a new pool (`run` with `threads`), unless it is inside another run of its thread,
whose pool it then shares. Programs that relu2mip runs for itself take the pool that is there (`run` without). Pools of
other threads are never touched.

HiGHS prints its name when the first solver object of a process is made (1.16.0). Objects made here do not, nor does any
that is made after one of them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

UNSOUND_RULES = 1 << 9 | 1 << 12 | 1 << 13
"""Rules of HiGHS's presolve (doubleton equations, the aggregator, parallel rows and columns) that cut off solutions of
mixed-integer programs, as its option `presolve_rule_off` takes them. Of 2,225 programs of `mip` bounds it proves 36
wrong bounds with them and none without (1.15.1), in a tenth more time."""


class _Here(threading.local):
    """Runs of HiGHS that this thread is inside of: a callback of one may start another."""

    runs = 0


_here = _Here()


def silent() -> Any:
    """A new `highspy.Highs` that prints nothing: until its option `output_flag` is set, and not now either."""
    from highspy import Highs

    highs = _quiet_class()()
    highs.__class__ = Highs
    highs.setOptionValue("output_flag", False)
    highs.setOptionValue("log_to_console", True)
    return highs


def log_to_stderr(highs: Any) -> None:
    """Let a solver object write its log to standard error, through `sys.stderr`."""
    highs.setOptionValue("log_to_console", False)
    highs.setOptionValue("output_flag", True)
    highs.cbLogging.subscribe(lambda event: sys.stderr.write(event.message))


def run(highs: Any, threads: int | None = None) -> None:
    """Run a solver object. threads: what a user asked for, 0 being HiGHS's choice; None for a program of our own."""
    with pool(threads) as given:
        highs.setOptionValue("threads", given)
        highs.run()


@contextmanager
def pool(threads: int | None = None) -> Iterator[int]:
    """Run HiGHS inside the block with the option `threads` that this yields; `threads` as for `run`."""
    own = threads is not None and not _here.runs
    if own:
        from highspy import Highs

        Highs.resetGlobalScheduler(True)
    _here.runs += 1
    try:
        yield threads if own and threads is not None else 0
    finally:
        _here.runs -= 1


@cache
def _quiet_class() -> type[Any]:
    """HiGHS prints its name when callbacks are enabled, before any option can be set from outside."""
    from highspy import Highs

    class Quiet(Highs):
        def enableCallbacks(self) -> None:  # noqa: N802
            self.setOptionValue("log_to_console", False)
            super().enableCallbacks()  # type: ignore[no-untyped-call]

    return Quiet
