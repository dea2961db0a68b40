"""The rest of a search: what a solver makes of the boxes that are left, as one program inside the hull of all of them.

Near the best plan boxes get smaller for long before a linear function below the objective tells them apart. But they
agree about nearly all units, so that a program over all of them has few binaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array
from relu2mip.formulations import Formulation, encode
from relu2mip.formulations.stage_cost import write_stage_costs
from relu2mip.mip import ModelBuilder, NameBlock, Stop
from relu2mip.mip.extend import with_rows
from relu2mip.mip.run import ask
from relu2mip.mip.solver import Solver
from relu2mip.options import SolveOptions
from relu2mip.passes import specialise
from relu2mip.runtime.deadline import at_most
from relu2mip.runtime.progress import unreported
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.unrolled import Unrolled

LEAST_SECONDS = 1e-3


@dataclass(frozen=True, eq=False)
class Solved:
    """bound: no plan inside the bounds costs less.  inputs: of the solver's point, by name, as far as they are free."""

    bound: float
    inputs: Mapping[str, Array] | None = None


def solved(
    unrolled: Unrolled,
    bounds: Bounds,
    formulation: Formulation,
    backend: Solver,
    limit: float,
    gap: float,
    seconds: float,
) -> Solved:
    """Look for a plan inside the bounds that costs at most `limit`; the bound is that limit where there is none.

    The bound is a solver's word. Raises what backends raise.
    """
    reduced = bounds.select(specialise(unrolled.form, bounds.lower, bounds.upper))
    builder = ModelBuilder()
    values, _ = encode(reduced, formulation, builder)
    unrolled.write(builder, {name: values[i] for name, i in reduced.form.outputs.items()})
    write_stage_costs(builder)
    model = builder.build()
    if model.quadratic is None and np.isfinite(limit):
        row = sp.csr_array(model.cost[None, :])
        model = with_rows(model, NameBlock("limit", np.zeros(1, dtype=np.intp)), row, upper=limit - model.offset)
    options = SolveOptions(time_limit=max(at_most(seconds), LEAST_SECONDS), gap=gap, threads=1)
    with unreported():
        solution = ask(model, backend, options, replace(builder.aids, conflict=False))
    if solution.stop is Stop.INFEASIBLE:
        return Solved(limit)
    if solution.x is None:
        return Solved(solution.bound)
    columns = {name: values[i].columns for name, i in reduced.form.inputs.items()}
    inputs = {name: solution.x[where] for name, where in columns.items() if where is not None}
    return Solved(solution.bound, inputs)
