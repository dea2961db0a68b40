"""A MIP start from a plan: every column of a model, whatever its formulation, from values of the inputs alone."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.errors import SolverFailure
from relu2mip.mip import MipModel
from relu2mip.mip.lowering import pairs_to_sos1
from relu2mip.mip.run import ask
from relu2mip.mip.units import Units
from relu2mip.normal_form import NormalForm
from relu2mip.options import SolveOptions
from relu2mip.registry import backends
from relu2mip.runtime.deadline import at_most, expired
from relu2mip.runtime.progress import unreported
from relu2mip.unrolled.plan import Plan

log = logging.getLogger(__name__)

SECONDS = 5.0
"""Most seconds for completing a plan, each time it is tried."""

ROOM = 1e-9
"""How far a column may lie from the value that evaluation gives it, relative to its range; `EPS` to its value."""

EPS = 1e-14


def start_from(plan: Plan, model: MipModel, form: NormalForm) -> Array | None:
    """All columns of the model at a plan.

    The inputs are fixed there, and every value of `form`, which is what the model encodes, that has columns of its own
    is held next to what evaluation gives it. What is left (binaries, columns of costs) decides itself unit by unit, and
    presolve all but solves it. Where rounding leaves no room, the inputs alone are fixed. None, with a warning, where
    the model does not allow the plan within its bounds, the solver fails, or the budget ends.
    """
    if expired():
        return None
    values = form.evaluate_all({name: x[None] for name, x in plan.inputs.items()})
    known = model.values or {}
    columns = [known.get(v.place.prefix, known.get(f"{v.place.prefix}.y")) for v in form.values]
    points = [(at, x[0]) for at, x in zip(columns, values, strict=True) if at is not None and at.size == x.shape[1]]
    inputs = [(known[form.values[i].place.prefix], plan.inputs[name]) for name, i in form.inputs.items()]
    size, why = Units.of(model).size, ""
    for held in (points, []):
        lower, upper = model.lower.copy(), model.upper.copy()
        for k, x in held:
            inside, room = np.clip(x, lower[k], upper[k]), ROOM * size[k] + EPS * np.abs(x)
            lower[k], upper[k] = np.maximum(lower[k], inside - room), np.minimum(upper[k], inside + room)
        for k, x in inputs:
            lower[k] = upper[k] = x
        pinned = pairs_to_sos1(replace(model, lower=lower, upper=upper, start=None))
        try:
            with unreported():
                solution = ask(pinned, backends["highs"](), SolveOptions(time_limit=max(at_most(SECONDS), 1e-3)))
        except SolverFailure as error:
            why = str(error)
            continue
        if solution.x is not None:
            return _settled(solution.x, model, [*held, *inputs])
        why = str(solution.stop)
    say = log.info if expired() else log.warning
    say("the plan in hand does not start the search: completing it ended: %s", why)
    return None


def _settled(x: Array, model: MipModel, held: list[tuple[Index, Array]]) -> Array:
    """The point with known columns at their values, integral ones whole and all inside their bounds: no tolerances."""
    x = np.where(model.integer, np.round(x), x)
    for k, value in held:
        x[k] = value
    return np.clip(x, model.lower, model.upper)
