"""General maximum constraints: the solver is told y = max(x, 0) and chooses the encoding itself.

ReLU y = max(x, 0) with pre-activation x = A v + b in [l, u], l < 0 < u, which is a column here:

    x = A v + b,   l <= x <= u,   0 <= y <= u,   y = MAX(x, 0)

Per unit: 2 columns (no binary), 1 row, 1 maximum; 1 nonzero more than its row of A.

Maximum y = max_i x_i of a group, x_i in [l_i, u_i]:

    x_i = (A v + b)_i,   l_i <= x_i <= u_i,   max l <= y <= max u,   y = MAX(x_1, ..., x_k)

Per group of k: k + 1 columns (no binary), k rows, 1 maximum.

Exact for valid bounds. Not ideal: Gurobi writes the maxima as SOS1 sets or big-M rows in its presolve. Lowered, the
rows are those of big-M.

Source: Gurobi Optimization, "Gurobi Optimizer Reference Manual", general constraints (2024), which
gurobi-machinelearning uses for ReLUs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.formulations.slack import members
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Place
from relu2mip.options import Part


@dataclass(frozen=True)
class MaxConstraint(Part):
    """Gurobi's general maximum constraint; no options."""

    name: ClassVar[str] = "max-constraint"
    exact: ClassVar[bool] = True

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        y = model.add_columns(NameBlock.of(place, ".y"), 0.0, upper)
        column = model.add_columns(NameBlock.of(place, ".x"), lower, upper)
        terms = [(1.0, column), *x.scaled(-1.0).terms]
        model.add_rows(NameBlock.of(place, ".is"), terms, lower=x.constant, upper=x.constant)
        model.add_maxima(NameBlock.of(place, ".max"), y, column, np.arange(x.size + 1), 0.0)
        return y

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        floor, top = (np.maximum.reduceat(side, starts[:-1]) for side in (lower, upper))
        y = model.add_columns(NameBlock.of(place, ".y"), floor, top)
        column = model.add_columns(members(place, x, ".x"), lower, upper)
        terms = [(1.0, column), *x.scaled(-1.0).terms]
        model.add_rows(members(place, x, ".is"), terms, lower=x.constant, upper=x.constant)
        model.add_maxima(NameBlock.of(place, ".max"), y, column, starts)
        return y
