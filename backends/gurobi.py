"""Gurobi through gurobipy."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from relu2mip.backends.gurobi_native import (
    add_columns,
    add_rows,
    native_model,
    placed,
    sides,
    silent_environment,
    start_values,
    translated_errors,
    vector,
)
from relu2mip.backends.protocol import (
    Availability,
    Capability,
    Emitted,
    Given,
    require_available,
    require_package,
    start_vector,
)
from relu2mip.backends.session import HeldProgram
from relu2mip.errors import InvalidOption
from relu2mip.mip import MipModel, Solution, Stop
from relu2mip.mip.aids import NO_AIDS, Aids
from relu2mip.mip.capability import require
from relu2mip.mip.lowering import REWRITTEN, lower
from relu2mip.mip.supervise import cut_short, supervised
from relu2mip.options import SolveOptions, settle
from relu2mip.runtime.deadline import at_most, interrupt
from relu2mip.runtime.progress import reporter

STOPS = {
    2: Stop.OPTIMAL,
    3: Stop.INFEASIBLE,
    4: Stop.UNBOUNDED,
    5: Stop.UNBOUNDED,
    8: Stop.NODE_LIMIT,
    9: Stop.TIME_LIMIT,
    11: Stop.INTERRUPTED,
}
"""By Gurobi's status code; 4 is "infeasible or unbounded", and 5 promises a ray but no feasible point."""

EMITTED = "a gurobipy.Model that you solve"
NOT_SOLVED = 1
IIS_SECONDS = 10.0
LEFT = "Gurobi did not stop when told to, and was left to itself"


@dataclass(frozen=True)
class GurobiBackend:
    """Gurobi.

    quadratic: "native", or "cuts" to treat a quadratic cost by tangent cuts in rounds. The size-limited licence that
    comes with pip takes 2,000 columns and 2,000 rows, but only 200 columns as soon as there is one square.
    """

    name: ClassVar[str] = "gurobi"
    quadratic: str = "native"

    def __post_init__(self) -> None:
        settle(self)
        if self.quadratic not in ("native", "cuts"):
            raise InvalidOption(f'quadratic is {self.quadratic!r}; give "native" or "cuts"')

    def availability(self) -> Availability:
        """Whether gurobipy is installed. A licence is looked for only when a model is built."""
        return require_package("gurobipy", "gurobi")

    def capabilities(self) -> frozenset[Capability]:
        """Everything natively, unless squares are to be cut."""
        return frozenset(Capability) - ({Capability.QUADRATIC} if self.quadratic == "cuts" else set())

    def solve(self, model: MipModel, options: SolveOptions, aids: Aids = NO_AIDS) -> Solution:
        """See `Backend.solve`."""
        require(model, self.capabilities(), self.name, aids)
        require_available(self)
        begun = time.perf_counter()
        with translated_errors(model), ExitStack() as held:
            environment = held.enter_context(silent_environment())
            native = held.enter_context(native_model(model, environment)[0])
            solution = self.search(native, model, options, aids, begun)
            if solution.message == LEFT:
                held.pop_all()  # A model that is still being solved cannot be freed.
            return solution

    def session(self, wide: MipModel) -> GurobiSession:
        """See `Backend.session`."""
        return GurobiSession(self, wide)

    def search(self, native: Any, model: MipModel, options: SolveOptions, aids: Aids, begun: float) -> Solution:
        """Solve what a `gurobipy.Model` holds, which was begun at a time of `time.perf_counter`."""
        limit = at_most(options.time_limit)
        seconds = max(at_most(limit - (time.perf_counter() - begun)), 1e-3)
        native.setParam("LogToConsole", 0)
        for name, value in option_values(replace(options, time_limit=seconds)).items():
            native.setParam(name, value)
        start = start_vector(model)
        if start is not None:
            native.setAttr("Start", native.getVars(), start_values(start).tolist())
        callback = _callback(aids, native, options)
        told: list[bool] = []

        def stop() -> None:
            told.append(True)
            native.terminate()

        if not supervised(lambda: native.optimize(callback), stop, seconds):
            return Solution(cut_short(), seconds=time.perf_counter() - begun, message=LEFT)
        solution = read(model, native)
        if solution.stop is Stop.INTERRUPTED:
            if not told:
                interrupt()  # Gurobi heard Ctrl-C itself.
            solution = replace(solution, stop=cut_short())
        conflict = _conflict(native, model, limit) if solution.stop is Stop.INFEASIBLE and aids.conflict else ()
        return replace(solution, conflict=conflict)

    def emit(self, model: MipModel) -> Emitted:
        """A silent `gurobipy.Model` with named variables and constraints; the handles are one `MVar`."""
        model, lowered = lower(model, self.capabilities(), EMITTED)
        require_available(self)
        with translated_errors(model):
            native, x = native_model(model, silent_environment(), named=True)
            start = start_vector(model)
            if start is not None:
                x.Start = start_values(start)
            native.update()
        return Emitted(native, x, dict(model.values or {}), lowered)

    def attach(self, model: MipModel, native: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add to a `gurobipy.Model`; `given` holds `MVar`s, lists of `Var`, or `MLinExpr`s. See `Backend.attach`."""
        require_available(self)
        model, _ = lower(model, self.capabilities() - REWRITTEN, EMITTED)
        match = Given.of(model, given)
        free = match.free
        names = [model.column_names[k] for k in free.tolist()]
        with translated_errors(model):
            x = add_columns(native, model.lower[free], model.upper[free], model.integer[free], names)
            columns = placed(x, free, model.columns)
            for where, handle in zip(match.where, match.handles, strict=True):
                columns = columns + placed(vector(handle), where, model.columns)
            for sense, right, rows in sides(model.row_lower, model.row_upper):
                added = add_rows(native, model.matrix[rows] @ columns, sense, right)
                added.setAttr("ConstrName", [model.row_names[k] for k in rows.tolist()])
            bounded = np.setdiff1d(np.arange(model.columns), free)
            for sense, right, rows in sides(model.lower[bounded], model.upper[bounded]):
                add_rows(native, columns[bounded[rows]], sense, right)
            if model.pairs is not None:
                native.addConstr(columns[model.pairs.first] * columns[model.pairs.second] == 0)
            native.update()
        position = np.full(model.columns, -1)
        position[free] = np.arange(free.size)
        return {
            name: x[position[where]] if (position[where] >= 0).all() else columns[where]
            for name, where in (model.values or {}).items()
            if name not in given
        }


class GurobiSession(HeldProgram):
    """A program in a `gurobipy.Model`, which starts from its last solution."""

    name: ClassVar[str] = "gurobi"
    backend: GurobiBackend

    def __init__(self, backend: GurobiBackend, wide: MipModel) -> None:
        super().__init__(backend, wide)
        self.native: Any = None
        self.lost = False

    def load(self, model: MipModel) -> None:
        """See `HeldProgram.load`."""
        require_available(self.backend)
        with translated_errors(model):
            self.native, self.lost = native_model(model, silent_environment())[0], False

    def change(self, old: MipModel, new: MipModel) -> bool:
        """See `HeldProgram.change`; a row may not turn into an equality, or lose a side."""
        before, now = (list(sides(model.row_lower, model.row_upper)) for model in (old, new))
        same = len(before) == len(now) and all(
            a[0] == b[0] and np.array_equal(a[2], b[2]) for a, b in zip(before, now, strict=True)
        )
        if not same:
            return False
        with translated_errors(new):
            variables = self.native.getVars()
            for attribute, values in (("LB", new.lower), ("UB", new.upper), ("Obj", new.cost)):
                self.native.setAttr(attribute, variables, values.tolist())
            right = np.concatenate([np.zeros(0), *(part[1] for part in now)])
            self.native.setAttr("RHS", self.native.getConstrs(), right.tolist())
            self.native.ObjCon = new.offset
            self.native.update()
        return True

    def search(self, model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
        """See `HeldProgram.search`."""
        require(model, self.capabilities(), self.name, aids)
        with translated_errors(model):
            solution = self.backend.search(self.native, model, options, aids, time.perf_counter())
        self.lost = solution.message == LEFT
        return solution


def option_values(options: SolveOptions) -> dict[str, Any]:
    """Our options under Gurobi's names; by default HiGHS's integrality tolerance, since big-M rows leak by it."""
    values = {
        "OutputFlag": int(options.log),
        "TimeLimit": options.time_limit,
        "MIPGap": options.gap,
        "Threads": options.threads,
        "Seed": options.seed % 2_000_000_000,
        "IntFeasTol": options.tolerance or 1e-6,
        "Presolve": -1 if options.presolve else 0,
    }
    if options.tolerance:
        values |= {"FeasibilityTol": options.tolerance, "OptimalityTol": options.tolerance}
    return values | ({"NodeLimit": options.node_limit} if options.node_limit else {})


def cvxpy_options(options: SolveOptions) -> dict[str, Any]:
    """The same for CVXPY, which sets the log itself."""
    return {"env": silent_environment(), **{k: v for k, v in option_values(options).items() if k != "OutputFlag"}}


def read(model: MipModel, native: Any, offset: float = 0.0) -> Solution:
    """The solution of a `gurobipy.Model` whose first variables are our columns; `offset` is added to its bound."""
    from gurobipy import gurobi

    stop = STOPS.get(native.Status, Stop.FAILED)
    x = None
    if native.SolCount and stop is not Stop.UNBOUNDED:
        x = np.array(native.getAttr("X", native.getVars()))[: model.columns]
    objective = model.objective(x) if x is not None else np.nan
    bound = -np.inf
    if stop is Stop.INFEASIBLE:
        bound = np.inf
    elif stop is not Stop.UNBOUNDED:
        # Barrier and simplex report a bound only at the optimum, where the objective is one.
        known = native.IsMIP or stop is not Stop.OPTIMAL
        bound = getattr(native, "ObjBound", -np.inf) + offset if known else objective
    return Solution(
        stop=stop,
        x=x,
        objective=objective,
        bound=bound,
        nodes=int(native.NodeCount),
        seconds=native.Runtime,
        solver="Gurobi {}.{}.{}".format(*gurobi.version()),
        message=f"Gurobi status {native.Status}" if stop is Stop.FAILED else "",
    )


def _callback(aids: Aids, native: Any, options: SolveOptions) -> Callable[[Any, int], None] | None:
    """The callback of a search: for cuts, for progress, and for its log, which goes to standard error."""
    separate, told = _separating(aids, native), reporter()
    if told is None and not options.log:
        return separate
    from gurobipy import GRB

    def callback(native: Any, where: int) -> None:
        if where == GRB.Callback.MESSAGE and options.log:
            sys.stderr.write(native.cbGet(GRB.Callback.MSG_STRING))
        elif where == GRB.Callback.MIP and told is not None:
            best, bound = (native.cbGet(what) for what in (GRB.Callback.MIP_OBJBST, GRB.Callback.MIP_OBJBND))
            told.report(plan=best if best < GRB.INFINITY else np.inf, bound=bound if bound > -GRB.INFINITY else -np.inf)
        elif separate is not None:
            separate(native, where)

    return callback


def _separating(aids: Aids, native: Any) -> Callable[[Any, int], None] | None:
    """A callback that adds what the separators find at the nodes of the search, where they are asked to."""
    if not aids.callback:
        return None
    from gurobipy import GRB, LinExpr

    variables = native.getVars()
    native.setParam("PreCrush", 1)

    def callback(native: Any, where: int) -> None:
        if where != GRB.Callback.MIPNODE or native.cbGet(GRB.Callback.MIPNODE_STATUS) != GRB.OPTIMAL:
            return
        cuts = aids.violated(np.array(native.cbGetNodeRel(variables)))
        columns, values = (
            [*np.split(part, cuts.matrix.indptr[1:-1])] for part in (cuts.matrix.indices, cuts.matrix.data)
        )
        for row, upper in enumerate(cuts.upper.tolist()):
            left = LinExpr(values[row].tolist(), [variables[k] for k in columns[row].tolist()])
            native.cbCut(left, GRB.LESS_EQUAL, upper)

    return callback


def _conflict(native: Any, model: MipModel, limit: float) -> tuple[str, ...]:
    """Rows and bounds of an irreducible infeasible subset, integrality included.

    Empty where it is not found in what is left of the limit.
    """
    import gurobipy

    seconds = at_most(min(IIS_SECONDS, limit))
    if seconds <= 0:
        return ()
    native.setParam("TimeLimit", seconds)
    try:
        if not supervised(native.computeIIS, native.terminate, seconds):
            return ()
    except gurobipy.GurobiError:
        return ()
    origin = np.concatenate([np.zeros(0, dtype=int), *(r for _, _, r in sides(model.row_lower, model.row_upper))])
    rows = origin[np.flatnonzero(native.getAttr("IISConstr", native.getConstrs()))]
    bounds = np.array([native.getAttr(side, native.getVars()) for side in ("IISLB", "IISUB")]).any(axis=0)
    names = [model.row_names[k] for k in np.unique(rows).tolist()]
    return (*names, *(model.column_names[k] for k in np.flatnonzero(bounds).tolist()))
