"""HiGHS through highspy: the default backend. One `passModel` hands over the arrays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.backends.highs_run import LEFT, option_values, run_supervised, solver_name
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
from relu2mip.errors import InvalidOption, InvalidProblem, SolverFailure
from relu2mip.lp import highs_process
from relu2mip.lp.program import loaded
from relu2mip.mip import MipModel, Solution, Stop
from relu2mip.mip.aids import NO_AIDS, Aids, better
from relu2mip.mip.capability import require
from relu2mip.mip.check import feasible, violations
from relu2mip.mip.lowering import lower
from relu2mip.mip.supervise import cut_short, supervised
from relu2mip.options import SolveOptions, settle
from relu2mip.runtime.deadline import at_most, expired

SUB_MIPS = ("mip_heuristic_run_rens", "mip_heuristic_run_rins", "mip_heuristic_run_root_reduced_cost")
"""HiGHS's heuristics that solve smaller MIPs."""

FIND_SHARE = 0.1
"""Share of the time limit for finding a plan to start from."""

IIS_FROM_IRREDUCIBLE_LP = 2 | 4
IIS_BOUNDED = (2, 3, 4)
IIS_SECONDS = 10.0


@dataclass(frozen=True)
class HighsBackend:
    """HiGHS.

    heuristics: whether it searches for plans by solving smaller MIPs (RENS, RINS, root reduced cost): "on", "off", or
    "auto": off where a MIP start is handed over, since then they cost more than they find (docs/performance.md).
    incumbents: plans that come from the model's heuristic instead. "auto": where there is no MIP start, one is found
    before the search, since HiGHS needs long for its first; "on": each that the search meets is improved besides and
    handed back; "off": neither.
    """

    heuristics: str = "auto"
    incumbents: str = "auto"
    name: ClassVar[str] = "highs"

    def __post_init__(self) -> None:
        settle(self)
        for option in ("heuristics", "incumbents"):
            if getattr(self, option) not in {"auto", "on", "off"}:
                raise InvalidOption(f'highs: {option} is {getattr(self, option)!r}; give "auto", "on" or "off"')

    @property
    def looks_for_plans(self) -> bool:
        """Whether a plan is found before a search that has no start."""
        return self.incumbents != "off"

    def availability(self) -> Availability:
        """Whether highspy is installed; it is a dependency of relu2mip."""
        return require_package("highspy", None)

    def capabilities(self) -> frozenset[Capability]:
        """HiGHS takes linear mixed-integer programs only."""
        return frozenset()

    def solve(self, model: MipModel, options: SolveOptions, aids: Aids = NO_AIDS) -> Solution:
        """See `Backend.solve`."""
        require(model, self.capabilities(), self.name, aids)
        begun = time.perf_counter()
        return self.search(self._native(model), model, options, aids, begun)

    def session(self, wide: MipModel) -> HighsSession:
        """See `Backend.session`."""
        return HighsSession(self, wide)

    def search(self, highs: Any, model: MipModel, options: SolveOptions, aids: Aids, begun: float) -> Solution:
        """Solve what a `highspy.Highs` holds, which was begun at a time of `time.perf_counter`."""
        limit = at_most(options.time_limit)
        start, found = start_vector(model), None
        if start is None and self.incumbents != "off":
            start = found = aids.first_point(model, FIND_SHARE * limit)
        spent = time.perf_counter() - begun
        if expired():
            return _unbegun(model, start, spent)
        left = replace(options, time_limit=max(at_most(limit - spent), 1e-3))
        if options.log:
            highs_process.log_to_stderr(highs)
        # The limit of a linear program is one on a clock that runs on from solve to solve.
        clock = 0.0 if model.integer.any() else highs.getRunTime()
        for name, value in option_values(replace(left, time_limit=clock + left.time_limit)).items():
            _check(highs.setOptionValue(name, value), f"option {name} = {value}")
        message = _set_start(highs, start)
        sub_mips = self.heuristics == "on" or (self.heuristics == "auto" and start is None)
        for name in SUB_MIPS:
            _check(highs.setOptionValue(name, sub_mips), f"option {name} = {sub_mips}")
        if self.incumbents == "on":
            _improve_incumbents(highs, model, aids, clock + left.time_limit)
        solution = run_supervised(highs, model, left)
        solution = replace(solution, seconds=spent + solution.seconds)
        conflict = self._conflict(model, limit) if solution.stop is Stop.INFEASIBLE and aids.conflict else ()
        if found is not None:
            solution = _exact(solution, model, found)
        return replace(solution, message=solution.message or message, conflict=conflict)

    def emit(self, model: MipModel) -> Emitted:
        """A `highspy.Highs` with named columns and rows; the handles are column indices."""
        model, lowered = lower(model, self.capabilities(), self.name)
        return Emitted(self._native(model, named=True), np.arange(model.columns), dict(model.values or {}), lowered)

    def attach(self, model: MipModel, native: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add to a `highspy.Highs`; `given` holds arrays of its column indices. See `Backend.attach`."""
        from highspy import HighsVarType

        require_available(self)
        model, _ = lower(model, self.capabilities(), self.name)
        match = Given.of(model, given)
        free, first = match.free, native.getNumCol()
        nothing = np.zeros(0, dtype=np.int32)
        zero = np.zeros(free.size)
        native.addCols(free.size, zero, model.lower[free], model.upper[free], 0, nothing, nothing, np.zeros(0))
        columns = np.empty(model.columns, dtype=np.int32)
        columns[free] = np.arange(first, first + free.size)
        for where, handle in zip(match.where, match.handles, strict=True):
            columns[where] = _indices(handle, first)
        integral = columns[model.integer]
        native.changeColsIntegrality(integral.size, integral, np.full(integral.size, HighsVarType.kInteger))
        bounded = np.setdiff1d(np.arange(model.columns), free)
        matrix = sp.vstack([model.matrix, sp.eye_array(model.columns, format="csr")[bounded]], format="csr")
        lower_, upper = (np.r_[model.row_lower, model.lower[bounded]], np.r_[model.row_upper, model.upper[bounded]])
        status = native.addRows(
            matrix.shape[0], lower_, upper, matrix.nnz, matrix.indptr[:-1], columns[matrix.indices], matrix.data
        )
        _check(status, "adding rows")
        return {name: columns[where] for name, where in (model.values or {}).items() if name not in given}

    def _conflict(self, model: MipModel, limit: float) -> tuple[str, ...]:
        """Rows and bounds of an irreducible infeasible subset of the LP relaxation; empty where that is feasible.

        Also empty where it is not found in what is left of the limit. HiGHS would search a feasible one to its limit.
        """
        relaxation = self._native(replace(model, integer=np.zeros_like(model.integer)))
        seconds = at_most(min(IIS_SECONDS, limit))
        relaxation.setOptionValue("time_limit", seconds)
        relaxation.setOptionValue("iis_strategy", IIS_FROM_IRREDUCIBLE_LP)
        relaxation.setOptionValue("iis_time_limit", seconds)
        found: list[Any] = []

        def search() -> None:
            highs_process.run(relaxation)
            if relaxation.getModelStatus().name == "kInfeasible":
                found.append(relaxation.getIis()[1])

        if seconds <= 0 or not supervised(search, None, seconds) or not found or not found[0].valid_:
            return ()
        (iis,) = found
        columns = [k for k, bound in zip(iis.col_index_, iis.col_bound_, strict=True) if int(bound) in IIS_BOUNDED]
        return (*(model.row_names[k] for k in iis.row_index_), *(model.column_names[k] for k in columns))

    def _native(self, model: MipModel, named: bool = False) -> Any:
        """A silent `highspy.Highs` that holds the model."""
        require_available(self)
        highs = loaded(model)
        if named:
            for pass_name, names in ((highs.passColName, model.column_names), (highs.passRowName, model.row_names)):
                for k, name in enumerate(names):
                    pass_name(k, name)
        return highs


class HighsSession(HeldProgram):
    """A program in a `highspy.Highs`; linear programs start from the last basis."""

    name: ClassVar[str] = "highs"
    backend: HighsBackend

    def __init__(self, backend: HighsBackend, wide: MipModel) -> None:
        super().__init__(backend, wide)
        self.highs: Any = None
        self.lost = False

    def load(self, model: MipModel) -> None:
        """See `HeldProgram.load`."""
        require_available(self.backend)
        self.highs, self.lost = loaded(model), False

    def change(self, old: MipModel, new: MipModel) -> bool:
        """See `HeldProgram.change`."""
        highs = self.highs
        columns = np.flatnonzero((old.lower != new.lower) | (old.upper != new.upper)).astype(np.int32)
        rows = np.flatnonzero((old.row_lower != new.row_lower) | (old.row_upper != new.row_upper)).astype(np.int32)
        costs = np.flatnonzero(old.cost != new.cost).astype(np.int32)
        if columns.size:
            _check(highs.changeColsBounds(columns.size, columns, new.lower[columns], new.upper[columns]), "bounds")
        for row in rows.tolist():
            _check(highs.changeRowBounds(row, new.row_lower[row], new.row_upper[row]), "sides of a row")
        if costs.size:
            _check(highs.changeColsCost(costs.size, costs, new.cost[costs]), "costs")
        _check(highs.changeObjectiveOffset(new.offset), "the offset")
        if new.integer.any():
            highs.clearSolver()
        return True

    def search(self, model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
        """See `HeldProgram.search`."""
        require(model, self.capabilities(), self.name, aids)
        solution = self.backend.search(self.highs, model, options, aids, time.perf_counter())
        self.lost = solution.message == LEFT
        if not self.lost:
            for event in (
                self.highs.cbMipImprovingSolution,
                self.highs.cbMipUserSolution,
                self.highs.cbMipInterrupt,
                self.highs.cbSimplexInterrupt,
                self.highs.cbIpmInterrupt,
            ):
                event.clear()
        return solution


def _unbegun(model: MipModel, start: Array | None, seconds: float) -> Solution:
    """The solution where nothing is left to search in: the start, where it is a point of the model."""
    x = None if start is None or np.isnan(start).any() or not feasible(model, start) else start
    objective = np.nan if x is None else model.objective(x)
    solver = solver_name()
    return Solution(cut_short(), x, objective, -np.inf, 0, seconds, solver, "the time was over before the search began")


def _set_start(highs: Any, start: Array | None) -> str:
    if start is None:
        return ""
    known = np.flatnonzero(~np.isnan(start)).astype(np.int32)
    status = highs.setSolution(known.size, known, start[known])
    return "" if status.name != "kError" else "MIP start rejected: a value lies outside its column's bounds"


def _exact(solution: Solution, model: MipModel, start: Array) -> Solution:
    """The solution, or its start where HiGHS's gain on it is no more than what its tolerances give away."""
    objective = model.objective(start)
    if solution.x is None or better(solution.objective, objective):
        return solution
    if violations(model, start).largest >= violations(model, solution.x).largest:
        return solution
    return replace(solution, x=start, objective=objective)


def _improve_incumbents(highs: Any, model: MipModel, aids: Aids, time_limit: float) -> None:
    """Let the heuristic improve each incumbent; HiGHS takes the result when it next asks for solutions.

    HiGHS calls from the thread that runs it, and not with what it was given itself.
    """
    waiting: list[Array] = []

    def meet(event: Any) -> None:
        waiting[:] = [np.array(event.data_out.mip_solution)]

    def offer(event: Any) -> None:
        if waiting and (x := aids.better_point(model, waiting.pop(), time_limit - highs.getRunTime())) is not None:
            event.data_in.setSolution(x)

    highs.cbMipImprovingSolution.subscribe(meet)
    highs.cbMipUserSolution.subscribe(offer)


def _indices(handle: Any, columns: int) -> Index:
    index = np.array([getattr(k, "index", k) for k in np.ravel(np.asarray(handle, dtype=object))])
    if index.dtype.kind not in "iu" or (index < 0).any() or (index >= columns).any():
        raise InvalidProblem(f"give column indices of the highspy model, from 0 to {columns - 1}")
    return index


def _check(status: Any, what: str) -> None:
    if status.name == "kError":
        raise SolverFailure(f"HiGHS refused {what}")
