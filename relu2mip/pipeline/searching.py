"""Search in a program within a time limit, and answer with the best that is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from relu2mip.bounds.auto import seconds_of_search
from relu2mip.errors import (
    ContradictoryBounds,
    CrossedBounds,
    InfeasibleProblem,
    InvalidOption,
    NoIncumbent,
    OutOfTime,
    SolverFailure,
    UnboundedProblem,
)
from relu2mip.formulations import Formulation
from relu2mip.incumbent import Plan, Sampling, cross_entropy
from relu2mip.incumbent.best import Best, keeping
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.start import start_from
from relu2mip.mip import MipModel, Solution, Stop
from relu2mip.mip.run import TOO_LATE, run
from relu2mip.mip.solver import Solver
from relu2mip.mip.supervise import cut_short
from relu2mip.mip.units import Units
from relu2mip.options import SolveOptions, build
from relu2mip.pipeline.answer import Answer
from relu2mip.pipeline.program import Program, unbuilt
from relu2mip.pipeline.specs import Problem
from relu2mip.runtime.ctrl_c import stopped_by_ctrl_c
from relu2mip.runtime.deadline import expired, interrupted, limited, now, seconds_left
from relu2mip.runtime.progress import report, tell_time_of_this_budget
from relu2mip.search import Cells, Certificate, Judge
from relu2mip.trajectory.conflict import sets_in

LONG = 10.0
"""Seconds that a backend's search must be expected to take for boxes to be tried first, which costs about one."""

TRIED = 0.75
"""Share of the time for boxes that get on."""

START_SHARE = 0.1
"""Share of what is left for looking for a plan beside the one that a caller gives."""

LAST_SHARE = 0.05
"""Share of the time limit for looking for a plan where it passed without any."""

LAST_SECONDS = 0.3
"""The same where the user waits, after an interrupt."""

LAST_SAMPLES = 128

SAME = 1e-9
"""Costs that differ by less, relative to the range of the objective, are the same."""

UNFINISHED = Stop.TIME_LIMIT, Stop.NODE_LIMIT, Stop.INTERRUPTED
"""Ends of a search that say nothing of the plans there are."""


def settings_of(problem: Problem, given: Mapping[str, Any]) -> SolveOptions:
    """The options of a solve: as given, else as the problem's file says, else the defaults."""
    known = {f.name for f in fields(SolveOptions)}
    from_file = {key: value for key, value in problem.options.items() if key in known}
    return build(SolveOptions, {**from_file, **given}, "solve option")


def sign_of(problem: Problem) -> float:
    """-1 where the problem maximises: the program minimises."""
    return -1.0 if getattr(problem, "sense", "min") == "max" else 1.0


def answered(
    problem: Problem,
    make: Callable[[], Program],
    formulation: Formulation | None,
    backend: Solver,
    options: SolveOptions,
    given: Plan | None,
    search: Boxwise | None = None,
) -> Answer:
    """Compile and search within the time limit, then answer with the best that is known.

    search: in place of the backend's own.
    """
    begun = now()
    with limited(options.time_limit) as budget, stopped_by_ctrl_c(budget), keeping(problem.unrolled) as best:
        tell_time_of_this_budget()
        if given is not None:
            best.keep(given)
        compiled, solution, certificate = _searched(problem, make, formulation, backend, options, best, given, search)
        waits = interrupted()
    if best.plan is None and solution.x is None and solution.stop in UNFINISHED:
        report("looking for any plan")
        seconds = LAST_SHARE * options.time_limit
        _sample(problem, compiled, best, min(seconds, LAST_SECONDS) if waits else seconds)
    answer = _checked(compiled, replace(solution, seconds=now() - begun), backend.name, best.plan)
    return replace(answer, seconds=now() - begun, certificate=certificate)


def _searched(
    problem: Problem,
    make: Callable[[], Program],
    formulation: Formulation | None,
    backend: Solver,
    options: SolveOptions,
    best: Best,
    given: Plan | None,
    search: Boxwise | None,
) -> tuple[Program, Solution, Certificate | None]:
    """The program and what the search in it ended with, as far as either got."""
    try:
        compiled = make()
    except OutOfTime as error:
        return error.compiled, Solution(cut_short(), message=str(error)), None
    except (CrossedBounds, ContradictoryBounds, SolverFailure) as error:
        if best.plan is None or formulation is None:
            raise
        message = f"a plan is known, but: {error}"
        return unbuilt(problem, formulation), Solution(Stop.FAILED, message=message), None
    if expired():
        return compiled, Solution(cut_short(), message=TOO_LATE), None
    least = compiled.all_bounds.least
    if best.plan is not None and Units.of(compiled.model).gap(best.plan.cost, least) <= options.gap:
        return compiled, Solution(Stop.OPTIMAL, bound=least, message="the bounds alone prove it"), None
    report("searching")
    certificate = None
    if search is not None and search.fits(compiled):
        solution, certificate = search.solved(compiled, backend, options, best)
        if search.cells is not None or solution.stop is Stop.OPTIMAL or expired():
            return compiled, solution, certificate
        least = max(least, solution.bound)
        report("searching")
    if best.plan is not None and (given is not None or certificate is not None):
        compiled = _started(compiled, backend, best)

    def known() -> float:
        return best.plan.cost if best.plan is not None and compiled.all_bounds.sound else math.inf

    try:
        solution = run(compiled.model, backend, options, known, compiled.aids)
    except SolverFailure as error:
        if best.plan is None:
            raise
        return compiled, Solution(Stop.FAILED, bound=least, message=str(error)), None
    ends = [best.plan.cost] if best.plan is not None else []
    return compiled, replace(solution, bound=max(solution.bound, min([least, *ends]))), None


@dataclass(frozen=True)
class Boxwise:
    """Branch and bound over boxes of the inputs, in place of a backend's own, maybe on an executor of the caller's.

    cells: None where it is to be tried if a search by the backend is expected to take long, and given up if it does not
    get on.
    """

    cells: Cells | None
    formulation: Formulation
    executor: Executor | None = None

    def fits(self, compiled: Program) -> bool:
        """Whether it is to be tried. Raises `InvalidOption` where it was asked for and cannot be."""
        possible = compiled.exact and compiled.all_bounds.sound
        if self.cells is None:
            return possible and seconds_of_search(compiled.all_bounds) > LONG
        if not possible:
            what = "bounds that are not proven" if compiled.exact else f"{compiled.formulation}, a relaxation"
            raise InvalidOption(f"search {self.cells}: it proves what the network does, but was given {what}")
        return True

    def solved(
        self, compiled: Program, backend: Solver, options: SolveOptions, best: Best
    ) -> tuple[Solution, Certificate | None]:
        """The solution, without a point since the plan is kept, and its proof."""
        judge = Judge.of(compiled.problem, compiled.all_bounds)
        slack = partial(Units.of(compiled.model).slack, gap=options.gap)
        cells, share = (Cells(seed=options.seed), TRIED) if self.cells is None else (self.cells, 1.0)
        given = judge, self.formulation, backend, slack, best.plan, self.executor
        with limited(share * seconds_left()):
            found = cells.solve(*given, probe=self.cells is None)
        if found.plan is not None:
            best.keep(found.plan)
        return found.solution, found.certificate


def _started(compiled: Program, backend: Solver, best: Best) -> Program:
    """The program with the best plan as its start: the caller's, that of the bounds, or one that is looked for.

    One is looked for where the backend would do so itself if it were not given a start.
    """
    model, known = compiled.model, compiled.all_bounds.plan
    if known is None and getattr(backend, "looks_for_plans", False) and compiled.aids.heuristic is not None:
        with limited(START_SHARE * seconds_left()):
            find_plan(compiled.problem.unrolled, compiled.all_bounds)
    plan = best.plan
    assert plan is not None
    if model.start is not None and known is not None and known.cost <= plan.cost:
        return compiled
    columns = start_from(plan, model, compiled.normal_form)
    return compiled if columns is None else replace(compiled, model=model.with_start(columns))


def _sample(problem: Problem, compiled: Program, best: Best, seconds: float) -> None:
    """Look for any plan, in a round of samples at least."""
    unrolled, bounds = problem.unrolled, compiled.all_bounds
    box = {name: (bounds.lower[i], bounds.upper[i]) for name, i in unrolled.form.inputs.items()}
    plan = cross_entropy(unrolled.objective(), box, Sampling(samples=LAST_SAMPLES), seconds)
    if plan.feasible:
        best.keep(plan)


def _checked(compiled: Program, solution: Solution, backend: str, plan: Plan | None) -> Answer:
    """The answer, with the known plan where the solver has none as good, or none that passes the check."""
    costs = [plan.cost] if plan is not None else [] if solution.x is None else [solution.objective]
    solution = replace(solution, bound=max(solution.bound, min([compiled.all_bounds.least, *costs])))
    if plan is None or solution.stop is Stop.UNBOUNDED:
        return Answer.of(compiled, incumbent(solution, backend, compiled.model, compiled.problem), backend)
    if solution.x is not None:
        answer = Answer.of(compiled, replace(solution, bound=min(solution.bound, plan.cost)), backend)
        resolution = SAME * Units.of(compiled.model).range
        if answer.has_plan and not plan.cost < sign_of(compiled.problem) * answer.objective - resolution:
            return answer
    stop, bound = solution.stop, min(solution.bound, plan.cost)
    if stop is Stop.INFEASIBLE:
        stop, bound = Stop.UNSETTLED, -math.inf
    proven = solution.solver == Cells.name or solution.stop is Stop.OPTIMAL
    said = "" if proven else "the plan is a known one, which the search did not improve"
    message = "; ".join(filter(None, (solution.message, said)))
    return Answer.of(compiled, replace(solution, stop=stop, bound=bound, message=message), backend, plan)


def incumbent(solution: Solution, backend: str, model: MipModel, problem: Problem) -> Solution:
    """The solution itself if it has a point; otherwise the error that says why there is none."""
    if solution.x is not None:
        return solution
    where = f"{backend} after {solution.seconds:.1f} s"
    match solution.stop:
        case Stop.INFEASIBLE:
            conflict = sets_in(solution.conflict, model, problem)
            which = f"; in conflict: {', '.join(conflict)}" if conflict else ""
            raise InfeasibleProblem(f"{where}: no plan satisfies the constraints{which}", conflict)
        case Stop.UNBOUNDED:
            raise UnboundedProblem(f"{where}: the objective has no lower limit; bound the columns it depends on")
        case Stop.TIME_LIMIT | Stop.NODE_LIMIT | Stop.INTERRUPTED:
            raise NoIncumbent(
                f"{where}: stopped by the {solution.stop} before any plan was found (proven bound "
                f"{solution.bound:g}); raise the limit, shorten the horizon, or tighten the bounds",
                stop=str(solution.stop),
                bound=solution.bound,
                seconds=solution.seconds,
            )
        case _:
            raise SolverFailure(f"{where}: {solution.message or 'the solver failed'}")
