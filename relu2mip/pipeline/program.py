"""A problem as a mixed-integer program: what compiling leaves behind, and how plans and native models go with it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from relu2mip.arrays import Array, Index, Mask
from relu2mip.backends.protocol import Backend, Emitted
from relu2mip.bounds import Bounds
from relu2mip.errors import InvalidProblem
from relu2mip.formulations import Formulation
from relu2mip.incumbent.start import start_from
from relu2mip.mip import NO_AIDS, Aids, Expression, MipModel, ModelBuilder
from relu2mip.mip.capability import Capability, require
from relu2mip.mip.write import write
from relu2mip.normal_form import NormalForm
from relu2mip.pipeline.specs import Problem, resolve_backend
from relu2mip.pipeline.statistics import Statistics
from relu2mip.trajectory.given import Start, given_plan
from relu2mip.trajectory.names import name_of
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan


@dataclass(frozen=True, eq=False)
class Program:
    """A problem as a mixed-integer program, ready for any backend.

    model: the program.  normal_form: what is left of the network after stable units are gone.  bounds: on that form.
    all_bounds: on the whole unrolled form.  expressions: the named vectors ("state@3") over the model's columns.
    exact: whether the formulation encodes the network, and not a relaxation of it.  aids: what helps a solver.
    irrelevant: entries of named vectors that are left out, as neither cost nor constraints depend on them.
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
    irrelevant: Mapping[str, Mask]

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

    def with_start(self, start: Start) -> Self:
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

    def require_complete(self, who: str) -> None:
        """Raise `CapabilityMissing` where the rows are to be separated during the search, and `who` cannot.

        And `InvalidProblem` where what does not matter is left out: it may matter to `who`.
        """
        if self.irrelevant:
            raise InvalidProblem(
                f"{who}: {', '.join(self.irrelevant)} are in part left out of this program, as nothing in the problem "
                "depends on them; compile without drop_irrelevant"
            )
        require(self.model, frozenset(Capability) - {Capability.CALLBACK}, who, self.aids)

    @property
    def caveats(self) -> tuple[str, ...]:
        """The premises of answers, where those are not the network itself within certified or trusted bounds."""
        found = []
        if not self.exact:
            found.append(f"{self.formulation} is a relaxation: its points need not be what the network computes")
        if not self.all_bounds.sound:
            methods = [p.method for p in self.all_bounds.provenance if not p.sound]
            found.append(f"its bounds are unsound ({' + '.join(methods)}): it may leave out what the network can reach")
        if self.all_bounds.cutoff is not None:
            found.append(
                "its bounds hold only for plans at least as good as one already known, and constraints of your own may "
                'exclude all of those; to add any, compile with bounds="crown"'
            )
        return tuple(found)

    def warn(self, what: str) -> None:
        """Warn of the caveats, at the caller of whoever calls this."""
        for caveat in self.caveats:
            warnings.warn(f"{what}: {caveat}", stacklevel=3)

    def emit(self, backend: str | Backend = "highs") -> Emitted:
        """The solver's own model with the handles of states and controls, for adding constraints of your own.

        Warns where the formulation is a relaxation, bounds are unsound, or hold only for plans at least as good as a
        known one; `Emitted` says so too.
        """
        self.require_complete("a model that you solve yourself")
        self.warn("this model")
        emitted = resolve_backend(backend).emit(self.model)
        horizon = self.problem.horizon if isinstance(self.problem, Trajectory) else -1
        return replace(
            emitted,
            exact=self.exact,
            grade=self.all_bounds.grade,
            cutoff=self.all_bounds.cutoff,
            states=[emitted.columns[self._columns_of("state", t)] for t in range(horizon + 1)],
            controls=[emitted.columns[self._columns_of("control", t)] for t in range(horizon)],
        )

    def _columns_of(self, kind: str, step: int) -> Index:
        ((_, columns),) = self.expressions[name_of(kind, step)].terms
        return columns

    def write(self, path: str | Path) -> Path:
        """Write an LP (.lp) or MPS (.mps) file with readable names, and a map of the names beside it.

        The map says whether the formulation is exact, the grade of the bounds, and their cutoff; warns as `emit` does.
        """
        self.warn(Path(path).name)
        known = {"exact": self.exact, "grade": str(self.all_bounds.grade), "cutoff": self.all_bounds.cutoff}
        write(self.model, path, known)
        return Path(path)


def unbuilt(problem: Problem, formulation: Formulation, bounds: Bounds | None = None) -> Program:
    """A stand-in for a program that was not built: it has no columns, and its plans are inputs."""
    unrolled = problem.unrolled
    found = Bounds.of(unrolled.form, unrolled.domain) if bounds is None else bounds
    model = ModelBuilder().build()
    nothing, how = Statistics.of(found, (), (), model, {}), (str(formulation), formulation.exact)
    return Program(problem, model, unrolled.form, found, found, nothing, {}, *how, NO_AIDS, {})
