"""Polish a plan by a linear program: the best plan with the same activation pattern.

With the sign of every pre-activation fixed to what it is at the plan, the network is affine, and cost and sets are
linear or convex quadratic; of alternatives, as around an obstacle, the plan keeps to those it has taken. The plan is
feasible for that program, so its optimum is at least as good.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from relu2mip.arrays import Index
from relu2mip.formulations import encode
from relu2mip.formulations.triangle import Triangle
from relu2mip.incumbent.program import pinned, solved
from relu2mip.mip import MipModel, ModelBuilder, NameBlock
from relu2mip.normal_form import Max, Relu
from relu2mip.passes import drop_dead, drop_stable, fuse_affine
from relu2mip.runtime.deadline import expired
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled


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
    model = pinned(model, objective, plan)
    return plan if model.integer.any() else solved(model, inputs, objective, plan, seconds)[0]


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
