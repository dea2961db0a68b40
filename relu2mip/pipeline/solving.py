"""Solve a problem and check what the solver says before anyone sees it."""

from __future__ import annotations

from concurrent.futures import Executor
from functools import partial
from typing import Any

from relu2mip.accept import shown
from relu2mip.backends.protocol import Backend
from relu2mip.errors import (
    InvalidOption,
)
from relu2mip.formulations import Formulation
from relu2mip.options import TREE
from relu2mip.pipeline.answer import Answer
from relu2mip.pipeline.compiled import compile as compile_problem
from relu2mip.pipeline.searching import Boxwise, answered, settings_of, sign_of
from relu2mip.pipeline.specs import (
    BASE_BOUNDS,
    BoundSpec,
    Problem,
    chosen_binary_horizon,
    chosen_formulation,
    chosen_search,
    require_problem,
    resolve_backend,
    resolve_bounds,
)
from relu2mip.runtime.progress import Listener, reporting
from relu2mip.search import Cells
from relu2mip.trajectory.covered import require_free
from relu2mip.trajectory.given import Start, given_plan
from relu2mip.trajectory.problem import Trajectory


def solve(
    problem: Problem,
    backend: str | Backend | None = None,
    bounds: BoundSpec | None = None,
    formulation: str | Formulation | None = None,
    start: Start | None = None,
    progress: Listener | None = None,
    binary_horizon: int | None = None,
    search: str | Cells | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Answer:
    """Compile, solve, check.

    backend: "highs", "gurobi", "cvxpy" (also "cvxpy(solver=SCIP)"), or a backend.  options: the fields of
    `SolveOptions`: time_limit, gap, threads, seed, log, node_limit, rescale.  What is None or not given comes from the
    problem file's [solve] table, else from the defaults.
    start: controls (H, m) of a plan, or inputs of a box problem, that the search starts from (`Compiled.start_from`)
    unless a better one is found; the answer is at least as good.
    binary_horizon: as for `relu2mip.compile`: from this step on, binaries are relaxed, and the answer says so; 0 keeps
    them all.
    search: "tree" is the backend's own branch and bound; "cells", with options as in "cells(workers=4)", is relu2mip's
    over boxes of the inputs (`relu2mip.search.Cells`), which leaves a `certificate`, starts from bounds="crown", and
    has the backend finish; "auto" looks, where bounds="auto" expects a long search, whether boxes get on, and takes the
    tree otherwise. executor: judges the boxes of "cells", any `concurrent.futures.Executor`, as of a Dask client.
    progress: is called with a `Progress` at each stage, better plan and higher bound, maybe from another thread.

    The time limit is wall time, of everything this does. At the limit, at Ctrl-C, and where the solver fails, the best
    plan that was found by then is the answer, and its status says why; a second Ctrl-C raises `KeyboardInterrupt`.

    Raises `InvalidProblem` where an obstacle covers the initial state, `InfeasibleProblem`, `UnboundedProblem`,
    `NoIncumbent` (no plan was found until then), `BackendUnavailable`, `CapabilityMissing`, `SolverFailure`,
    `UnknownOption`, and what `relu2mip.compile` raises.

    >>> import relu2mip as r2m
    >>> from relu2mip.ir.samples import tiny
    >>> answer = r2m.solve(r2m.BoxProblem(tiny(), -1, 1, objective=[1.0], sense="max"))
    >>> round(answer.objective, 4), answer.status, answer.has_plan
    (2.0, 'optimal', True)
    """
    require_problem(problem)
    if isinstance(problem, Trajectory):
        require_free(problem)
    settings = settings_of(problem, options)
    chosen = resolve_backend(backend if backend is not None else problem.options.get("backend", "highs"))
    by = chosen_search(problem, search)
    if bounds is None and isinstance(by, Cells):
        bounds = problem.options.get("bounds", BASE_BOUNDS)
    resolve_bounds(bounds if bounds is not None else problem.options.get("bounds", "auto"))
    given = None if start is None else given_plan(problem, start)
    how, step = chosen_formulation(problem, formulation), chosen_binary_horizon(problem, binary_horizon)
    if progress is not None and not callable(progress):
        raise InvalidOption(f"progress is {shown(progress)}; give a function of one Progress")
    if executor is not None and not (isinstance(by, Cells) and isinstance(executor, Executor)):
        raise InvalidOption('executor: give a concurrent.futures.Executor, and search="cells", which alone uses one')
    with reporting(progress, sign_of(problem)):
        make = partial(compile_problem, problem, bounds, how, step, drop_irrelevant=True)
        boxwise = None if by == TREE else Boxwise(by if isinstance(by, Cells) else None, how, executor)
        return answered(problem, make, how, chosen, settings, given, boxwise)
