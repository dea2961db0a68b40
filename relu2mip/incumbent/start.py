"""A MIP start from a plan: every column of a model, whatever its formulation, from values of the inputs alone."""

from __future__ import annotations

from dataclasses import replace

from relu2mip.arrays import Array
from relu2mip.incumbent.plan import Plan
from relu2mip.mip import MipModel
from relu2mip.mip.lowering import pairs_to_sos1
from relu2mip.mip.run import run
from relu2mip.normal_form import NormalForm
from relu2mip.options import SolveOptions
from relu2mip.registry import backends


def start_from(plan: Plan, model: MipModel, form: NormalForm) -> Array | None:
    """All columns of the model at a plan: the model with its inputs fixed there, which presolve all but solves.

    `form` is what the model encodes. None where the model, within its bounds, does not allow the plan.
    """
    lower, upper = model.lower.copy(), model.upper.copy()
    for name, i in form.inputs.items():
        columns = (model.values or {})[form.values[i].place.prefix]
        lower[columns] = upper[columns] = plan.inputs[name]
    pinned = pairs_to_sos1(replace(model, lower=lower, upper=upper, start=None))
    return run(pinned, backends["highs"](), SolveOptions(time_limit=5.0, threads=1)).x
