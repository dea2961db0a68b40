"""Workers: calls, errors, deaths, and what is printed."""

from __future__ import annotations

import os
import signal

import pytest

from relu2mip.runtime.worker import Processes, WorkerDied


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_call_that_fails_raises_and_the_worker_goes_on() -> None:
    with Processes(1) as executor:
        first = executor.submit(os.getpid).result()
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()
        assert executor.submit(os.getpid).result() == first != os.getpid()


def test_a_worker_that_dies_is_replaced() -> None:
    with Processes(1) as executor:
        with pytest.raises(WorkerDied, match="SIGKILL"):
            executor.submit(_die).result()
        assert executor.submit(divmod, 7, 2).result() == (3, 1)


def test_what_a_call_prints_does_not_disturb(capfd: pytest.CaptureFixture[str]) -> None:
    with Processes(1) as executor:
        assert executor.submit(print, "said").result() is None
        assert executor.submit(divmod, 7, 2).result() == (3, 1)


def test_ending_without_waiting_ends_what_runs() -> None:
    import time

    executor = Processes(1)
    executor.submit(time.sleep, 60)
    time.sleep(0.2)
    begun = time.monotonic()
    executor.shutdown(wait=False)
    assert time.monotonic() - begun < 30
