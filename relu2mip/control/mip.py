"""Branch and bound by a deadline, in a program that is updated from plan to plan and stays in its solver."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from relu2mip.arrays import Array
from relu2mip.bounds.auto import expected
from relu2mip.control.plan import Plan, plan_of, point_of
from relu2mip.control.planner import Planner, Planning
from relu2mip.errors import (
    CrossedBounds,
    InfeasibleProblem,
    InvalidOption,
    OutOfTime,
    Relu2MipError,
)
from relu2mip.incumbent.best import Best, keeping
from relu2mip.incumbent.heuristic import PlanHeuristic
from relu2mip.incumbent.path_integral import PathIntegral, path_integral
from relu2mip.incumbent.start import start_from
from relu2mip.mip import Solution, Stop
from relu2mip.mip.run import ask, run
from relu2mip.mip.solver import Solver
from relu2mip.options import SolveOptions, settle
from relu2mip.pipeline.compiled import Compiled, compile
from relu2mip.pipeline.specs import resolve_backend, resolve_bounds, resolve_formulation
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan as Point

log = logging.getLogger(__name__)

LAST = PathIntegral(samples=64, rounds=1)
"""Where the time passed without any plan."""

MARGIN, LEAST_MARGIN = 0.05, 4e-3
"""Share of the deadline, and seconds, that are kept for reading the plan off the solver."""

NOTHING_ELSE: Any = {"sos1": None, "indicators": None, "maxima": None, "pairs": None}
"""What a linear relaxation leaves out, besides that columns are integral."""

RELAXING = 0.3
"""Share of the time that is left for the root's relaxation."""

ANEW, FADING = 0.35, 0.9
"""Share of the time that is left up to which `anew="auto"` compiles for the state at hand; what is known of how long
that takes fades with each update, so that a slow first time is not held against it for good."""


@dataclass(frozen=True)
class Mip(Planner):
    """Branch and bound.

    backend, bounds, formulation: as `compile` and `solve` take them; bounds with a cutoff are never updated.
    anew: "always" compiles for each state, whose bounds are tighter; "never" only updates a program compiled for the
    whole box of initial states, which is faster; "auto" compiles anew where that took less than a third of the time
    the last time.  gap, threads, seed: of the solver.  binary_horizon: from this step on, binaries are relaxed, so that
    the tail of the plan is guided by a relaxation, and still evaluated by the network; 0 keeps them all.
    """

    backend: str = "highs"
    bounds: str = "crown"
    formulation: str = "big-m"
    anew: str = "auto"
    gap: float = 1e-3
    threads: int = 1
    seed: int = 0
    binary_horizon: int = 0
    name: ClassVar[str] = "mip"

    def __post_init__(self) -> None:
        settle(self)
        if self.anew not in {"always", "never", "auto"}:
            raise InvalidOption(f'{self.name}: anew is {self.anew!r}; give "always", "never" or "auto"')
        resolve_backend(self.backend)
        resolve_bounds(self.bounds)
        resolve_formulation(self.formulation)
        SolveOptions(gap=self.gap, threads=self.threads, seed=self.seed)

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Planner.prepared`; compiles for the problem's box of initial states, where it gives one."""
        return BranchAndBound(self, problem)


def budget(seconds: float) -> float:
    """The part of a deadline that a search may take; half of it at least."""
    return max(seconds / 2, (1 - MARGIN) * seconds - LEAST_MARGIN)


class BranchAndBound:
    """Branch and bound at work. held: the program for the whole box, if any, and the solver that holds it."""

    def __init__(self, options: Mip, problem: Trajectory) -> None:
        self.options = options
        self.compiling = 0.0
        self.held: tuple[Compiled, Solver] | None = None
        low, high = problem.initial_limits
        if options.anew == "never" or (options.anew == "auto" and (low < high).any()):
            try:
                compiled = self._compiled(problem)
                self.held = compiled, compiled.session(options.backend)
            except Relu2MipError as error:
                log.info("nothing is held: %s", error)

    def __call__(self, problem: Trajectory, start: Array | None, seconds: float) -> Plan:
        """A plan; see `Planner.plan`."""
        begun = time.perf_counter()
        with limited(budget(seconds)), keeping(problem.unrolled) as best:
            if start is not None and (point := point_of(problem, start)).feasible:
                best.keep(point)
            return self.search(problem, best, None, begun, {})

    def search(
        self,
        problem: Trajectory,
        best: Best,
        spare: Point | None,
        begun: float,
        stages: dict[str, float],
        widest: float = math.inf,
    ) -> Plan:
        """The best plan that a search within the budget ends with.

        best: holds what is known before.  spare: an infeasible plan to return where there is no other.
        widest: see `Hybrid`.
        """
        rebuilt, sound = "", True
        try:
            compiled, solver = self._program(problem, stages)
            rebuilt, sound = str(compiled.rebuilt or ""), compiled.all_bounds.sound
            solution = self._relaxed(compiled, best, stages, widest)
            if solution is None:
                solution = self._solved(compiled, solver, best, stages)
        except (OutOfTime, TimeoutError) as error:
            solution = Solution(Stop.TIME_LIMIT, message=str(error))
        except CrossedBounds as error:
            if best.plan is None:
                raise InfeasibleProblem(f"no plan satisfies the constraints: {error}") from error
            solution = Solution(Stop.FAILED, message=str(error))
        except Relu2MipError as error:
            if best.plan is None and spare is None:
                raise
            solution = Solution(Stop.FAILED, message=str(error))
        if not sound:
            # Unproven bounds may leave out what the network can reach: nothing that rests on them is proven.
            stop = Stop.UNSETTLED if solution.stop is Stop.INFEASIBLE else solution.stop
            solution = replace(solution, stop=stop, bound=-math.inf)
        point = best.plan or spare
        if best.plan is None and solution.stop is Stop.INFEASIBLE:
            raise InfeasibleProblem("no plan satisfies the constraints")
        if point is None:
            objective = problem.unrolled.objective()
            point = path_integral(objective, objective.box, LAST, 0.0, None, problem.m)
        bound = None if solution.stop is Stop.INFEASIBLE or not math.isfinite(solution.bound) else solution.bound
        return plan_of(
            problem,
            point,
            bound=min(bound, point.cost) if bound is not None and point.feasible else bound,
            seconds=time.perf_counter() - begun,
            stopped=f"{solution.stop}: {solution.message}" if solution.message else str(solution.stop),
            nodes=solution.nodes,
            stages=stages,
            rebuilt=rebuilt,
        )

    def _program(self, problem: Trajectory, stages: dict[str, float]) -> tuple[Compiled, Solver]:
        begun = time.perf_counter()
        if self.held is None and self.compiling > seconds_left():
            raise TimeoutError("compiling takes longer than what is left")
        anew = self.held is None or (self.options.anew == "auto" and self.compiling <= ANEW * seconds_left())
        if self.held is not None and not anew:
            self.compiling *= FADING
            made = self.held[0].update(problem=problem)
            stages["update"] = time.perf_counter() - begun
            return made, self.held[1]
        made = self._compiled(problem)
        self.compiling = stages["compile"] = time.perf_counter() - begun
        return made, resolve_backend(self.options.backend)

    def _compiled(self, problem: Trajectory) -> Compiled:
        chosen = self.options
        return compile(problem, chosen.bounds, chosen.formulation, chosen.binary_horizon)

    def _relaxed(self, compiled: Compiled, best: Best, stages: dict[str, float], widest: float) -> Solution | None:
        """The bound of the linear relaxation, if it is so far below the best plan that no tree is worth its time."""
        if best.plan is None or not math.isfinite(widest):
            return None
        begun = time.perf_counter()
        model = compiled.model
        linear = replace(model, integer=np.zeros_like(model.integer), start=None, **NOTHING_ELSE)
        solution = ask(linear, resolve_backend("highs"), SolveOptions(time_limit=max(RELAXING * seconds_left(), 1e-3)))
        stages["relaxation"] = time.perf_counter() - begun
        if solution.stop is Stop.TIME_LIMIT:
            return Solution(Stop.TIME_LIMIT, message="the root takes too long for a tree")
        gap = (best.plan.cost - solution.bound) / max(abs(best.plan.cost), 1e-12)
        long = expected(compiled.all_bounds.unstable, 1.0) > seconds_left()
        if solution.stop is Stop.OPTIMAL and gap > widest and long:
            return Solution(Stop.NODE_LIMIT, bound=solution.bound, message=f"the root leaves a gap of {gap:.0%}")
        return None

    def _solved(self, compiled: Compiled, solver: Solver, best: Best, stages: dict[str, float]) -> Solution:
        """Search from the best plan; what the search meets is kept in `best`."""
        begun, model = time.perf_counter(), compiled.model
        if best.plan is not None and (columns := start_from(best.plan, model, compiled.normal_form)) is not None:
            model = model.with_start(columns)
        stages["start"] = time.perf_counter() - begun
        if expired():
            return Solution(Stop.TIME_LIMIT, message="the time was over before the search began")
        chosen = self.options
        limits = SolveOptions(time_limit=seconds_left(), gap=chosen.gap, threads=chosen.threads, seed=chosen.seed)

        def known() -> float:
            return best.plan.cost if best.plan is not None and compiled.all_bounds.sound else np.inf

        begun = time.perf_counter()
        solution = run(model, solver, limits, known, compiled.aids)
        if solution.x is not None:
            found = PlanHeuristic(compiled.problem.unrolled, compiled.all_bounds, compiled.normal_form)
            point = found.plan_at(model, solution.x)
            if point.feasible:
                best.keep(point)
        stages["search"] = time.perf_counter() - begun
        return solution
