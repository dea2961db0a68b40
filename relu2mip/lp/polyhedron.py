"""A polyhedron inside the cube [-1, 1]^n that grows and shrinks by rows, kept in HiGHS from solve to solve."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import SolverFailure
from relu2mip.lp import highs_process

TOLERANCE = 1e-10
"""HiGHS's feasibility tolerances here, its smallest."""


class Polyhedron:
    """{t in [-1, 1]^n: lower <= W t <= upper}, rows pushed and popped; with `slack`, W t + s <= upper for a slack s."""

    def __init__(self, size: int, slack: bool = False) -> None:
        self.size, self.rows = size, 0
        self.highs = highs_process.silent()
        for option, value in (
            ("presolve", "off"),
            ("solver", "simplex"),
            ("primal_feasibility_tolerance", TOLERANCE),
            ("dual_feasibility_tolerance", TOLERANCE),
        ):
            self.highs.setOptionValue(option, value)
        self.slack = np.ones(1 if slack else 0)
        columns = size + self.slack.size
        self.index = np.arange(columns, dtype=np.int32)
        none = np.zeros(0, dtype=np.int32)
        lower, upper = np.r_[np.full(size, -1.0), 0 * self.slack], np.ones(columns)
        self.highs.addCols(columns, np.zeros(columns), lower, upper, 0, none, none, np.zeros(0))

    def push(self, matrix: Array, upper: Array, lower: float | Array = -np.inf) -> None:
        """Add rows."""
        for row, low, high in zip(matrix, np.broadcast_to(lower, upper.shape), upper, strict=True):
            self.highs.addRow(low, high, self.index.size, self.index, np.r_[row, self.slack])
        self.rows += upper.size

    def pop(self, count: int) -> None:
        """Take the last rows out again."""
        if count:
            self.highs.deleteRows(count, np.arange(self.rows - count, self.rows, dtype=np.int32))
            self.rows -= count

    def maximise(self, cost: Array) -> Array | None:
        """A point (and slack) where `cost` is largest, None where there is none; raises `SolverFailure`."""
        if not self.index.size:
            return np.zeros(0)
        highs, size = self.highs, np.abs(cost).max(initial=0.0)
        highs.changeColsCost(self.index.size, self.index, -np.asarray(cost) / (size if size > 0 else 1.0))
        highs_process.run(highs)
        status = highs.getModelStatus().name
        if status not in {"kOptimal", "kInfeasible"}:
            highs.clearSolver()
            highs_process.run(highs)
            status = highs.getModelStatus().name
        if status == "kInfeasible":
            return None
        if status != "kOptimal":
            raise SolverFailure(f"HiGHS ended a linear program over an activation region with {status}")
        return np.array(highs.getSolution().col_value)
