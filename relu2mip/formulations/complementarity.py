"""Complementarity: the positive and the negative part of a pre-activation multiply to zero. Bilinear, no binaries.

ReLU y = max(x, 0) with pre-activation x = A v + b in [l, u], l < 0 < u:

    y - s = x,   0 <= y <= u,   0 <= s <= -l,   y s = 0

Per unit: 2 columns (no binary), 1 row, 1 complementary pair; 2 nonzeros more than its row of A.

Maximum y = max_i x_i of a group, x_i in [l_i, u_i], U_i = max of u_j over j != i:

    y - s_i = x_i,   sum_i w_i = 1,   max l <= y <= max u,   0 <= s_i <= max(0, U_i - l_i),   0 <= w_i <= 1,
    w_i s_i = 0

the optimality conditions of the linear program min y s.t. y >= x_i, with its multipliers w. Per group of k: 2 k + 1
columns (no binary), k + 1 rows, k pairs.

Exact for valid bounds. Not convex even without integers: Gurobi branches on it spatially, all other backends refuse it
(`CapabilityMissing`). The McCormick relaxation of y s = 0 over the box is s / -l + y / u <= 1, the triangle. A solver
meets a product to its tolerance, so both factors may be as large as its root.

Source: Cottle, Pang, Stone, "The Linear Complementarity Problem" (1992); for ReLUs, Yang, Balaprakash, Leyffer,
"Modeling design and control problems involving neural network surrogates" (Computational Optimization and
Applications, 2022).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from relu2mip.arrays import Array, Index
from relu2mip.formulations.slack import add_one, maximum_and_slack, members, relu_and_slack
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Place
from relu2mip.options import Part


@dataclass(frozen=True)
class Complementarity(Part):
    """Products that are zero, for Gurobi's non-convex solver alone; no options."""

    name: ClassVar[str] = "complementarity"
    exact: ClassVar[bool] = True

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        y, s = relu_and_slack(model, x, lower, upper, place)
        model.add_pairs(NameBlock.of(place, ".zero"), y, s)
        return y

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        y, s = maximum_and_slack(model, x, starts, lower, upper, place)
        w = model.add_columns(members(place, x, ".w"), 0.0, 1.0)
        add_one(model, w, starts, place)
        model.add_pairs(members(place, x, ".zero"), w, s)
        return y
