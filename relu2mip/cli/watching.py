"""How far a command is, on standard error: one line that is kept up to date on a terminal, line by line in a pipe."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator

from rich.text import Text

from relu2mip.cli.console import message, stderr, text
from relu2mip.runtime.progress import Progress, reporting

PATIENCE = 2.0
"""Seconds before the first line in a pipe, and between two of them: what is quick needs none."""

SILENCE = 10.0
"""Seconds after which a line is repeated in a pipe though nothing changed but the time."""


class Watch:
    """The last progress, and how to say it now."""

    def __init__(self, title: str) -> None:
        self.title, self.begun, self.last, self.at = title, time.monotonic(), Progress(), time.monotonic()

    def listen(self, progress: Progress) -> None:
        """Take a message, from any thread."""
        self.last, self.at = progress, time.monotonic()

    @property
    def state(self) -> str:
        """Stage, plan, bound and gap, as far as they are known."""
        said = [self.last.stage or self.title]
        if not math.isnan(self.last.plan):
            said.append(f"plan {text(self.last.plan)}")
        if math.isfinite(self.last.bound):
            said.append(f"bound {text(self.last.bound)}")
        if not math.isnan(self.last.gap):
            said.append(f"gap {self.last.gap:.2%}")
        return ", ".join(said)

    def __str__(self) -> str:
        now = time.monotonic()
        said = f"{now - self.begun:.0f} s: {self.state}"
        left = self.last.seconds_left - (now - self.at)
        return said if math.isinf(left) else f"{said}, {max(0.0, left):.0f} s left"

    def __rich__(self) -> Text:
        return Text(str(self))


@contextlib.contextmanager
def watching(title: str, quiet: bool = False) -> Iterator[None]:
    """Show what is reported inside. quiet: show nothing, as where a solver's log has the screen."""
    if quiet:
        yield
        return
    watch, console = Watch(title), stderr()
    with reporting(watch.listen):
        if console.is_terminal:
            with console.status(watch):
                yield
        else:
            with _lines(watch):
                yield


@contextlib.contextmanager
def _lines(watch: Watch) -> Iterator[None]:
    """Print a line whenever something changed, from a thread of its own."""
    done = threading.Event()

    def body() -> None:
        shown, when = "", -math.inf
        while not done.wait(PATIENCE):
            if watch.state != shown or time.monotonic() - when >= SILENCE:
                message(str(watch))
                shown, when = watch.state, time.monotonic()

    thread = threading.Thread(target=body, name="relu2mip progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
