"""Projected gradient descent from a plan, with a penalty for leaving the sets."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array
from relu2mip.runtime.deadline import expired
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import Plan

STEPS = 0.2 * 0.5 ** np.arange(12)
"""Step sizes tried at once in every iteration, as shares of the box."""


def descend(objective: Objective, box: dict[str, tuple[Array, Array]], plan: Plan, iterations: int = 60) -> Plan:
    """The best plan met on the way; at least as good as the one given.

    Every iteration evaluates a whole line of step sizes in one batch and moves to the best point; it stops where none
    improves, or the budget ends. The penalty exceeds every price of the sets met so far: it doubles while the best
    point is infeasible.
    """
    penalty = 10.0 * max(objective.unit, abs(plan.cost))
    for _ in range(iterations):
        if expired():
            break
        here = {name: x[None] for name, x in plan.inputs.items()}
        slopes = objective.gradient(here, penalty)
        line = {}
        for name, x in here.items():
            low, high = box[name]
            scale = np.abs(slopes[name]).max(initial=0.0)
            move = slopes[name] / scale if scale > 0 else slopes[name]
            line[name] = x - STEPS[:, None] * (high - low) * move
        batch = objective.snap(line)
        cost, violation = objective.evaluate(batch)
        candidates = [
            Plan({name: x[k].copy() for name, x in batch.items()}, float(cost[k]), float(violation[k]))
            for k in range(len(STEPS))
        ]
        best = plan
        for candidate in candidates:
            best = candidate if candidate.better_than(best) else best
        if best is plan:
            break
        plan = best
        penalty *= 1.0 if plan.feasible else 2.0
    return plan
