"""The compiler's pipeline: problem -> normal form -> bounds -> fewer units -> model -> cuts."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from relu2mip.accept import refuse, shown
from relu2mip.arrays import Array
from relu2mip.bounds import BoundMethod, Bounds, compute_bounds
from relu2mip.errors import CrossedBounds, InvalidOption, InvalidProblem, OutOfTime
from relu2mip.formulations import Formulation, encode
from relu2mip.formulations.implied import write_implications
from relu2mip.formulations.stage_cost import write_stage_costs
from relu2mip.incumbent.best import offer
from relu2mip.incumbent.heuristic import PlanHeuristic
from relu2mip.incumbent.start import start_from
from relu2mip.lp.cuts import with_root_cuts
from relu2mip.mip import NO_AIDS, Aids, Expression, MipModel, ModelBuilder
from relu2mip.mip.capability import Capability, require
from relu2mip.normal_form import NormalForm
from relu2mip.options import parse
from relu2mip.passes import specialise
from relu2mip.pipeline.statistics import Statistics
from relu2mip.registry import bound_methods, formulations
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.runtime.progress import report
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.conflict import spoken
from relu2mip.trajectory.given import Start, given_plan
from relu2mip.trajectory.problem import Trajectory

if TYPE_CHECKING:
    from relu2mip.backends.protocol import Backend, Emitted
    from relu2mip.pipeline.answer import Answer
    from relu2mip.pipeline.quality import Quality
    from relu2mip.runtime.progress import Listener
    from relu2mip.unrolled.plan import Plan

Problem: TypeAlias = Trajectory | BoxProblem

BASE_BOUNDS = "crown"
"""What methods that prove nothing, like `data`, start from."""

AUTO_FORMULATION = "big-m"
"""For every problem: on the example models no other one, nor a mixture, was faster throughout (docs/formulations)."""


BOUNDS_SHARE = 0.5
"""Share of the time limit that bounds may take; what they have not tightened by then, the search has to."""

CUTS_SHARE = 0.25
"""Share of what is left then for cut rounds at the root."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A problem as a mixed-integer program, ready for any backend.

    model: the program.  normal_form: what is left of the network after stable units are gone.  bounds: on that form.
    all_bounds: on the whole unrolled form.  expressions: the named vectors ("state@3") over the model's columns.
    exact: whether the formulation encodes the network, and not a relaxation of it.  aids: what helps a solver.
    """

    problem: Problem
    model: MipModel
    normal_form: NormalForm
    bounds: Bounds
    all_bounds: Bounds
    statistics: Statistics
    expressions: Mapping[str, Expression]
    formulation: str
    exact: bool
    aids: Aids

    def solve(
        self,
        backend: str | Backend | None = None,
        start: Start | None = None,
        progress: Listener | None = None,
        **options: Any,
    ) -> Answer:
        """Solve and check; see `relu2mip.solve`. The time limit is that of the search."""
        from relu2mip.pipeline.solving import solve_compiled

        return solve_compiled(self, backend, start, progress, options)

    def quality(self, best: float = math.nan, time_limit: float = 30.0) -> Quality:
        """How strong and how well scaled the program is; see `relu2mip.pipeline.quality.quality`."""
        from relu2mip.pipeline.quality import quality

        return quality(self, best, time_limit)

    def start_from(self, start: Start) -> Array:
        """All columns of the model, in order, at a plan: a MIP start for any solver.

        start: controls (H, m), or a mapping with `controls` and `initial_state`, of a trajectory; inputs, flat or by
        name, of a box problem. The network says the rest.

        Raises `InvalidProblem` for another shape, where the plan leaves a set, naming step and unit, and where the
        bounds exclude it: those of `cutoff` hold for plans that are at least as good as a known one, those of `data`
        for what was seen.

        >>> import relu2mip as r2m
        >>> from relu2mip.ir.samples import tiny
        >>> compiled = r2m.compile(r2m.BoxProblem(tiny(), -1, 1, objective=[1.0], sense="max"))
        >>> x = compiled.start_from([0.5, 0.25])
        >>> compiled.expressions["y"].evaluate(x).round(6).tolist()
        [1.0]
        """
        return self._columns_at(given_plan(self.problem, start))

    def with_start(self, start: Start) -> Compiled:
        """The same with the better of this start and the one it has, from the plan that its bounds found."""
        plan, known = given_plan(self.problem, start), self.all_bounds.plan
        if self.model.start is not None and known is not None and known.feasible and known.cost <= plan.cost:
            return self
        return replace(self, model=self.model.with_start(self._columns_at(plan)))

    def _columns_at(self, plan: Plan) -> Array:
        columns = start_from(plan, self.model, self.normal_form)
        if columns is None:
            sign = -1.0 if getattr(self.problem, "sense", "min") == "max" else 1.0
            limit = self.all_bounds.cutoff
            why = "are not proven" if not self.all_bounds.sound else "are too tight for it numerically"
            if limit is not None and plan.cost > limit:
                why = f"hold for plans with an objective as good as {sign * limit:g}, not {sign * plan.cost:g}"
            raise InvalidProblem(f"start: the bounds exclude this plan: they {why}; compile with other bounds")
        return columns

    def _require_complete(self, who: str) -> None:
        """Raise `CapabilityMissing` where the rows are to be separated during the search, and `who` cannot."""
        require(self.model, frozenset(Capability) - {Capability.CALLBACK}, who, self.aids)

    def emit(self, backend: str | Backend = "highs") -> Emitted:
        """The solver's own model with the handles of states and controls, for adding constraints of your own.

        Warns where the bounds hold only for plans at least as good as a known one: your own may exclude all of those.
        """
        from relu2mip.pipeline.solving import resolve_backend

        self._require_complete("a model that you solve yourself")
        if self.all_bounds.cutoff is not None:
            warnings.warn(
                "the bounds of this model hold only for plans at least as good as one already known, and your own "
                'constraints may exclude all of those; to add any, compile with bounds="crown"',
                stacklevel=2,
            )
        return resolve_backend(backend).emit(self.model)

    def write(self, path: str | Path) -> Path:
        """Write an LP (.lp) or MPS (.mps) file with readable names, and a map of the names beside it."""
        from relu2mip.mip.write import write

        self._require_complete("a file")
        write(self.model, path)
        return Path(path)


def compile(
    problem: Problem, bounds: BoundSpec | None = None, formulation: str | Formulation | None = None
) -> Compiled:
    """Compile a problem.

    bounds: "auto", a string like "ibp+data(path=x.npz)", a bound method, `Bounds` known from before that hold for this
    problem too (`Bounds.covers`), or a list of those; None takes the problem file's choice, else "auto".
    formulation: "auto", "big-m", or a formulation.

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
    chosen = chosen_formulation(problem, formulation)
    begun = time.perf_counter()
    report("unrolling")
    unrolled = problem.unrolled
    unrolled_at = time.perf_counter()
    with limited(BOUNDS_SHARE * seconds_left()):
        try:
            all_bounds = compute_bounds(unrolled, methods)
        except CrossedBounds as error:
            raise CrossedBounds(spoken(str(error), problem)) from error
    if all_bounds.plan is not None:
        offer(unrolled, all_bounds.plan)
    bounded_at = time.perf_counter()
    _in_time(problem, chosen, all_bounds)
    report("writing the program")
    rewrite = specialise(unrolled.form, all_bounds.lower, all_bounds.upper)
    reduced = all_bounds.select(rewrite)
    _in_time(problem, chosen, all_bounds)
    model = ModelBuilder()
    values, costs = encode(reduced, chosen, model)
    _in_time(problem, chosen, all_bounds)
    expressions = {name: values[i] for name, i in reduced.form.outputs.items()}
    write_implications(reduced, model)
    unrolled.write(model, expressions)
    costs += write_stage_costs(model)
    built = model.build()
    aids = model.aids
    if chosen.exact:
        aids = replace(aids, heuristic=PlanHeuristic(unrolled, all_bounds, reduced.form))
    if all_bounds.plan is not None:
        built = built.with_start(start_from(all_bounds.plan, built, reduced.form))
    built_at = time.perf_counter()
    with limited(CUTS_SHARE * seconds_left()):
        built, cuts = with_root_cuts(built, aids)
    seconds = {
        "unroll": unrolled_at - begun,
        "bounds": bounded_at - unrolled_at,
        "model": built_at - bounded_at,
    }
    if cuts is not None:
        seconds["cuts"] = cuts.seconds
    statistics = Statistics.of(all_bounds, costs, built, seconds, cuts)
    for warning in statistics.warnings:
        warnings.warn(warning, stacklevel=2)
    how = str(chosen), chosen.exact
    return Compiled(problem, built, rewrite.form, reduced, all_bounds, statistics, expressions, *how, aids)


def require_problem(problem: object) -> None:
    """Raise `InvalidProblem` for what is neither a `Trajectory` nor a `BoxProblem`."""
    if not isinstance(problem, Trajectory | BoxProblem):
        refuse(problem, "problem", "a Trajectory or a BoxProblem (Trajectory.from_toml reads a file)")


def _in_time(problem: Problem, formulation: Formulation, bounds: Bounds) -> None:
    """Raise `OutOfTime` at the end of the budget."""
    if expired():
        message = "the time was over before the program was built; raise time_limit, or take faster bounds"
        raise OutOfTime(message, unbuilt(problem, formulation, bounds))


BoundSpec: TypeAlias = str | BoundMethod | Sequence[BoundMethod]


def resolve_bounds(spec: BoundSpec) -> list[BoundMethod]:
    """The bound methods that a specification names; "data" alone starts from "crown"."""
    if isinstance(spec, str):
        methods = parse(spec, bound_methods, "bounds")
    elif isinstance(spec, Sequence):
        methods = [method for part in spec for method in (resolve_bounds(part) if isinstance(part, str) else [part])]
    else:
        methods = [spec]
    if not methods or not all(hasattr(method, "tighten") and not isinstance(method, type) for method in methods):
        raise InvalidOption(f"bounds {shown(spec)}: give a name, a bound method, or a list of bound methods")
    if not methods[0].sound:
        methods = [*parse(BASE_BOUNDS, bound_methods, "bounds"), *methods]
    return methods


def unbuilt(problem: Problem, formulation: Formulation, bounds: Bounds | None = None) -> Compiled:
    """What there is to say of a problem whose program was not built: it has no columns, and its plans are inputs."""
    unrolled = problem.unrolled
    found = Bounds.of(unrolled.form, unrolled.domain) if bounds is None else bounds
    model = ModelBuilder().build()
    how = str(formulation), formulation.exact
    return Compiled(problem, model, unrolled.form, found, found, Statistics.of(found, (), model, {}), {}, *how, NO_AIDS)


def chosen_formulation(problem: Problem, spec: str | Formulation | None) -> Formulation:
    """The formulation asked for; None takes the problem file's choice, else "auto"."""
    return resolve_formulation(spec if spec is not None else problem.options.get("formulation", "auto"))


def resolve_formulation(spec: str | Formulation) -> Formulation:
    """The formulation that a specification names."""
    if not isinstance(spec, str):
        if not all(hasattr(spec, part) for part in ("relu", "exact")) or isinstance(spec, type):
            raise InvalidOption(f"formulation {shown(spec)}: give a name, or a formulation of relu2mip.formulations")
        return spec
    chosen: list[Formulation] = parse(AUTO_FORMULATION if spec == "auto" else spec, formulations, "formulation")
    if len(chosen) != 1:
        raise InvalidOption(f"formulation {spec!r}: give exactly one")
    return chosen[0]
