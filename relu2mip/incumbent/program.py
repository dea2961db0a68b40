"""Small programs around a plan: solve one, and read the plan off it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from relu2mip.arrays import Index
from relu2mip.errors import CapabilityMissing, SolverFailure
from relu2mip.mip import MipModel, Stop
from relu2mip.mip.run import ask
from relu2mip.options import SolveOptions
from relu2mip.registry import backends
from relu2mip.runtime.deadline import at_most
from relu2mip.runtime.progress import unreported
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import Plan

log = logging.getLogger(__name__)

LEAST = 1e-3
"""Least seconds that a solver is given."""


def pinned(model: MipModel, objective: Objective, plan: Plan) -> MipModel:
    """The program with the binaries of the problem's sets fixed: the plan stays on its side of every obstacle."""
    lower, upper, integer = model.lower.copy(), model.upper.copy(), model.integer.copy()
    for name, values in objective.binaries({name: x[None] for name, x in plan.inputs.items()}).items():
        columns = (model.values or {})[name]
        lower[columns] = upper[columns] = values
        integer[columns] = False
    return replace(model, lower=lower, upper=upper, integer=integer)


def solved(
    model: MipModel, columns: Mapping[str, Index], objective: Objective, plan: Plan, seconds: float
) -> tuple[Plan, Stop]:
    """The better of a plan and the solution of a program, as the network evaluates it, and why the solver stopped.

    columns: of the inputs, by name.  seconds: for the solver, or less where the budget ends.
    """
    limits = SolveOptions(time_limit=max(at_most(seconds), LEAST), threads=1)
    try:
        with unreported():
            solution = ask(model, backends["highs"](), limits)
    except (SolverFailure, CapabilityMissing) as error:  # such as squares of columns without bounds
        log.info("a program around a plan failed: %s", error)
        return plan, Stop.FAILED
    if solution.x is None:
        return plan, solution.stop
    point = objective.snap({name: solution.x[columns[name]][None] for name in plan.inputs})
    cost, violation = objective.evaluate(point)
    found = Plan({name: x[0] for name, x in point.items()}, float(cost[0]), float(violation[0]))
    return (found if found.better_than(plan) else plan), solution.stop
