"""Ctrl-C as the end of a budget: what runs inside ends with what it has, where `KeyboardInterrupt` would lose that."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from relu2mip.runtime.deadline import Deadline


def heard_again() -> None:
    """Take Ctrl-C back from a library that took it: Gurobi does while it solves, and prints a line at it."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is threading.main_thread() and handler is not None:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def stopped_by_ctrl_c(budget: Deadline) -> Iterator[None]:
    """Let the first Ctrl-C inside the block interrupt the budget, and the second raise `KeyboardInterrupt`.

    Does nothing outside the main thread, which alone gets signals, and where Ctrl-C has a handler other than Python's:
    then that one decides.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if budget.interrupted.is_set():
            signal.default_int_handler(number, frame)
        budget.interrupted.set()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
