"""One linear program kept inside HiGHS: its objective changes in place, and each solve starts from a known vertex.

The primal simplex method does the work: a change of the objective leaves every vertex feasible. Of those found so far
a solve starts from the one where its objective is best. When a model takes the place of another (the next layer joins,
or upper sides got steeper), the basis of what both have is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.lp import highs_process
from relu2mip.lp.program import load, run
from relu2mip.mip import MipModel
from relu2mip.mip.rescale import rescaled
from relu2mip.mip.units import Units
from relu2mip.runtime.deadline import now

PRIMAL, DUAL = 4, 1
"""HiGHS's numbers of its simplex methods."""

OPTIONS: dict[str, bool | int | str] = {
    "presolve": "off",
    "solver": "simplex",
    "simplex_scale_strategy": 0,
}
"""Presolve and scaling cost more than they save on programs that start next to their optimum."""

KEPT = 64
"""How many of the last vertices a solve may start from."""

NONBASIC_LOWER, BASIC, NONBASIC_UPPER = 0, 1, 2
"""HiGHS's numbers of what a basis says of a column or row; only these three are given."""


class Outcome(Enum):
    """How a solve ended."""

    OPTIMAL = "optimal"
    STOPPED = "stopped"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Vertex:
    """The word of HiGHS: a point where it has a feasible one, row duals where it has any, a ray if infeasible."""

    outcome: Outcome
    point: Array | None = None
    duals: Array | None = None
    ray: Array | None = None
    iterations: int = 0


@dataclass(frozen=True, eq=False)
class Basis:
    """Status of each column and row."""

    columns: Index
    rows: Index


class PersistentLp:
    """See the module's text. `model`'s integrality is ignored.

    HiGHS holds the model in its units (`relu2mip.mip.units`); points, duals and rays are those of the model.
    """

    def __init__(self) -> None:
        self.highs = highs_process.silent()
        for option, value in OPTIONS.items():
            self.highs.setOptionValue(option, value)
        self.cost: Index = np.zeros(0, dtype=np.int32)
        self.vertices: list[tuple[Array, Any]] = []

    def load(self, model: MipModel, basis: Basis) -> None:
        """Take a model and the basis to start from; raises `SolverFailure` where HiGHS refuses the arrays."""
        self.units = Units.of(model)
        load(self.highs, rescaled(model, self.units), cost=False, integral=False)
        self.cost, self.vertices = np.zeros(0, dtype=np.int32), []
        self._set_basis(basis)

    def minimise(self, column: int, sign: float, seconds: float) -> Vertex:
        """Minimise sign * x[column] for at most `seconds`; a failure is retried from scratch."""
        if self.vertices:
            best = int(np.argmin([sign * point[column] for point, _ in self.vertices]))
            if best != len(self.vertices) - 1:
                self.highs.setBasis(self.vertices[best][1])
        self._objective(column, sign)
        begun = now()
        vertex = self._solve(PRIMAL, seconds)
        if vertex.outcome is Outcome.FAILED or (vertex.outcome is Outcome.INFEASIBLE and vertex.ray is None):
            self.highs.clearSolver()
            vertex = self._solve(DUAL, seconds - (now() - begun))
        if vertex.point is not None:
            self.vertices = [*self.vertices[1 - KEPT :], (vertex.point, self.highs.getBasis())]
        return vertex

    def basis(self) -> Basis:
        """The basis of the last solve."""
        found = self.highs.getBasis()
        return Basis(*(np.array([int(s) for s in part]) for part in (found.col_status, found.row_status)))

    def _set_basis(self, basis: Basis) -> None:
        from highspy import HighsBasis, HighsBasisStatus

        kinds = (HighsBasisStatus.kLower, HighsBasisStatus.kBasic, HighsBasisStatus.kUpper)
        given = HighsBasis()
        given.col_status = [kinds[s] if s < len(kinds) else kinds[0] for s in basis.columns.tolist()]
        given.row_status = [kinds[s] if s < len(kinds) else kinds[0] for s in basis.rows.tolist()]
        given.valid = True
        self.highs.setBasis(given)

    def _objective(self, column: int, sign: float) -> None:
        self.highs.changeColsCost(self.cost.size, self.cost, np.zeros(self.cost.size))
        self.cost = np.array([column], dtype=np.int32)
        self.highs.changeColsCost(1, self.cost, np.array([sign]))

    def _solve(self, strategy: int, seconds: float) -> Vertex:
        highs = self.highs
        highs.setOptionValue("simplex_strategy", strategy)
        status = run(highs, seconds)
        info, found = highs.getInfo(), highs.getSolution()
        iterations, units = max(0, info.simplex_iteration_count), self.units
        size = units.size[self.cost[0]]
        duals = size * units.row * np.array(found.row_dual) if found.dual_valid else None
        if status == "kOptimal":
            return Vertex(Outcome.OPTIMAL, units.outside(np.array(found.col_value)), duals, None, iterations)
        if status == "kInfeasible":
            _, has_ray, ray = highs.getDualRay()
            ray = units.row * np.array(ray) if has_ray else None
            return Vertex(Outcome.INFEASIBLE, None, None, ray, iterations)
        if status in {"kTimeLimit", "kIterationLimit"}:
            return Vertex(Outcome.STOPPED, None, duals, None, iterations)
        return Vertex(Outcome.FAILED, iterations=iterations)
