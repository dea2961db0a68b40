"""How far a solve is: stages, the best plan and the proven bound, told to whoever listens.

`reporting` names a listener; whatever runs inside, in this thread or a copy of its context, tells it with `report`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from relu2mip.runtime.deadline import current


@dataclass(frozen=True)
class Progress:
    """One message.

    stage: what is being done.  plan: objective of the best plan so far, NaN where there is none.  bound: proven,
    infinite where nothing is.  seconds: since the start.  seconds_left: of the limit, infinite where there is none.
    """

    stage: str = ""
    plan: float = math.nan
    bound: float = -math.inf
    seconds: float = 0.0
    seconds_left: float = math.inf

    @property
    def gap(self) -> float:
        """|plan - bound| relative to |plan|; NaN where there is no bound."""
        return abs(self.plan - self.bound) / max(1e-9, abs(self.plan)) if math.isfinite(self.bound) else math.nan


Listener = Callable[[Progress], None]


class Reporter:
    """The knowledge so far, as the model minimises it, and who is told. sign: -1 where the problem maximises."""

    def __init__(self, listener: Listener, sign: float = 1.0) -> None:
        self.listener, self.sign, self.budget = listener, sign, current()
        self.begun = self.budget.clock()
        self.stage, self.plan, self.bound = "", math.inf, -math.inf

    def report(self, stage: str = "", plan: float = math.inf, bound: float = -math.inf) -> None:
        """Tell the listener where anything is new: another stage, a better plan, a higher bound."""
        before = self.stage, self.plan, self.bound
        self.stage = stage or self.stage
        self.plan, self.bound = min(self.plan, plan), max(self.bound, bound)
        if (self.stage, self.plan, self.bound) != before:
            plan = self.sign * self.plan if math.isfinite(self.plan) else math.nan
            seconds = self.budget.clock() - self.begun
            self.listener(Progress(self.stage, plan, self.sign * self.bound, seconds, self.budget.seconds_left))


_current: ContextVar[Reporter | None] = ContextVar("reporter", default=None)


@contextmanager
def reporting(listener: Listener | None, sign: float = 1.0) -> Iterator[None]:
    """Tell a listener what is reported inside; nobody where it is None, unless somebody listens already.

    sign: -1 where the problem maximises, so that the listener gets objectives as the problem has them.
    """
    token = _current.set(_current.get() if listener is None else Reporter(listener, sign))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def unreported() -> Iterator[None]:
    """Keep to itself what is reported inside: the points and bounds of programs on the way mean something else."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def reported_as(change: Callable[[float], float]) -> Iterator[None]:
    """Tell what is reported inside with its plans and bounds changed: those of a model in other units."""
    outer = _current.get()
    token = _current.set(None if outer is None else _Changing(outer, change))
    try:
        yield
    finally:
        _current.reset(token)


class _Changing(Reporter):
    """Passes on what it is told, changed."""

    def __init__(self, outer: Reporter, change: Callable[[float], float]) -> None:
        super().__init__(outer.listener, outer.sign)
        self.outer, self.change = outer, change

    def report(self, stage: str = "", plan: float = math.inf, bound: float = -math.inf) -> None:
        self.outer.report(stage, self.change(plan), self.change(bound))


def report(stage: str = "", plan: float = math.inf, bound: float = -math.inf) -> None:
    """Say that a stage begins, or the cost of a plan or a bound that was found, as the model minimises it."""
    if (reporter := _current.get()) is not None:
        reporter.report(stage, plan, bound)


def reporter() -> Reporter | None:
    """Who is told, for threads that do not share this context; None: nobody."""
    return _current.get()


def tell_time_of_this_budget() -> None:
    """Let the seconds left be those of the budget around this call, whatever stage has a shorter one inside it."""
    if (told := _current.get()) is not None:
        told.budget = current()
