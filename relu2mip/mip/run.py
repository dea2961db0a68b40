"""Solve a model on any backend: rewrite what the backend lacks, write it in its units, solve, and judge the word."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from relu2mip.errors import InvalidProblem
from relu2mip.mip.aids import NO_AIDS, Aids
from relu2mip.mip.capability import Capability, needs, require
from relu2mip.mip.components import Part, parts, solved_apart
from relu2mip.mip.judge import Judge, Question, nothing_known
from relu2mip.mip.lowering import REWRITTEN, lower
from relu2mip.mip.model import MipModel
from relu2mip.mip.outer_approximation import TANGENT_CUTS, outer_approximate
from relu2mip.mip.rescale import Rescaling, objective_of, rescaled, restored
from relu2mip.mip.solution import Solution, Stop
from relu2mip.mip.solver import Solver, Unchanging
from relu2mip.mip.supervise import cut_short
from relu2mip.mip.units import Units
from relu2mip.options import LEAST_TOLERANCE, SolveOptions
from relu2mip.registry import backends
from relu2mip.runtime.deadline import expired, seconds_left
from relu2mip.runtime.progress import reported_as, unreported

OPINIONS = {
    "without presolve": {"presolve": False},
    "to a smaller tolerance": {"tolerance": LEAST_TOLERANCE},
    "without presolve, to a smaller tolerance, with another seed": {"presolve": False, "tolerance": LEAST_TOLERANCE},
}
"""How a backend is asked again."""

LEAST_SECONDS = 0.05
"""Nobody is asked again in less."""


TOO_LATE = "the time was over before the search began"


def run(
    model: MipModel,
    backend: Solver,
    options: SolveOptions,
    known: Callable[[], float] = nothing_known,
    aids: Aids = NO_AIDS,
) -> Solution:
    """Solve a model, and again where the solver's word cannot be true (`relu2mip.mip.judge`).

    known: the cost of a plan that is known to exist, asked when a word is judged; infinite where there is none.
    aids: of the model.  A model that falls apart is solved in parts (`relu2mip.mip.components`), without them.
    `lowered` of the solution names what was rewritten because the backend lacks it; `x` has the columns of `model`.
    The time limit is cut to what is left of the budget around it; where nothing is, no solver begins.
    A backend that cannot tell unbounded from infeasible is asked again without the objective.

    Raises `BackendUnavailable`, `CapabilityMissing`, `SolverFailure`, and `InvalidProblem` for a quadratic cost that is
    not convex.
    """
    if model.quadratic is not None and (model.quadratic < 0).any():
        column = model.column_names[int(np.argmin(model.quadratic))]
        weight = model.quadratic.min()
        raise InvalidProblem(f"the cost is not convex: column {column} is squared with weight {weight:g}")
    if impossible := _impossible(model):
        return Solution(Stop.INFEASIBLE, bound=np.inf, solver="none needed", conflict=impossible)
    return Judge(model, options.gap, known, aids.heuristic).settle(_questions(model, backend, options, aids))


def _questions(model: MipModel, backend: Solver, options: SolveOptions, aids: Aids) -> Iterator[Question]:
    """The backend as it was asked for, then second opinions within what is left of the time."""
    begun = time.perf_counter()

    def left() -> float:
        return min(options.time_limit - (time.perf_counter() - begun), seconds_left())

    # A backend that holds a program from solve to solve would have to take another one for each part.
    found = [] if isinstance(backend, Unchanging) else parts(model)
    if len(found) > 1:
        yield Question("in parts", partial(_in_parts, found, model, backend, options))
        options = replace(options, time_limit=max(left(), LEAST_SECONDS))
    yield Question("", partial(ask, model, backend, options, aids))
    for name, change in OPINIONS.items():
        if left() <= LEAST_SECONDS:
            return
        seed = options.seed + ("seed" in name)
        again = replace(options, **change, seed=seed, time_limit=left())  # type: ignore[arg-type]
        yield Question(name, partial(ask, model, backend, again, aids))
    for name in backends:
        if name != backend.name and left() > LEAST_SECONDS:
            again = replace(options, time_limit=left())
            yield Question(f"by {name}", partial(ask, model, backends[name](), again, aids))


def _in_parts(found: Sequence[Part], model: MipModel, backend: Solver, options: SolveOptions) -> Solution:
    """The solution of a model that falls apart, each part within its share of the time, and of the gap."""
    begun = time.perf_counter()

    def solve(part: MipModel, count: int) -> Solution:
        left = options.time_limit - (time.perf_counter() - begun)
        return ask(part, backend, replace(options, gap=options.gap / len(found), time_limit=max(left / count, 1e-3)))

    with unreported():
        return solved_apart(found, model, solve)


def ask(model: MipModel, backend: Solver, options: SolveOptions, aids: Aids = NO_AIDS) -> Solution:
    """A backend's word on a model, in the columns and units of the model: not judged, so for programs that may fail."""
    if expired():
        return Solution(cut_short(), message=TOO_LATE)
    capabilities = backend.capabilities()
    require(model, capabilities | REWRITTEN | {Capability.QUADRATIC}, backend.name, aids)
    cut = Capability.QUADRATIC in needs(model) - capabilities
    lowered_model, lowered = lower(model, capabilities | {Capability.QUADRATIC}, backend.name)
    if options.rescale:
        units = backend.units(lowered_model) if isinstance(backend, Unchanging) else Units.of(lowered_model)
        with reported_as(objective_of(lowered_model, units)):
            inner = aids.through(lowered_model, Rescaling(units))
            found = _solved(rescaled(lowered_model, units), backend, options, inner, cut)
            solution = restored(found, lowered_model, units)
    else:
        solution = _solved(lowered_model, backend, options, aids, cut)
    lowered += (TANGENT_CUTS,) if cut else ()
    x = None if solution.x is None else solution.x[: model.columns]
    return replace(solution, x=x, lowered=lowered, conflict=_known(solution.conflict, model))


def _solved(model: MipModel, backend: Solver, options: SolveOptions, aids: Aids, cut: bool) -> Solution:
    """A model that the backend takes, maybe but for its squares, which are cut."""
    begun = time.perf_counter()
    if expired():
        return Solution(cut_short(), message=TOO_LATE)
    solution = outer_approximate(model, backend, options, aids) if cut else backend.solve(model, options, aids)
    if solution.stop is not Stop.UNBOUNDED:
        return solution
    remaining = options.time_limit - (time.perf_counter() - begun)
    return _feasible_at_all(solution, model, backend, replace(options, time_limit=max(remaining, 1e-3)))


def _impossible(model: MipModel) -> tuple[str, ...]:
    """Columns with crossed bounds, and rows without entries that are not met; not every solver takes these."""
    rows = (np.diff(model.matrix.indptr) == 0) & ((model.row_lower > 0) | (model.row_upper < 0))
    columns = model.lower > model.upper
    found = [model.row_names[k] for k in np.flatnonzero(rows | (model.row_lower > model.row_upper)).tolist()]
    return (*found, *(model.column_names[k] for k in np.flatnonzero(columns).tolist()))


def _feasible_at_all(unbounded: Solution, model: MipModel, backend: Solver, options: SolveOptions) -> Solution:
    """Unbounded if there is a feasible point at all, else infeasible, or the limit that came before either."""
    anything = replace(model, cost=np.zeros(model.columns), quadratic=None, offset=0.0)
    found = backend.solve(anything, options, NO_AIDS)
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
