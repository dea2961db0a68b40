"""The compiler's pipeline: problem -> normal form -> bounds -> fewer units -> model -> cuts."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

from relu2mip.backends.protocol import Backend
from relu2mip.bounds import Bounds, compute_bounds
from relu2mip.errors import ContradictoryBounds, CrossedBounds, InvalidProblem, OutOfTime
from relu2mip.formulations import Formulation, encode
from relu2mip.formulations.implied import write_implications
from relu2mip.formulations.stage_cost import write_stage_costs
from relu2mip.incumbent.best import offer
from relu2mip.incumbent.heuristic import PlanHeuristic
from relu2mip.incumbent.start import start_from
from relu2mip.lp.cuts import with_root_cuts
from relu2mip.mip import ModelBuilder
from relu2mip.mip.solver import Solver
from relu2mip.passes import specialise
from relu2mip.pipeline.answer import Answer
from relu2mip.pipeline.program import Program, unbuilt
from relu2mip.pipeline.quality import Quality, quality
from relu2mip.pipeline.relevance import relevant_alone
from relu2mip.pipeline.searching import answered, settings_of, sign_of
from relu2mip.pipeline.specs import (
    BoundSpec,
    Problem,
    chosen_binary_horizon,
    chosen_formulation,
    require_problem,
    resolve_backend,
    resolve_bounds,
    resolve_solver,
)
from relu2mip.pipeline.statistics import Statistics
from relu2mip.pipeline.update import RebuildNeeded, RebuildReason, Recipe, relaxed_from, rows_from
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.runtime.progress import Listener, report, reporting
from relu2mip.trajectory.conflict import spoken
from relu2mip.trajectory.given import Start, given_plan
from relu2mip.trajectory.problem import Trajectory

BOUNDS_SHARE = 0.5
"""Share of the time limit that bounds may take; what they have not tightened by then, the search has to."""

CUTS_SHARE = 0.25
"""Share of what is left then for cut rounds at the root."""


@dataclass(frozen=True, eq=False)
class Compiled(Program):
    """A problem as a mixed-integer program, ready for any backend.

    model: the program.  normal_form: what is left of the network after stable units are gone.  bounds: on that form.
    all_bounds: on the whole unrolled form.  expressions: the named vectors ("state@3") over the model's columns.
    exact: whether the formulation encodes the network, and not a relaxation of it.  aids: what helps a solver.
    irrelevant: entries of named vectors that are left out, as neither cost nor constraints depend on them.
    recipe: how it was compiled, for `update`.  rebuilt: of a program that `update` gave, why it was compiled anew.
    """

    recipe: Recipe
    rebuilt: RebuildReason | None = None

    def update(
        self,
        *,
        problem: Trajectory | None = None,
        rebuild: bool = True,
        passes: BoundSpec = "ibp",
        **changes: Any,
    ) -> Compiled:
        """The program for other numbers of the same problem; see `Trajectory.changed` for what may change.

        Only what moves is computed: bounds of columns, right-hand sides, the objective. The bounds were proven for the
        sets the program was compiled for, so compile for a `Box` of initial states, and without a cutoff, as with
        `bounds="crown"`; `passes` narrows them for the numbers at hand, and the binaries of units whose phase that
        decides are fixed. Where they do not hold, the program is compiled anew, and `rebuilt` says why; with
        `rebuild=False`, that raises `RebuildNeeded`. `statistics` are those of the new program.

        problem: what `self.problem.changed(**changes)` gave, instead of changes.
        Raises `CrossedBounds` where the new numbers leave no plan, `InvalidProblem` for changes that do not fit.

        >>> import relu2mip as r2m
        >>> from relu2mip.ir.samples import integrator
        >>> problem = r2m.Trajectory(
        ...     integrator(), horizon=3, initial_state=r2m.Box(-1, 1), predicts="change",
        ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(state=1.0))
        >>> compiled = r2m.compile(problem, bounds="crown")
        >>> now = compiled.update(initial_state=[0.5, 0.0], rebuild=False)
        >>> now.model.matrix is compiled.model.matrix, now.solve().objective < 2
        (False, True)
        """
        if not isinstance(self.problem, Trajectory):
            raise InvalidProblem("update: only the numbers of a Trajectory can change; compile the box problem anew")
        if problem is None:
            problem = self.problem.changed(**changes)
        elif changes:
            raise InvalidProblem(f"update: give the changed problem or {', '.join(changes)}, not both")
        unrolled = problem.unrolled
        why = ", ".join(self.irrelevant)
        refused = (RebuildReason.IRRELEVANT, why) if why else self.recipe.why_not(unrolled)
        if refused:
            if not rebuild:
                raise RebuildNeeded(*refused)
            recipe = self.recipe
            how = list(recipe.methods), recipe.formulation, recipe.binary_horizon
            made = compile(problem, *how, drop_irrelevant=bool(self.irrelevant))
            return replace(made, rebuilt=refused[0])
        begun = time.perf_counter()
        bounds = self.recipe.narrowed(unrolled, resolve_bounds(passes) if passes else ())
        reduced = bounds.select(self.recipe.rewrite)
        bounded_at = time.perf_counter()
        builder, model, stages = self.recipe.written(unrolled, reduced)
        aids = builder.aids
        if self.exact:
            aids = replace(aids, heuristic=PlanHeuristic(unrolled, bounds, reduced.form))
        seconds = {"bounds": bounded_at - begun, "model": time.perf_counter() - bounded_at}
        statistics = Statistics.of(bounds, self.recipe.encodings, stages, model, seconds)
        return replace(
            self,
            problem=problem,
            model=model,
            bounds=reduced,
            all_bounds=bounds,
            statistics=statistics,
            aids=aids,
            rebuilt=None,
        )

    def session(self, backend: str | Backend = "highs") -> Solver:
        """A backend that holds the program from solve to solve: give it to `solve` of each updated program.

        Call it on the program that was compiled for the whole box: programs are rescaled by its ranges.

        >>> import relu2mip as r2m
        >>> from relu2mip.ir.samples import integrator
        >>> problem = r2m.Trajectory(
        ...     integrator(), horizon=2, initial_state=r2m.Box(-1, 1), predicts="change",
        ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(state=1.0))
        >>> compiled = r2m.compile(problem, bounds="crown")
        >>> held = compiled.session("highs")
        >>> plans = [compiled.update(initial_state=[x, 0.0]).solve(held) for x in (0.5, -0.5)]
        >>> held.loads
        1
        """
        return resolve_backend(backend).session(self.model)

    def solve(
        self,
        backend: str | Solver | None = None,
        start: Start | None = None,
        progress: Listener | None = None,
        **options: Any,
    ) -> Answer:
        """Solve and check; see `relu2mip.solve`. The time limit is that of the search."""
        chosen = resolve_solver(backend if backend is not None else self.problem.options.get("backend", "highs"))
        given = None if start is None else given_plan(self.problem, start)
        with reporting(progress, sign_of(self.problem)):
            return answered(self.problem, lambda: self, None, chosen, settings_of(self.problem, options), given)

    def quality(self, best: float = math.nan, time_limit: float = 30.0) -> Quality:
        """How strong and how well scaled the program is; see `relu2mip.pipeline.quality.quality`."""
        return quality(self, best, time_limit)


def compile(
    problem: Problem,
    bounds: BoundSpec | None = None,
    formulation: str | Formulation | None = None,
    binary_horizon: int | None = None,
    drop_irrelevant: bool = False,
) -> Compiled:
    """Compile a problem.

    bounds: "auto", a string like "ibp+data(path=x.npz)", a bound method, `Bounds` known from before that hold for this
    problem too (`Bounds.covers`), or a list of those; None takes the problem file's choice, else "auto".
    formulation: "auto", "big-m", or a formulation.

    binary_horizon: from this step on, binaries are continuous: the tail of the horizon is a relaxation, `exact` is
    false, and answers say so; 0 keeps them all, None takes the problem file's choice, else 0.

    drop_irrelevant: leave out states (and outputs) that neither cost nor constraints depend on, with the units that
    they alone depend on. Plans and costs are the same; such a program is neither updated nor emitted.

    Inside `runtime.deadline.limited`, bounds take half of what is left at most, cuts a quarter of the rest. Raises
    `UnboundedUnit`, `CrossedBounds` (the problem is infeasible), `UnknownOption`, and `OutOfTime` where nothing is left
    to build the program in. Warns of a stage most of whose programs the solver failed at; answers say so too.

    >>> import relu2mip as r2m
    >>> from relu2mip.ir.samples import tiny
    >>> compiled = r2m.compile(r2m.BoxProblem(tiny(), -1, 1, objective=[1.0], sense="max"))
    >>> compiled.model.binaries, compiled.statistics.units
    (2, 2)
    """
    require_problem(problem)
    methods = resolve_bounds(bounds if bounds is not None else problem.options.get("bounds", "auto"))
    chosen, step = chosen_formulation(problem, formulation), chosen_binary_horizon(problem, binary_horizon)
    begun = time.perf_counter()
    report("unrolling")
    unrolled = problem.unrolled
    unrolled_at = time.perf_counter()
    with limited(BOUNDS_SHARE * seconds_left()):
        try:
            all_bounds = compute_bounds(unrolled, methods)
        except (CrossedBounds, ContradictoryBounds) as error:
            raise type(error)(spoken(str(error), problem)) from error
    if all_bounds.plan is not None:
        offer(unrolled, all_bounds.plan)
    bounded_at = time.perf_counter()
    _in_time(problem, chosen, all_bounds)
    report("writing the program")
    encoded, irrelevant = relevant_alone(unrolled, all_bounds) if drop_irrelevant else (all_bounds, {})
    rewrite = specialise(encoded.form, encoded.lower, encoded.upper)
    reduced = encoded.select(rewrite)
    _in_time(problem, chosen, all_bounds)
    model = ModelBuilder()
    values, encodings = encode(reduced, chosen, model)
    _in_time(problem, chosen, all_bounds)
    expressions = {name: values[i] for name, i in reduced.form.outputs.items()}
    write_implications(reduced, model)
    network = model.narrowed(*model.limits())
    unrolled.write(model, expressions)
    stages = write_stage_costs(model)
    built = model.build()
    how = str(chosen)
    whole = built.binaries
    built = relaxed_from(built, step, encodings)
    exact = chosen.exact and built.binaries == whole
    if built.binaries < whole:
        how = f"{how} with binaries before step {step} alone"
    rows = built.rows
    built = all_bounds.rows.written(built)
    aids = model.aids
    if exact:
        aids = replace(aids, heuristic=PlanHeuristic(unrolled, all_bounds, reduced.form))
    if all_bounds.plan is not None:
        built = built.with_start(start_from(all_bounds.plan, built, reduced.form))
    built_at = time.perf_counter()
    with limited(CUTS_SHARE * seconds_left()):
        built, root_cuts = with_root_cuts(built, aids)
    seconds = {
        "unroll": unrolled_at - begun,
        "bounds": bounded_at - unrolled_at,
        "model": built_at - bounded_at,
    }
    if root_cuts is not None:
        seconds["cuts"] = root_cuts.seconds
    statistics = Statistics.of(all_bounds, encodings, stages, built, seconds, root_cuts)
    for warning in statistics.warnings:
        warnings.warn(warning, stacklevel=2)
    made = problem, built, rewrite.form, reduced, all_bounds, statistics, expressions, how, exact, aids, irrelevant
    recipe = Recipe(methods, chosen, all_bounds, rewrite, network, values, rows_from(built, rows), step, encodings)
    return Compiled(*made, recipe)


def _in_time(problem: Problem, formulation: Formulation, bounds: Bounds) -> None:
    """Raise `OutOfTime` at the end of the budget."""
    if expired():
        message = "the time was over before the program was built; raise time_limit, or take faster bounds"
        raise OutOfTime(message, unbuilt(problem, formulation, bounds))
