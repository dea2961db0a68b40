"""Improve a plan: descend along the gradient and polish at the activation pattern, by turns while it gets better."""

from __future__ import annotations

import time

from relu2mip.bounds.bounds import Bounds
from relu2mip.incumbent.descend import descend
from relu2mip.incumbent.plan import Plan
from relu2mip.incumbent.polish import polish
from relu2mip.normal_form.unrolled import Unrolled

ROUNDS = 4
"""Most rounds of descending and polishing."""


def improve(unrolled: Unrolled, bounds: Bounds, plan: Plan, seconds: float = 20.0) -> Plan:
    """The best plan met inside the bounds of the inputs; at least as good as the one given, which may be infeasible.

    seconds: after which no round begins.
    """
    objective, begun = unrolled.objective(), time.perf_counter()
    box = {name: (bounds.lower[i], bounds.upper[i]) for name, i in unrolled.form.inputs.items()}
    for _ in range(ROUNDS):
        if (left := seconds - (time.perf_counter() - begun)) <= 0:
            break
        before, plan = plan, descend(objective, box, plan)
        if plan.feasible:
            plan = polish(unrolled, bounds, plan, min(left, 5.0))
        if plan is before:
            break
    return plan
