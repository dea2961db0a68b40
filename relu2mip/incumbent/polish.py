"""Polish a plan by a linear program: the best plan with the same activation pattern.

With the sign of every pre-activation fixed to what it is at the plan, the network is affine, and cost and sets are
linear or convex quadratic; of alternatives, as around an obstacle, the plan keeps to those it has taken. The plan is
feasible for that program, so its optimum is at least as good.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.errors import SolverFailure
from relu2mip.formulations import encode
from relu2mip.formulations.triangle import Triangle
from relu2mip.mip import MipModel, ModelBuilder, NameBlock
from relu2mip.mip.run import ask
from relu2mip.normal_form import Max, Relu
from relu2mip.options import SolveOptions
from relu2mip.passes import drop_dead, drop_stable, fuse_affine
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
    objective = unrolled.objective()
    discrete = any(level is not None for name in objective.box for level in objective.levels(name))
    if expired() or discrete:
        return plan
    model, inputs = _program(unrolled, bounds, plan)
    if model is None:
        return plan
    model = _pinned(model, objective.binaries({name: x[None] for name, x in plan.inputs.items()}))
    if model.integer.any():
        return plan
    try:
        with unreported():
            solution = ask(model, backends["highs"](), SolveOptions(time_limit=max(at_most(seconds), 1e-3)))
    except SolverFailure as error:
        log.info("a plan is not polished: %s", error)
        return plan
    if solution.x is None:
        return plan
    point = {name: solution.x[inputs[name]][None] for name in plan.inputs}
    candidate = objective.snap(point)
    cost, violation = objective.evaluate(candidate)
    found = Plan({name: x[0] for name, x in candidate.items()}, float(cost[0]), float(violation[0]))
    return found if found.better_than(plan) else plan


def _pinned(model: MipModel, binaries: Mapping[str, Array]) -> MipModel:
    """The program with these binaries fixed: the plan stays on its side of every obstacle."""
    lower, upper, integer = model.lower.copy(), model.upper.copy(), model.integer.copy()
    for name, values in binaries.items():
        columns = (model.values or {})[name]
        lower[columns] = upper[columns] = values
        integer[columns] = False
    return replace(model, lower=lower, upper=upper, integer=integer)


def _program(unrolled: Unrolled, bounds: Bounds, plan: Plan) -> tuple[MipModel | None, dict[str, Index]]:
    """The program over inputs, states and costs with the signs of the plan, and the columns of the inputs.

    None where maxima stay undecided. Pre-activations are rows, not columns: each is affine in inputs and states.
    """
    form = unrolled.form
    values = form.evaluate_all({name: x[None] for name, x in plan.inputs.items()})
    lower, upper = list(bounds.lower), list(bounds.upper)
    signs = {value.input: values[value.input][0] > 0 for value in form.values if isinstance(value, Relu)}
    for k, active in signs.items():
        lower[k] = np.where(active, np.maximum(lower[k], 0.0), -np.inf)
        upper[k] = np.where(active, np.inf, np.minimum(upper[k], 0.0))
    plain = drop_stable(form, lower, upper)
    if any(isinstance(value, Max) for value in plain.form.values):
        return None, {}
    whole = {old: new for new, (old, units) in enumerate(plain.origin) if units is None}
    watched = {f"sign@{k}": whole[k] for k in signs}
    told = replace(plain.form, outputs={**plain.form.outputs, **watched})
    rewrite = fuse_affine(told).then(drop_dead)
    fixed = Bounds(form, tuple(lower), tuple(upper)).select(plain)
    fixed = Bounds(told, fixed.lower, fixed.upper).select(rewrite)
    builder = ModelBuilder()
    expressions, _ = encode(fixed, Triangle(), builder)
    outputs = fixed.form.outputs
    for k, active in signs.items():
        x = expressions[outputs[f"sign@{k}"]]
        low, high = np.where(active, 0.0, -np.inf) - x.constant, np.where(active, np.inf, 0.0) - x.constant
        builder.add_rows(NameBlock.of(form.values[k].place, ".sign"), x.terms, low, high)
    unrolled.write(builder, {name: expressions[i] for name, i in outputs.items() if name not in watched})
    columns = {name: expressions[i].columns for name, i in fixed.form.inputs.items()}
    return builder.build(), {name: at for name, at in columns.items() if at is not None}
