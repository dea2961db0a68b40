"""A horizon cut into blocks, each with its own copy of the states at its ends, and prices on the copies.

With z_b the columns of block b, and c = sum_b c_b the cost shared out,

    min { sum_b c_b @ z_b : z_b in Z_b, copies equal }  >=  sum_b min { p_b @ z_b : z_b in Z_b }  =  L(prices)

where p_b is c_b plus the price of each copy, paid by one block and received by the other. Each Z_b keeps its binaries,
so the best prices give the bound of the convex hulls of all blocks at once (Geoffrion), which no bound of single units
reaches. Blocks of one step have about as many binaries as a step has undecided ReLUs.

Source: Guignard, Kim, "Lagrangean decomposition" (Mathematical Programming, 1987); Geoffrion, "Lagrangean relaxation
for integer programming" (1974).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from relu2mip.arrays import Array, Index
from relu2mip.decomposition.stages import Stages
from relu2mip.decomposition.window import Window
from relu2mip.mip import MipModel
from relu2mip.mip.solver import Holder


@dataclass(frozen=True, eq=False)
class Evaluated:
    """L at some prices: a proven bound of each block, and points (None where there is none in time)."""

    bounds: Array
    points: list[Array | None]


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of a program, and what they share.

    first: the block that pays the cost of each column.  column, block: of each price, which another block than the
    first receives on its copy of the column.  constant: what no block holds.
    """

    stages: Stages
    windows: list[Window]
    first: Index
    column: Index
    block: Index
    constant: float

    @classmethod
    def of(cls, stages: Stages, steps: int, holder: Holder) -> Blocks:
        """Blocks of so many steps; the last may have fewer."""
        starts = range(0, stages.count, steps)
        windows = [Window(stages, at, min(at + steps, stages.count), holder) for at in starts]
        model, first = stages.model, np.full(stages.model.columns, -1)
        columns, blocks = [np.zeros(0, dtype=np.intp)], [np.zeros(0, dtype=np.intp)]
        for b, window in enumerate(windows):
            again = window.columns[first[window.columns] >= 0]
            columns.append(again)
            blocks.append(np.full(again.size, b))
            fresh = window.columns[first[window.columns] < 0]
            first[fresh] = b
        loose = (first < 0) & (model.cost != 0)
        ends = np.where(model.cost[loose] > 0, model.lower[loose], model.upper[loose])
        constant = model.offset + float(model.cost[loose] @ ends)
        return cls(stages, windows, first, np.concatenate(columns), np.concatenate(blocks), constant)

    @property
    def unit(self) -> Array:
        """The width of the copied columns: a price times it is a cost."""
        model = self.stages.model
        return np.maximum(model.upper[self.column] - model.lower[self.column], 1e-9)

    def costs(self, prices: Array) -> list[Array]:
        """The cost of each block over all columns of the program."""
        paid = self.stages.model.cost.copy()
        np.add.at(paid, self.column, prices)
        costs = []
        for b, window in enumerate(self.windows):
            own = np.where(self.first[window.columns] == b, paid[window.columns], 0.0)
            cost = self.stages.spread(window.columns, own)
            here = self.block == b
            cost[self.column[here]] -= prices[here]
            costs.append(cost)
        return costs

    def start(self, seconds: float) -> Array:
        """The prices that the duals of the linear relaxation imply: they give at least its bound; 0 if time is up."""
        matrix, duals = self.stages.model.matrix, _duals(self.stages.model, seconds)
        prices = np.zeros(self.column.size)
        for b, window in enumerate(self.windows):
            of_row = self.stages.of_row
            rows = (of_row >= window.first) & (of_row < window.last)
            here = self.block == b
            prices[here] = -(matrix.T @ np.where(rows, duals, 0.0))[self.column[here]]
        return prices

    def evaluate(self, prices: Array, seconds: float, gap: float) -> Evaluated:
        """Solve all blocks at these prices, each within `seconds`."""
        pairs = list(self._solved(prices, seconds, gap))
        return Evaluated(np.array([bound for bound, _ in pairs]), [point for _, point in pairs])

    def _solved(self, prices: Array, seconds: float, gap: float) -> Iterator[tuple[float, Array | None]]:
        for window, cost in zip(self.windows, self.costs(prices), strict=True):
            yield window.minimise(cost[window.columns], seconds, gap)


def _duals(model: MipModel, seconds: float) -> Array:
    """Duals of the rows of the linear relaxation, at least 0 for a lower side; all 0 without an optimum in time."""
    lower, upper = np.isfinite(model.row_lower), np.isfinite(model.row_upper)
    matrix: Any = sp.csr_array(sp.vstack([model.matrix[upper], -model.matrix[lower]], format="csr"))
    sides = np.concatenate([model.row_upper[upper], -model.row_lower[lower]])
    box: Any = np.stack([model.lower, model.upper], axis=1)
    solved = linprog(model.cost, matrix, sides, bounds=box, method="highs", options={"time_limit": max(seconds, 1e-3)})
    duals = np.zeros(model.rows)
    if solved.status == 0:
        found = np.asarray(solved.ineqlin.marginals)
        count = int(upper.sum())
        duals[upper] += found[:count]
        duals[lower] -= found[count:]
    return duals
