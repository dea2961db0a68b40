"""Special ordered sets: of two columns, or of a weight and a slack, one is zero. No binaries and no big-M.

ReLU y = max(x, 0) with pre-activation x = A v + b in [l, u], l < 0 < u:

    y - s = x,   0 <= y <= u,   0 <= s <= -l,   SOS1 {y, s}

Per unit: 2 columns (no binary), 1 row, 1 set; 2 nonzeros more than its row of A.

Maximum y = max_i x_i of a group, x_i in [l_i, u_i], U_i = max of u_j over j != i:

    y - s_i = x_i,   sum_i w_i = 1,   max l <= y <= max u,   0 <= s_i <= max(0, U_i - l_i),   0 <= w_i <= 1,
    SOS1 {w_i, s_i}

Some weight is not zero, and its slack is. Per group of k: 2 k + 1 columns (no binary), k + 1 rows, k sets.

Exact for valid bounds. Not ideal: the relaxation without the sets leaves y free above max(x, 0), up to u and x - l; a
solver that takes sets natively branches on them or writes big-M rows of its own, with the columns' bounds. Lowered,
the rows are those of big-M, and so is the relaxation.

Source: Beale, Tomlin, "Special facilities in a general mathematical programming system for non-convex problems using
ordered sets of variables" (1970); for ReLUs, Turner, Chmiela, Koch, Winkler, "PySCIPOpt-ML: Embedding trained machine
learning models into mixed-integer programs" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.formulations.slack import add_one, maximum_and_slack, members, relu_and_slack
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Place
from relu2mip.options import Part


@dataclass(frozen=True)
class Sos1(Part):
    """Special ordered sets, native in Gurobi; no options."""

    name: ClassVar[str] = "sos1"
    exact: ClassVar[bool] = True

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        y, s = relu_and_slack(model, x, lower, upper, place)
        model.add_sos1(NameBlock.of(place, ".one"), np.stack([y, s], axis=1))
        return y

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        y, s = maximum_and_slack(model, x, starts, lower, upper, place)
        w = model.add_columns(members(place, x, ".w"), 0.0, 1.0)
        add_one(model, w, starts, place)
        model.add_sos1(members(place, x, ".one"), np.stack([w, s], axis=1))
        return y
