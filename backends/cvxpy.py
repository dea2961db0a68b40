"""CVXPY: one vector variable and matrix constraints, solved by a mixed-integer solver that CVXPY knows.

CVXPY's own status is not used: it calls a limit without a point `user_limit` with x = 0 (HiGHS), or
`infeasible_inaccurate` (Gurobi). The solver's raw result, from `get_problem_data` and `solve_via_data`, tells more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array
from relu2mip.backends import gurobi, highs_run
from relu2mip.backends.cvxpy_native import constraints, cvxpy_package, flat, native_problem, placed, senses, variable
from relu2mip.backends.gurobi_native import translated_errors
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
from relu2mip.errors import InvalidOption, InvalidProblem, Relu2MipError, SolverFailure
from relu2mip.lp import highs_process
from relu2mip.mip import MipModel, Solution, Stop
from relu2mip.mip.aids import NO_AIDS, Aids
from relu2mip.mip.capability import require
from relu2mip.mip.lowering import lower
from relu2mip.mip.supervise import cut_short, supervised
from relu2mip.options import SolveOptions, settle
from relu2mip.runtime.deadline import at_most, interrupt
from relu2mip.runtime.standard_output import to_stderr

LEFT = "was left to itself: CVXPY cannot tell it to stop"
NO_START = "MIP start not used: CVXPY hands none over"


@dataclass(frozen=True)
class CvxpyBackend:
    """CVXPY.

    solver: "HIGHS", "GUROBI" or "SCIP", the mixed-integer solvers whose raw result is read here; it must be installed
    besides cvxpy. A MIP start is not handed over, and the solution's message says so.
    """

    name: ClassVar[str] = "cvxpy"
    solver: str = "HIGHS"

    def __post_init__(self) -> None:
        settle(self)
        object.__setattr__(self, "solver", self.solver.upper())
        if self.solver not in SOLVERS:
            raise InvalidOption(f"solver is {self.solver!r}; give one of {', '.join(SOLVERS)}")

    def availability(self) -> Availability:
        """Whether cvxpy and the solver are installed."""
        found = require_package("cvxpy", "cvxpy")
        solver = require_package(*SOLVERS[self.solver].package)
        return solver if found.available and not solver.available else found

    def capabilities(self) -> frozenset[Capability]:
        """CVXPY has no SOS1 sets and no indicator rows; squares depend on the solver."""
        return frozenset({Capability.QUADRATIC}) if SOLVERS[self.solver].quadratic else frozenset()

    def session(self, wide: MipModel) -> CvxpySession:
        """See `Backend.session`."""
        return CvxpySession(self, wide)

    def solve(self, model: MipModel, options: SolveOptions, aids: Aids = NO_AIDS) -> Solution:
        """See `Backend.solve`."""
        return self.search(lambda: native_problem(model)[0], model, options, aids)

    def search(self, native: Callable[[], Any], model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
        """Solve a `cvxpy.Problem` that says what the model does."""
        require(model, self.capabilities(), self.name, aids)
        require_available(self)
        cvxpy = cvxpy_package()
        if not model.columns:
            return Solution(Stop.OPTIMAL, np.zeros(0), model.offset, model.offset, solver=f"CVXPY {cvxpy.__version__}")
        solver = SOLVERS[self.solver]
        begun, limit = time.perf_counter(), at_most(options.time_limit)
        found: list[Mapping[str, Any]] = []

        def search() -> None:
            problem = native()
            data, chain, _ = problem.get_problem_data(self.solver)
            left = max(at_most(limit - (time.perf_counter() - begun)), 1e-3)
            with solver.running(replace(options, time_limit=left)) as given:
                values = solver.options(given)
                raw = chain.solve_via_data(problem, data, warm_start=False, verbose=options.log, solver_opts=values)
            found.append(raw)

        try:
            with to_stderr() if options.log else nullcontext():
                ended = supervised(search, None, limit)
        except Relu2MipError:
            raise
        except Exception as error:
            raise SolverFailure(f"CVXPY with {self.solver}: {error}") from error
        if not ended:
            message = f"{self.solver} {LEFT}"
            return Solution(
                cut_short(),
                seconds=time.perf_counter() - begun,
                solver=f"CVXPY {cvxpy.__version__}",
                message=message,
            )
        solution = solver.read(model, found[0])
        if solution.stop is Stop.INTERRUPTED:
            interrupt()  # The solver heard Ctrl-C itself.
            solution = replace(solution, stop=cut_short())
        message = solution.message or (NO_START if start_vector(model) is not None else "")
        return replace(solution, solver=f"CVXPY {cvxpy.__version__}, {solution.solver}", message=message)

    def emit(self, model: MipModel) -> Emitted:
        """A `cvxpy.Problem`; the handles are one `cvxpy.Variable` of all columns.

        A problem is extended by making another: `cvxpy.Problem(emitted.model.objective, [*emitted.model.constraints,
        mine])`.
        """
        require_available(self)
        model, lowered = lower(model, self.capabilities(), self.name)
        problem, x = native_problem(model)
        return Emitted(problem, x, dict(model.values or {}), lowered)

    def attach(self, model: MipModel, native: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Append constraints to a list; `given` holds affine cvxpy expressions. See `Backend.attach`."""
        require_available(self)
        if not isinstance(native, list):
            raise InvalidProblem(f"give a list that constraints are appended to, not a {type(native).__name__}")
        model, _ = lower(model, self.capabilities(), self.name)
        match = Given.of(model, given)
        x = variable(model.lower[match.free], model.upper[match.free], model.integer[match.free])
        columns = placed(x, match.free, model.columns)
        for where, handle in zip(match.where, match.handles, strict=True):
            columns = columns + placed(flat(handle), where, model.columns)
        native.extend(constraints(model.matrix, columns, model.row_lower, model.row_upper))
        bounded = np.setdiff1d(np.arange(model.columns), match.free)
        selected = sp.eye_array(model.columns, format="csr")[bounded]
        native.extend(constraints(selected, columns, model.lower[bounded], model.upper[bounded]))
        position = np.full(model.columns, -1)
        position[match.free] = np.arange(match.free.size)
        return {
            name: x[position[where]] if (position[where] >= 0).all() else columns[where]
            for name, where in (model.values or {}).items()
            if name not in given
        }


class CvxpySession(HeldProgram):
    """A `cvxpy.Problem` with parameters, which CVXPY canonicalises once."""

    name: ClassVar[str] = "cvxpy"
    backend: CvxpyBackend

    def __init__(self, backend: CvxpyBackend, wide: MipModel) -> None:
        super().__init__(backend, wide)
        self.problem: Any = None
        self.parameters: list[tuple[Any, Callable[[MipModel], Array]]] = []
        self.lost = False

    def load(self, model: MipModel) -> None:
        """See `HeldProgram.load`."""
        require_available(self.backend)
        cvxpy = cvxpy_package()
        self.parameters, self.lost = [], False

        def given(value: Callable[[MipModel], Array]) -> Any:
            parameter = cvxpy.Parameter(value(model).size)
            self.parameters.append((parameter, value))
            return parameter

        integral = (np.flatnonzero(model.integer),) if model.integer.any() else False
        x = cvxpy.Variable(model.columns, integer=integral)
        objective = given(lambda new: new.cost) @ x + given(lambda new: np.array([new.offset]))[0]
        if model.quadratic is not None and model.quadratic.any():
            objective += cvxpy.quad_form(x, sp.diags_array(model.quadratic, format="csc"), assume_PSD=True)
        rows = []
        equal, below, above = senses(model)
        for kept, sign in ((equal, 0), (below, 1), (above, -1)):
            if kept.size:
                left = model.matrix[kept] @ x
                right = given(lambda new, k=kept, s=sign: (new.row_lower if s < 0 else new.row_upper)[k])  # type: ignore[misc]
                rows.append(left == right if not sign else left <= right if sign > 0 else left >= right)
        for side, sign in (("lower", -1), ("upper", 1)):
            kept = np.flatnonzero(np.isfinite(getattr(model, side)))
            if kept.size:
                right = given(lambda new, k=kept, s=side: getattr(new, s)[k])  # type: ignore[misc]
                rows.append(x[kept] <= right if sign > 0 else x[kept] >= right)
        self.problem = cvxpy.Problem(cvxpy.Minimize(objective), rows)
        self._fill(model)

    def change(self, old: MipModel, new: MipModel) -> bool:
        """See `HeldProgram.change`; a side may not become infinite or finite, nor a row an equality."""
        same = all(np.array_equal(a, b) for a, b in zip(senses(old), senses(new), strict=True)) and all(
            np.array_equal(np.isfinite(getattr(old, side)), np.isfinite(getattr(new, side)))
            for side in ("lower", "upper")
        )
        if same:
            self._fill(new)
        return same

    def search(self, model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
        """See `HeldProgram.search`."""
        solution = self.backend.search(lambda: self.problem, model, options, aids)
        self.lost = LEFT in solution.message
        return solution

    def _fill(self, model: MipModel) -> None:
        for parameter, value in self.parameters:
            parameter.value = value(model)


@dataclass(frozen=True)
class MixedIntegerSolver:
    """A solver behind CVXPY: its options, and how its raw result reads.

    running: around a solve; gives the options that it may have there.
    """

    package: tuple[str, str | None]
    quadratic: bool
    options: Callable[[SolveOptions], dict[str, Any]]
    read: Callable[[MipModel, Mapping[str, Any]], Solution]
    running: Callable[[SolveOptions], AbstractContextManager[SolveOptions]] = nullcontext


@contextmanager
def _running_highs(options: SolveOptions) -> Iterator[SolveOptions]:
    highs_process.silent()  # the solver that CVXPY makes prints HiGHS's name if it is the first of the process
    with highs_process.pool(options.threads) as threads:
        yield replace(options, threads=threads)


def _read_highs(model: MipModel, raw: Mapping[str, Any]) -> Solution:
    return highs_run.read(model, raw["model_status"], raw["info"], raw["solution"], raw["run_time"], model.offset)


def _read_gurobi(model: MipModel, raw: Mapping[str, Any]) -> Solution:
    native = raw["model"]
    if native.Status == gurobi.NOT_SOLVED:
        # CVXPY swallows Gurobi's error; solving once more raises it.
        with translated_errors(model):
            native.optimize()
    return gurobi.read(model, native, model.offset)


SCIP_STOPS = {
    "optimal": Stop.OPTIMAL,
    "gaplimit": Stop.OPTIMAL,
    "infeasible": Stop.INFEASIBLE,
    "unbounded": Stop.UNBOUNDED,
    "inforunbd": Stop.UNBOUNDED,
    "timelimit": Stop.TIME_LIMIT,
    "nodelimit": Stop.NODE_LIMIT,
    "totalnodelimit": Stop.NODE_LIMIT,
    "userinterrupt": Stop.INTERRUPTED,
}


def _scip_options(options: SolveOptions) -> dict[str, Any]:
    if options.threads > 1:
        raise InvalidOption(f"threads is {options.threads}; SCIP through CVXPY runs on one thread")
    values = {
        "limits/time": options.time_limit,
        "limits/gap": options.gap,
        "randomization/randomseedshift": options.seed % 2**31,
    }
    if not options.presolve:
        values["presolving/maxrounds"] = 0
    if options.tolerance:
        values["numerics/feastol"] = options.tolerance
    return {"scip_params": values | ({"limits/totalnodes": options.node_limit} if options.node_limit else {})}


def _read_scip(model: MipModel, raw: Mapping[str, Any]) -> Solution:
    native, status = raw["model"], raw["scip_status"]
    stop = SCIP_STOPS.get(status, Stop.FAILED)
    x = raw["primal"][: model.columns] if "primal" in raw and stop is not Stop.UNBOUNDED else None
    objective = model.objective(x) if x is not None else np.nan
    bound = np.inf if stop is Stop.INFEASIBLE else -np.inf
    if stop not in (Stop.INFEASIBLE, Stop.UNBOUNDED) and abs(native.getDualbound()) < native.infinity():
        bound = native.getDualbound() + model.offset
    return Solution(
        stop=stop,
        x=x,
        objective=objective,
        bound=bound,
        nodes=int(native.getNTotalNodes()),
        seconds=native.getSolvingTime(),
        solver=f"SCIP {native.version()}",
        message=f"SCIP status {status}" if stop is Stop.FAILED else "",
    )


SOLVERS = {
    "HIGHS": MixedIntegerSolver(("highspy", None), False, highs_run.option_values, _read_highs, _running_highs),
    "GUROBI": MixedIntegerSolver(("gurobipy", "gurobi"), True, gurobi.cvxpy_options, _read_gurobi),
    "SCIP": MixedIntegerSolver(("pyscipopt", None), False, _scip_options, _read_scip),
}
