"""A MIP start from a plan: every column of a model, whatever its formulation, from values of the inputs alone."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from relu2mip.arrays import Array
from relu2mip.incumbent.plan import Plan
from relu2mip.mip import MipModel
from relu2mip.mip.lowering import pairs_to_sos1
from relu2mip.mip.run import run
from relu2mip.normal_form import Input, NormalForm
from relu2mip.options import SolveOptions
from relu2mip.registry import backends

log = logging.getLogger(__name__)

ROOM = 1e-9
"""How far a column may lie from the value that evaluation gives it, relative to max(1, |value|)."""


def start_from(plan: Plan, model: MipModel, form: NormalForm) -> Array | None:
    """All columns of the model at a plan.

    The inputs are fixed there, and every value of `form`, which is what the model encodes, that has columns of its own
    is held next to what evaluation gives it. What is left (binaries, columns of costs) decides itself unit by unit, and
    presolve all but solves it. None, with a warning, where the model does not allow the plan within its bounds.
    """
    lower, upper = model.lower.copy(), model.upper.copy()
    known = model.values or {}
    values = form.evaluate_all({name: x[None] for name, x in plan.inputs.items()})
    for value, (x, *_) in zip(form.values, values, strict=True):
        columns = known.get(value.place.prefix, known.get(f"{value.place.prefix}.y"))
        if columns is None or columns.size != x.size:
            continue
        room = 0.0 if isinstance(value, Input) else ROOM * np.maximum(1.0, np.abs(x))
        inside = np.clip(x, lower[columns], upper[columns])
        lower[columns] = np.maximum(lower[columns], inside - room)
        upper[columns] = np.minimum(upper[columns], inside + room)
    pinned = pairs_to_sos1(replace(model, lower=lower, upper=upper, start=None))
    solution = run(pinned, backends["highs"](), SolveOptions(time_limit=5.0, threads=1))
    if solution.x is None:
        log.warning("the plan in hand does not start the search: completing it ended %s", solution.stop)
    return solution.x
