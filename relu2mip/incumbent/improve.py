"""Improve a plan: descend along the gradient and polish at the activation pattern, by turns while it gets better."""

from __future__ import annotations

from relu2mip.incumbent.best import offer
from relu2mip.incumbent.descend import descend
from relu2mip.incumbent.polish import polish
from relu2mip.runtime.deadline import expired, limited
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled

ROUNDS = 4
"""Most rounds of descending and polishing."""


def improve(unrolled: Unrolled, bounds: Bounds, plan: Plan, seconds: float = 20.0) -> Plan:
    """The best plan met inside the bounds of the inputs; at least as good as the one given, which may be infeasible.

    seconds: after which nothing further is tried, or sooner where the budget around it ends.
    """
    objective = unrolled.objective()
    box = {name: (bounds.lower[i], bounds.upper[i]) for name, i in unrolled.form.inputs.items()}
    with limited(seconds):
        for _ in range(ROUNDS):
            if expired():
                break
            before, plan = plan, descend(objective, box, plan)
            offer(unrolled, plan)
            if plan.feasible and not expired():
                plan = polish(unrolled, bounds, plan)
                offer(unrolled, plan)
            if plan is before:
                break
    return plan
