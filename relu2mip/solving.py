"""Solve a problem and check what the solver says before anyone sees it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from relu2mip.answer import Answer
from relu2mip.compiled import BoundSpec, Compiled, Problem
from relu2mip.compiled import compile as compile_problem
from relu2mip.errors import InfeasibleProblem, InvalidOption, NoIncumbent, SolverFailure, UnboundedProblem
from relu2mip.formulations import Formulation
from relu2mip.incumbent.given import Start, given_plan
from relu2mip.mip import Solution, Stop
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions, build, parse
from relu2mip.registry import backends

if TYPE_CHECKING:
    from relu2mip.backends.protocol import Backend


def solve(
    problem: Problem,
    backend: str | Backend | None = None,
    bounds: BoundSpec | None = None,
    formulation: str | Formulation | None = None,
    start: Start | None = None,
    **options: Any,
) -> Answer:
    """Compile, solve, check.

    backend: "highs", "gurobi", "cvxpy" (also "cvxpy(solver=SCIP)"), or a backend.  options: the fields of
    `SolveOptions`: time_limit, gap, threads, seed, log, node_limit.  What is None or not given comes from the problem
    file's [solve] table, else from the defaults.
    start: controls (H, m) of a plan, or inputs of a box problem, that the search starts from (`Compiled.start_from`);
    the answer is at least as good. The plan that the bounds found takes its place where that is better.

    Raises `InfeasibleProblem`, `UnboundedProblem`, `NoIncumbent` (a limit came before any plan), `BackendUnavailable`,
    `CapabilityMissing`, `SolverFailure`, `UnknownOption`, and what `relu2mip.compile` raises.

    >>> import relu2mip as r2m
    >>> from relu2mip.samples import tiny
    >>> answer = r2m.solve(r2m.BoxProblem(tiny(), -1, 1, objective=[1.0], sense="max"))
    >>> round(answer.objective, 4), answer.status, answer.has_plan
    (2.0, 'optimal', True)
    """
    settings = _options(problem, options)
    chosen = resolve_backend(backend if backend is not None else problem.options.get("backend", "highs"))
    if start is not None:
        given_plan(problem, start)  # a wrong one is found before any work
    compiled = compile_problem(problem, bounds, formulation)
    return _solve(compiled if start is None else compiled.with_start(start), chosen, settings)


def solve_compiled(
    compiled: Compiled, backend: str | Backend | None, start: Start | None, options: Mapping[str, Any]
) -> Answer:
    """Solve a compiled problem."""
    settings = _options(compiled.problem, options)
    chosen = resolve_backend(backend if backend is not None else compiled.problem.options.get("backend", "highs"))
    return _solve(compiled if start is None else compiled.with_start(start), chosen, settings)


def resolve_backend(spec: str | Backend) -> Backend:
    """The backend that a specification names; raises `UnknownOption`."""
    if not isinstance(spec, str):
        return spec
    chosen: list[Backend] = parse(spec, backends, "backend")
    if len(chosen) != 1:
        raise InvalidOption(f"backend {spec!r}: give exactly one")
    return chosen[0]


def _options(problem: Problem, given: Mapping[str, Any]) -> SolveOptions:
    known = {f.name for f in fields(SolveOptions)}
    from_file = {key: value for key, value in problem.options.items() if key in known}
    return build(SolveOptions, {**from_file, **given}, "solve option")


def _solve(compiled: Compiled, backend: Backend, options: SolveOptions) -> Answer:
    plan = compiled.all_bounds.plan if compiled.all_bounds.sound and compiled.exact else None
    known = plan.cost if plan is not None and plan.feasible else math.inf
    solution = run(compiled.model, backend, options, known)
    if solution.x is None and solution.stop is Stop.UNSETTLED and known < math.inf:
        raise SolverFailure(
            f"{backend.name} finds nothing feasible, but a plan of cost {known:g} is known: bounds that hold "
            'for plans at least that good leave too little room for rounding; solve again with bounds="crown"'
        )
    return Answer.of(compiled, incumbent(solution, backend.name), backend.name)


_AT_STEP = re.compile(r"t(-?\d+)\.([A-Za-z_]\w*)(?:\[\d+\])?(.*)")
_SETS = {"state": "states", "control": "controls", "control_rate": "control_rate"}


def sets_in(conflict: Sequence[str]) -> tuple[str, ...]:
    """The sets and steps that rows and columns of an infeasible subset belong to, in order of steps.

    `t03.state[1]` is the box of states at step 3; rows of the network itself (`t03.layer1...`, `t03.state[1].is`)
    follow from the others and are left out, unless there is nothing else.
    """
    found: dict[tuple[int, str], str] = {}
    rest = []
    for name in conflict:
        match = _AT_STEP.fullmatch(name)
        if match is None or re.match(r"(cost\d+\.)?(layer\d|read)", match.group(2)):
            rest.append(name)
        elif not match.group(3).endswith(".is"):
            step, kind = int(match.group(1)), match.group(2)
            found[step, kind] = f"{_SETS.get(kind, kind)} at step {step}"
    return tuple(found[key] for key in sorted(found)) or tuple(rest)


def incumbent(solution: Solution, backend: str) -> Solution:
    """The solution itself if it has a point; otherwise the error that says why there is none."""
    if solution.x is not None:
        return solution
    where = f"{backend} after {solution.seconds:.1f} s"
    match solution.stop:
        case Stop.INFEASIBLE:
            conflict = sets_in(solution.conflict)
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
