"""Solve a model on any backend: rewrite what the backend lacks, solve, and cut the solution back to the model."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from relu2mip.deadline import expired
from relu2mip.errors import InvalidProblem, SolverFailure
from relu2mip.mip.capability import Capability, needs
from relu2mip.mip.check import violations
from relu2mip.mip.lowering import lower
from relu2mip.mip.model import MipModel
from relu2mip.mip.outer_approximation import TANGENT_CUTS, outer_approximate
from relu2mip.mip.rescale import RESCALED, RescalingSolver, Solver, needs_rescaling
from relu2mip.mip.solution import Solution, Stop
from relu2mip.mip.supervise import cut_short
from relu2mip.options import SolveOptions

if TYPE_CHECKING:
    from relu2mip.backends.protocol import Backend

WRONG = 1e-3
"""Scaled violation above which a point is not a rounding error but no solution at all."""


TOO_LATE = "the time was over before the search began"


def run(model: MipModel, backend: Backend, options: SolveOptions) -> Solution:
    """Solve a model.

    `lowered` of the solution names what was rewritten because the backend lacks it, or scaled; `x` has the columns of
    `model`.
    The time limit is cut to what is left of the budget around it; where nothing is, no solver begins.
    A backend that cannot tell unbounded from infeasible is asked again without the objective.

    Raises `BackendUnavailable`, `CapabilityMissing`, `InvalidProblem` for a quadratic cost that is not convex, and
    `SolverFailure` where the returned point is no solution.
    """
    if model.quadratic is not None and (model.quadratic < 0).any():
        column = model.column_names[int(np.argmin(model.quadratic))]
        weight = model.quadratic.min()
        raise InvalidProblem(f"the cost is not convex: column {column} is squared with weight {weight:g}")
    if impossible := _impossible(model):
        return Solution(Stop.INFEASIBLE, bound=np.inf, solver="none needed", conflict=impossible)
    if expired():
        return Solution(cut_short(), message=TOO_LATE)
    capabilities = backend.capabilities()
    cut = Capability.QUADRATIC in needs(model) - capabilities
    lowered_model, lowered = lower(model, capabilities | {Capability.QUADRATIC}, backend.name)
    begun = time.perf_counter()
    solver: Solver = backend
    if options.rescale == "on" or (options.rescale == "auto" and needs_rescaling(lowered_model)):
        solver, lowered = RescalingSolver(backend), (*lowered, RESCALED)
    if expired():
        return Solution(cut_short(), message=TOO_LATE)
    if cut:
        solution = outer_approximate(lowered_model, solver, options)
        lowered += (TANGENT_CUTS,)
    else:
        solution = solver.solve(lowered_model, options)
    if solution.stop is Stop.UNBOUNDED:
        remaining = options.time_limit - (time.perf_counter() - begun)
        solution = _settle(solution, lowered_model, solver, replace(options, time_limit=max(remaining, 1e-3)))
    x = None if solution.x is None else solution.x[: model.columns]
    if x is not None and not (found := violations(model, x)).feasible(WRONG):
        raise SolverFailure(f"{solution.solver} returned a point that is no solution; {found}")
    return replace(solution, x=x, lowered=lowered, conflict=_known(solution.conflict, model))


def _impossible(model: MipModel) -> tuple[str, ...]:
    """Columns with crossed bounds, and rows without entries that are not met; not every solver takes these."""
    rows = (np.diff(model.matrix.indptr) == 0) & ((model.row_lower > 0) | (model.row_upper < 0))
    columns = model.lower > model.upper
    found = [model.row_names[k] for k in np.flatnonzero(rows | (model.row_lower > model.row_upper)).tolist()]
    return (*found, *(model.column_names[k] for k in np.flatnonzero(columns).tolist()))


def _settle(unbounded: Solution, model: MipModel, solver: Solver, options: SolveOptions) -> Solution:
    """Unbounded if there is a feasible point at all, else infeasible, or the limit that came before either."""
    anything = replace(model, cost=np.zeros(model.columns), quadratic=None, offset=0.0)
    found = solver.solve(anything, options)
    seconds, nodes = unbounded.seconds + found.seconds, unbounded.nodes + found.nodes
    if found.x is not None:
        return replace(unbounded, stop=Stop.UNBOUNDED, x=None, bound=-np.inf, seconds=seconds, nodes=nodes)
    if found.stop is Stop.INFEASIBLE:
        return replace(found, seconds=seconds, nodes=nodes)
    message = "unbounded or infeasible; the limit came before it was known which"
    return replace(found, bound=-np.inf, seconds=seconds, nodes=nodes, message=message)


def _known(conflict: tuple[str, ...], model: MipModel) -> tuple[str, ...]:
    """The conflict in names of the model itself: what a rewriting added is named after its column or row."""
    if not conflict:
        return ()
    known = {*model.column_names, *model.row_names}
    known.update(model.indicators.names if model.indicators is not None else ())
    known.update(model.sos1.names if model.sos1 is not None else ())
    known.update(model.maxima.operands.names if model.maxima is not None else ())
    known.update(model.pairs.names if model.pairs is not None else ())
    stems = []
    for name in conflict:
        while name and name not in known:
            name = name.rpartition(".")[0]
        stems.append(name)
    return tuple(dict.fromkeys(filter(None, stems)))
