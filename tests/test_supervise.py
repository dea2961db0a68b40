"""Native work runs in a thread of its own, ends when told to, and is left to itself where it does not."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from relu2mip.mip import Stop, supervise
from relu2mip.mip.supervise import cut_short, supervised
from relu2mip.runtime.deadline import interrupt, limited, seconds_left


@pytest.fixture
def free():
    """An event that ends stubborn work after the test."""
    event = threading.Event()
    yield event
    event.set()


def test_work_that_ends_is_done_in_the_budget_of_its_caller() -> None:
    seen: list[float] = []
    with limited(5.0):
        assert supervised(lambda: seen.append(seconds_left()), None, 5.0)
    assert 0 < seen[0] <= 5.0


def test_an_error_of_the_work_is_the_callers() -> None:
    with pytest.raises(ZeroDivisionError):
        supervised(lambda: 1 / 0, None, 5.0)


def test_work_that_is_late_is_told_to_stop() -> None:
    told = threading.Event()
    assert supervised(told.wait, told.set, 1e-3)


def test_an_interrupt_stops_work_long_before_its_limit() -> None:
    told, begun = threading.Event(), threading.Event()
    with limited(1e6):

        def work() -> None:
            begun.set()
            interrupt()
            told.wait()

        assert supervised(work, told.set, 1e6)
        assert begun.is_set()
        assert cut_short() is Stop.INTERRUPTED
    assert cut_short() is Stop.TIME_LIMIT


@pytest.mark.parametrize("stop", [None, lambda: None], ids=["cannot be told", "does not listen"])
def test_work_that_does_not_stop_is_left_to_itself(free: threading.Event, stop) -> None:
    assert not supervised(free.wait, stop, 1e-3)
    assert supervise.left_to_themselves() >= 1


def test_a_keyboard_interrupt_of_a_caller_without_a_handler_stops_the_work() -> None:
    told = threading.Event()

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        told.wait()

    with pytest.raises(KeyboardInterrupt):
        supervised(work, told.set, 1e6)
    assert told.is_set()


@pytest.mark.parametrize("ending", ["", "sys.exit(7)", "raise SystemExit(7)"])
def test_the_interpreter_ends_though_a_solver_does_not(ending: str) -> None:
    """A thread that is deep in native code when the interpreter goes down neither crashes nor holds it up."""
    code = f"""
        import sys
        import numpy as np
        from relu2mip.mip.supervise import left_to_themselves, supervised
        matrix = np.random.default_rng(0).random((4000, 4000))
        def work():
            while True:
                matrix @ matrix
        assert not supervised(work, None, 0.01)
        assert left_to_themselves() == 1
        print("answered")
        {ending}
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(code)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert ended.stdout == "answered\n"
    assert ended.returncode == (7 if ending else 0), ended.stderr
    assert ended.stderr == ""
