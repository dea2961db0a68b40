"""The best plan that anything found, kept while a problem is solved: no limit, failure or interrupt loses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from relu2mip.runtime.progress import reporter
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled


class Best:
    """The cheapest plan met so far of one unrolled problem."""

    def __init__(self, unrolled: Unrolled) -> None:
        self.unrolled = unrolled
        self.plan: Plan | None = None
        self.reporter = reporter()

    def keep(self, plan: Plan) -> None:
        """Take a plan that satisfies the sets, if it is the cheapest."""
        if self.plan is None or plan.cost < self.plan.cost:
            self.plan = plan
            if self.reporter is not None:
                self.reporter.report(plan=plan.cost)


_current: ContextVar[Best | None] = ContextVar("best", default=None)


@contextmanager
def keeping(unrolled: Unrolled) -> Iterator[Best]:
    """Keep the best plan that is offered inside, in this thread or a copy of its context."""
    best = Best(unrolled)
    token = _current.set(best)
    try:
        yield best
    finally:
        _current.reset(token)


def offer(unrolled: Unrolled, plan: Plan) -> None:
    """Hand over a plan that was found; one of another problem, or an infeasible one, is left."""
    best = _current.get()
    if best is not None and best.unrolled is unrolled and plan.feasible:
        best.keep(plan)
