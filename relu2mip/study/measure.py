"""One trial in this process: compile, solve, and all that is worth keeping of it, as plain values."""

from __future__ import annotations

import contextlib
import logging
import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from relu2mip.control.planner import planner as resolve_planner
from relu2mip.errors import (
    BackendUnavailable,
    CapabilityMissing,
    CrossedBounds,
    InfeasibleProblem,
    InvalidProblem,
    NoIncumbent,
    Relu2MipError,
    UnboundedUnit,
)
from relu2mip.pipeline.answer import Answer
from relu2mip.pipeline.compiled import Compiled
from relu2mip.pipeline.compiled import compile as compile_problem
from relu2mip.pipeline.quality import quality
from relu2mip.pipeline.searching import answered, settings_of, sign_of
from relu2mip.pipeline.specs import Problem, resolve_backend, resolve_bounds, resolve_formulation
from relu2mip.runtime.progress import reporting
from relu2mip.study.outcome import Outcome
from relu2mip.study.statement import digest_of_file, stated
from relu2mip.study.trace import Trace
from relu2mip.study.trial import Trial
from relu2mip.trajectory.problem import Trajectory

log = logging.getLogger(__name__)

Result = dict[str, Any]
"""The columns of a result, as `relu2mip.study.schema` lists them; what is not there is unknown."""

ROOT_SECONDS = 30.0
"""Seconds for the linear relaxation, which is solved after the trial."""

WARM_SECONDS = 0.5
"""Seconds for another tool's first step, before its time begins."""

SOLVED_GAPS = 2.0
"""A plan counts as solved at a gap of at most so many times what was asked for: solvers measure theirs otherwise."""


def measured(trial: Trial) -> Result:
    """Run a trial; an error of it is its result, too. The seconds that count begin after imports and reading."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem = _read(trial)
            arm = trial.arm
            warm(arm.bounds, arm.formulation, arm.backend)
            return (_tool if arm.tool else _planner if arm.planner else _solved)(trial, problem)
        except Exception as error:
            return _failed(error)


def _read(trial: Trial) -> Problem:
    """The problem; raises `InvalidProblem` where a file is not what it was when the study was checked."""
    for path, digest in trial.instance.files.items():
        if digest_of_file(path) != digest:
            raise InvalidProblem(f"{path} has changed since the study was checked; run the study again")
    return stated(trial.instance.statement, trial.instance.folder)


@cache
def warm(bounds: str, formulation: str, backend: str) -> None:
    """Compile and solve a tiny problem, so that what is loaded on first use does not count."""
    from relu2mip.ir.samples import tiny
    from relu2mip.pipeline.solving import solve
    from relu2mip.trajectory.box_problem import BoxProblem

    try:
        given = [m for m in resolve_bounds(bounds or "ibp") if not getattr(m, "path", "")] or "ibp"
        solve(BoxProblem(tiny(), -1, 1, [1.0]), backend or "highs", given, formulation or "big-m", time_limit=5.0)
    except Exception as error:
        log.debug("warming up %s, %s, %s: %s", bounds, formulation, backend, error)


def _solved(trial: Trial, problem: Problem) -> Result:
    """Compile and solve, as `relu2mip.solve` does."""
    arm, trace, made = trial.arm, Trace(), []
    given = {"time_limit": trial.instance.time_limit, "seed": trial.seed, "threads": trial.limits.threads}
    settings = settings_of(problem, {**arm.options, **given})
    methods = [_placed(method, trial.folder) for method in resolve_bounds(arm.bounds)]
    formulation, backend = resolve_formulation(arm.formulation), resolve_backend(arm.backend)

    def make() -> Compiled:
        made.append(compile_problem(problem, methods, formulation))
        return made[-1]

    begun, spent = time.perf_counter(), time.process_time()
    answer: Answer | None = None
    try:
        with reporting(trace.listen, sign_of(problem)):
            answer = answered(problem, make, formulation, backend, settings, None)
        found = _of_answer(answer, settings.gap)
    except Exception as error:
        found = _failed(error)
    seconds = time.perf_counter() - begun
    found |= {"seconds": seconds, "cpu_seconds": time.process_time() - spent}
    trace.end(seconds, found.get("objective", math.nan), found.get("bound", math.nan))
    found |= {"plans": trace.plans, "bounds": trace.bounds, "root_bound": trace.root}
    if made:
        found |= _of_compiled(made[0], trial, found.get("objective", math.nan))
        found["search_seconds"] = max(0.0, seconds - sum(made[0].statistics.seconds.values()))
    return found | {"sense": getattr(problem, "sense", "min")}


def _placed(method: Any, folder: str) -> Any:
    path = getattr(method, "path", "")
    return replace(method, path=str(Path(folder) / path)) if path else method


def _of_answer(answer: Answer, gap: float) -> Result:
    solved = answer.status == "optimal" or (answer.exact and answer.gap <= SOLVED_GAPS * gap)
    outcome = Outcome.WRONG if not answer.has_plan and answer.exact else Outcome.SOLVED if solved else Outcome.PLAN
    if not answer.has_plan and not answer.exact:
        outcome = Outcome.NO_PLAN
    check = answer.check
    return {
        "outcome": outcome,
        "status": answer.status,
        "objective": answer.objective,
        "bound": answer.bound,
        "gap": answer.gap,
        "nodes": answer.nodes,
        "solver": answer.solver,
        "grade": answer.grade,
        "exact": answer.exact,
        "check_rows": check.rows,
        "check_bounds": check.bounds,
        "check_integrality": check.integrality,
        "check_error": check.max_error,
        "check_relative_error": check.relative_error,
        "check_sets": check.sets,
        "message": answer.message,
    }


def _of_compiled(compiled: Compiled, trial: Trial, objective: float) -> Result:
    """Sizes, seconds by stage, and the linear relaxation."""
    made = compiled.statistics
    found: Result = {
        "bounds_seconds": made.seconds.get("bounds", math.nan),
        "build_seconds": made.seconds.get("unroll", 0.0)
        + made.seconds.get("model", 0.0)
        + made.seconds.get("cuts", 0.0),
        **{name: getattr(made, name) for name in ("columns", "binaries", "rows", "nonzeros", "units", "stable")},
    }
    if trial.limits.quality:
        try:
            of = quality(compiled, objective if math.isfinite(objective) else math.inf, ROOT_SECONDS)
        except Relu2MipError as error:
            return found | {"message": f"no linear relaxation: {error}"}
        found |= {"relaxation": of.root, "largest_m": of.largest_m, "spread": of.spread, "condition": of.condition}
    return found


def _planner(trial: Trial, problem: Problem) -> Result:
    """Plan once, by the time limit as its deadline."""
    if not isinstance(problem, Trajectory):
        raise CapabilityMissing("planners plan trajectories; exclude them from box problems")
    trace, chosen = Trace(), resolve_planner(trial.arm.planner)
    begun, spent = time.perf_counter(), time.process_time()
    try:
        with reporting(trace.listen):
            plan = chosen.plan(problem, deadline=trial.instance.time_limit)
    except Exception as error:
        return _failed(error) | {"seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - spent}
    seconds = time.perf_counter() - begun
    bound = math.nan if plan.bound is None else plan.bound
    solved = plan.gap is not None and plan.gap <= SOLVED_GAPS * 1e-4
    trace.end(seconds, plan.cost if plan.feasible else math.nan, bound)
    return {
        "outcome": (Outcome.SOLVED if solved else Outcome.PLAN) if plan.feasible else Outcome.NO_PLAN,
        "status": plan.stopped,
        "objective": plan.cost if plan.feasible else math.nan,
        "bound": bound,
        "gap": math.nan if plan.gap is None else plan.gap,
        "nodes": plan.nodes,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - spent,
        "check_sets": plan.violation,
        "plans": trace.plans,
        "bounds": trace.bounds,
        "sense": "min",
    }


def _tool(trial: Trial, problem: Problem) -> Result:
    """Build and solve with another tool; the solver gets what is left of the time limit."""
    from relu2mip.study.peers import require_tool
    from relu2mip.study.peers.problem import PeerProblem

    adapter = require_tool(trial.arm.tool).load()
    posed = PeerProblem.of(problem, trial.instance.statement["network"])
    limit, gap = trial.instance.time_limit, 1e-4
    with contextlib.suppress(Exception):  # what is loaded on first use does not count here either
        adapter.solve(adapter.build(posed.first_step), WARM_SECONDS, gap)
    begun, spent = time.perf_counter(), time.process_time()
    model = adapter.build(posed)
    built = time.perf_counter() - begun
    told = adapter.solve(model, max(limit - built, 0.1), gap, trial.seed, trial.limits.threads)
    seconds = time.perf_counter() - begun
    has = math.isfinite(told.objective) and abs(told.objective) < 1e20
    away = abs(told.objective - told.bound) / max(1e-9, abs(told.objective)) if has else math.nan
    return {
        "outcome": (Outcome.SOLVED if away <= SOLVED_GAPS * gap else Outcome.PLAN) if has else Outcome.NO_PLAN,
        "status": "optimal" if away <= SOLVED_GAPS * gap else "time limit",
        "objective": told.objective if has else math.nan,
        "bound": told.bound,
        "gap": away,
        "nodes": told.nodes,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - spent,
        "build_seconds": built,
        "search_seconds": seconds - built,
        "columns": told.columns,
        "binaries": told.binaries,
        "rows": told.rows,
        "plans": [(round(seconds, 4), told.objective)] if has else [],
        "bounds": [(round(seconds, 4), told.bound)] if math.isfinite(told.bound) else [],
        "sense": "min",
    }


OUTCOMES: Mapping[tuple[type[Exception], ...], Outcome] = {
    (MemoryError,): Outcome.MEMORY,
    (InfeasibleProblem, CrossedBounds): Outcome.INFEASIBLE,
    (NoIncumbent,): Outcome.NO_PLAN,
    (BackendUnavailable, CapabilityMissing, UnboundedUnit): Outcome.REFUSED,
}


def _failed(error: Exception) -> Result:
    """What an error says as a result."""
    outcome = next((outcome for kinds, outcome in OUTCOMES.items() if isinstance(error, kinds)), Outcome.FAILED)
    found: Result = {"outcome": outcome, "message": f"{type(error).__name__}: {error}"}
    if isinstance(error, NoIncumbent):
        found |= {"bound": error.bound, "status": error.stop}
    return found


Measure = Callable[[Trial], Result]
