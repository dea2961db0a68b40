import math
from contextvars import copy_context
from threading import Thread

import pytest

from relu2mip.runtime.deadline import expired, interrupt, interrupted, limited, seconds_left


class FakeClock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_budget_time_is_infinite_and_nothing_to_interrupt() -> None:
    interrupt()
    assert seconds_left() == math.inf
    assert not interrupted()


def test_a_budget_runs_out_and_ends() -> None:
    clock = FakeClock()
    with limited(5.0, clock):
        clock.now = 3.0
        assert seconds_left() == 2.0
        clock.now = 9.0
        assert expired()
    assert not expired()


def test_an_inner_budget_is_only_shorter() -> None:
    clock = FakeClock()
    with limited(5.0, clock):
        with limited(2.0):
            assert seconds_left() == 2.0
        with limited(50.0):
            assert seconds_left() == 5.0
        with pytest.raises(ValueError, match="same clock"), limited(1.0, FakeClock()):
            pass


def test_an_interrupt_reaches_the_whole_budget_and_no_other() -> None:
    with limited(5.0):
        with limited(2.0):
            interrupt()
        assert interrupted()
        assert expired()
    with limited(5.0):
        assert not interrupted()


def test_a_thread_with_the_context_shares_the_budget() -> None:
    seen = []
    with limited(5.0):
        thread = Thread(target=copy_context().run, args=(lambda: (seen.append(seconds_left()), interrupt()),))
        thread.start()
        thread.join()
        assert interrupted()
    assert 0 < seen[0] <= 5.0
