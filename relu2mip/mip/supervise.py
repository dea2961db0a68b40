"""Native work under supervision: it runs in a thread of its own, and no longer than it may.

Solvers look at their clocks where it suits them: HiGHS has presolved for minutes after its limit, and a signal reaches
Python only between two of its own instructions. So the calling thread waits, in short sleeps, and where the budget is
interrupted or a limit is passed it tells the solver to stop; a solver that does not is left to itself, and nothing that
it says later is read. It ends with the process at the latest.
"""

from __future__ import annotations

import atexit
import ctypes
import threading
import time
from collections.abc import Callable
from contextvars import copy_context

from relu2mip.mip.solution import Stop
from relu2mip.runtime.ctrl_c import heard_again
from relu2mip.runtime.deadline import interrupted, now

POLL = 0.05
"""Seconds between two looks at the clock."""

OVERRUN = 0.03
"""Share of its limit, besides a tenth of it or of a second, by which a solver may be late before it is told to stop."""

HOLD = 0.3
"""Seconds that a solver has to stop in."""

FAREWELL = 1.0
"""Seconds that the process waits at its end for threads that were left to themselves."""

_left: list[threading.Thread] = []


def supervised(work: Callable[[], object], stop: Callable[[], object] | None, seconds: float) -> bool:
    """Do the work, which keeps to `seconds` by itself as well as it can; whether it ended, so that its result holds.

    stop: tells the work, from another thread, to end soon; None where it cannot be told.  Raises what the work raises.
    """
    done, errors = threading.Event(), list[BaseException]()
    context = copy_context()

    def body() -> None:
        try:
            context.run(work)
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=body, name="relu2mip solver", daemon=True)
    late = now() + seconds * (1 + OVERRUN) + min(2 * POLL, seconds / 10)
    try:
        thread.start()
        while not done.wait(min(POLL, max(late - now(), 1e-3))) and not interrupted() and now() <= late:
            heard_again()
    except BaseException:
        _end(thread, done, stop)
        raise
    if not _end(thread, done, stop):
        return False
    if errors:
        raise errors[0]
    return True


def left_to_themselves() -> int:
    """How many threads have not ended though they were told to."""
    return sum(thread.is_alive() for thread in _left)


def cut_short() -> Stop:
    """Why work ended early that was told to, or never began."""
    return Stop.INTERRUPTED if interrupted() else Stop.TIME_LIMIT


def _end(thread: threading.Thread, done: threading.Event, stop: Callable[[], object] | None) -> bool:
    """Whether the work is done, or is soon after it was told to stop."""
    if not done.is_set() and stop is not None:
        stop()
    if done.is_set() or (stop is not None and done.wait(HOLD)):
        thread.join()
        return True
    _left.append(thread)
    return False


@atexit.register
def _wait_for_the_rest() -> None:
    """Give threads that were left to themselves a moment to end: they need an interpreter that is still there."""
    until = time.monotonic() + FAREWELL
    for thread in _left:
        thread.join(max(0.0, until - time.monotonic()))
    if left_to_themselves():
        _end_at_once()


def _end_at_once() -> None:
    """End the process without destructors, which take away what a solver still works on, where the C library can."""
    library = ctypes.CDLL(None)
    if hasattr(library, "on_exit"):
        library.fflush(None)
        library.on_exit(library._exit, None)
