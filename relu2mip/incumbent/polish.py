"""Polish a plan by a linear program: the best plan with the same activation pattern.

With the sign of every pre-activation fixed to what it is at the plan, the network is affine, and cost and sets are
linear or convex quadratic. The plan is feasible for that program, so its optimum is at least as good.
"""

from __future__ import annotations

import logging

import numpy as np

from relu2mip.errors import SolverFailure
from relu2mip.formulations.relaxed_model import relaxed_model
from relu2mip.formulations.triangle import Triangle
from relu2mip.mip.run import ask
from relu2mip.normal_form import Max, Relu
from relu2mip.options import SolveOptions
from relu2mip.passes import drop_stable
from relu2mip.registry import backends
from relu2mip.runtime.deadline import at_most, expired
from relu2mip.runtime.progress import unreported
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)


def polish(unrolled: Unrolled, bounds: Bounds, plan: Plan, seconds: float = 5.0) -> Plan:
    """The better of the plan and the optimum of its activation pattern, re-evaluated through the network.

    Returns the plan itself where there is nothing to gain: discrete controls, undecided maxima, or a program that the
    solver does not finish or fails at.  seconds: for the program, or less where the budget ends.
    """
    form = unrolled.form
    values = form.evaluate_all({name: x[None] for name, x in plan.inputs.items()})
    lower, upper = list(bounds.lower), list(bounds.upper)
    for value in form.values:
        if isinstance(value, Relu):
            k, active = value.input, values[value.input][0] > 0
            lower[k] = np.where(active, np.maximum(lower[k], 0.0), np.minimum(lower[k], 0.0))
            upper[k] = np.where(active, np.maximum(upper[k], 0.0), np.minimum(upper[k], 0.0))
    if expired():
        return plan
    rewrite = drop_stable(form, lower, upper)
    if any(isinstance(value, Max) for value in rewrite.form.values):
        return plan
    fixed = Bounds(form, tuple(lower), tuple(upper)).select(rewrite)
    if expired():
        return plan
    relaxed = relaxed_model(unrolled, fixed.form, fixed.lower, fixed.upper, lambda _: Triangle())
    if relaxed.model.integer.any():
        return plan
    try:
        with unreported():
            solution = ask(relaxed.model, backends["highs"](), SolveOptions(time_limit=max(at_most(seconds), 1e-3)))
    except SolverFailure as error:
        log.info("a plan is not polished: %s", error)
        return plan
    if solution.x is None:
        return plan
    objective = unrolled.objective()
    point = {name: solution.x[relaxed.columns[fixed.form.inputs[name]]][None] for name in plan.inputs}
    candidate = objective.snap(point)
    cost, violation = objective.evaluate(candidate)
    found = Plan({name: x[0] for name, x in candidate.items()}, float(cost[0]), float(violation[0]))
    return found if found.better_than(plan) else plan
