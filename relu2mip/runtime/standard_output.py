"""Standard output is ours: what others print goes to standard error instead, for the length of a block."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class _Process:
    """How many blocks are under way, in all threads, and what undoes the redirection that they share."""

    blocks: int = 0
    undo: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    lock: threading.Lock = field(default_factory=threading.Lock)


_process = _Process()


@contextlib.contextmanager
def to_stderr() -> Iterator[None]:
    """Send what is printed inside the block to standard error, what a library prints by itself included.

    Holds for the whole process until the last block of all threads ends, so it is for where a library offers no other
    way, and the command line.
    """
    with _process.lock:
        if not _process.blocks:
            _redirect(_process.undo)
        _process.blocks += 1
    try:
        yield
    finally:
        with _process.lock:
            _process.blocks -= 1
            if not _process.blocks:
                _process.undo.close()


def _redirect(undo: contextlib.ExitStack) -> None:
    """Let descriptor 1 and `sys.stdout` be standard error."""
    sys.stdout.flush()
    _flush()
    kept = os.dup(1)
    undo.callback(os.close, kept)
    undo.callback(os.dup2, kept, 1)
    undo.callback(_flush)
    os.dup2(2, 1)
    undo.enter_context(contextlib.redirect_stdout(sys.stderr))


def _flush() -> None:
    """Write what C libraries hold back."""
    ctypes.CDLL(None).fflush(None)
