"""The time that is left: one budget that every stage of a solve asks, whatever stage it is.

`limited` opens a budget; whatever runs inside it, in this thread or a copy of its context, asks `seconds_left` in its
inner loops and ends there with what it has. A budget inside another can only be shorter. An interrupted budget has
nothing left.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

Clock = Callable[[], float]


@dataclass(frozen=True, eq=False)
class Deadline:
    """A moment on a clock. interrupted: set where the user wants the answer now."""

    at: float
    clock: Clock = time.perf_counter
    interrupted: threading.Event = field(default_factory=threading.Event)

    @property
    def seconds_left(self) -> float:
        """At least 0."""
        return 0.0 if self.interrupted.is_set() else max(0.0, self.at - self.clock())


_NEVER = Deadline(math.inf)
_current: ContextVar[Deadline] = ContextVar("deadline", default=_NEVER)


@contextmanager
def limited(seconds: float, clock: Clock | None = None) -> Iterator[Deadline]:
    """Give what runs inside at most `seconds`, and no more than is left of the budget around it.

    clock: seconds that only rise, in place of the wall clock; only for the outermost budget.

    >>> with limited(10.0, clock=lambda: 100.0):
    ...     with limited(60.0):
    ...         seconds_left()
    10.0
    """
    outer = _current.get()
    if clock is None:
        clock = outer.clock
    elif outer is not _NEVER:
        raise ValueError("a budget inside another runs on the same clock")
    inner = Deadline(
        min(clock() + seconds, outer.at), clock, threading.Event() if outer is _NEVER else outer.interrupted
    )
    token = _current.set(inner)
    try:
        yield inner
    finally:
        _current.reset(token)


def current() -> Deadline:
    """The innermost budget, for threads that do not share this context."""
    return _current.get()


def seconds_left() -> float:
    """Of the innermost budget; infinite where there is none."""
    return _current.get().seconds_left


def at_most(seconds: float) -> float:
    """These seconds, or what is left where that is less."""
    return min(seconds, seconds_left())


def expired() -> bool:
    """Whether nothing is left."""
    return seconds_left() <= 0


def interrupted() -> bool:
    """Whether the user wants the answer now."""
    return _current.get().interrupted.is_set()


def interrupt() -> None:
    """End the budget at once, for everything that shares it."""
    if (current := _current.get()) is not _NEVER:
        current.interrupted.set()


def now() -> float:
    """The clock of the budget."""
    return _current.get().clock()
