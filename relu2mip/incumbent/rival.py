"""A quick look for a plan that speaks against a solver: a batch of random ones, and the neighbours of the plan in hand.

A neighbour differs in one entry of one input: a discrete control takes each of its other values, a continuous one goes
to the ends of its box and a little up and down. All are evaluated by the network itself, in one batch, so no solver has
a say. Solvers that called a plan optimal too early were mostly a step away from a better one.
"""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array
from relu2mip.incumbent.best import offer
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import FEASIBLE, Plan
from relu2mip.unrolled.unrolled import Unrolled

RANDOM = 256
"""Random plans in a look."""

MOST = 512
"""Most neighbours in a look; of more, some at random."""

STEP = 0.1
"""How far a continuous entry goes up and down, as a share of its box."""


def rival(unrolled: Unrolled, plan: Plan | None) -> Plan | None:
    """The best feasible plan of a look; None where there is none. It is offered to who keeps the best plan."""
    objective, rng = unrolled.objective(), np.random.default_rng(0)
    batch = {name: rng.uniform(low, high, (RANDOM, low.size)) for name, (low, high) in objective.box.items()}
    if plan is not None:
        near = neighbours(objective, plan, rng)
        batch = {name: np.concatenate([x, near[name]]) for name, x in batch.items()}
    batch = objective.snap(batch)
    cost, violation = objective.evaluate(batch)
    cost = np.where(violation <= FEASIBLE, cost, np.inf)
    k = int(np.argmin(cost))
    if not np.isfinite(cost[k]):
        return None
    found = Plan({name: x[k].copy() for name, x in batch.items()}, float(cost[k]), float(violation[k]))
    offer(unrolled, found)
    return found


def neighbours(objective: Objective, plan: Plan, rng: np.random.Generator) -> dict[str, Array]:
    """The plans that differ from a plan in one entry, at most `MOST` of them."""
    changes = []
    for name, (low, high) in objective.box.items():
        for k, levels in enumerate(objective.levels(name)):
            here, width = plan.inputs[name][k], high[k] - low[k]
            if width > 0:
                values = np.array([low[k], high[k], here - STEP * width, here + STEP * width])
                changes += [(name, k, value) for value in (values if levels is None else levels)]
    chosen = rng.permutation(len(changes))[:MOST]
    near = {name: np.tile(x, (chosen.size, 1)) for name, x in plan.inputs.items()}
    for row, at in enumerate(chosen.tolist()):
        name, k, value = changes[at]
        near[name][row, k] = value
    return near
