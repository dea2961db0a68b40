"""Indicator rows: a binary says which bound of y holds, and no big-M is written down.

ReLU y = max(x, 0) with pre-activation x = A v + b in [l, u], l < 0 < u:

    y - s = x,   0 <= y <= u,   0 <= s <= -l,   a in {0, 1},
    a = 1  =>  s <= 0   (that is, y <= x),      a = 0  =>  y <= 0

Per unit: 3 columns (1 binary), 1 row, 2 indicator rows; 2 nonzeros more than its row of A.

Maximum y = max_i x_i of a group, x_i in [l_i, u_i], U_i = max of u_j over j != i:

    y - s_i = x_i,   sum_i a_i = 1,   max l <= y <= max u,   0 <= s_i <= max(0, U_i - l_i),   a_i in {0, 1},
    a_i = 1  =>  s_i <= 0

Per group of k: 2 k + 1 columns (k binaries), k + 1 rows, k indicator rows.

The slack s is a column so that each indicator row bounds one column: its bounds are the big-M that a solver takes in
its relaxation, and lowered, the rows are those of big-M. With y - A v <= b as the indicator row, a solver would work
out a larger constant from the bounds of y and v.

Exact for valid bounds. Not ideal: at best the relaxation is that of big-M.

Source: Fischetti, Jo, "Deep neural networks and mixed integer linear optimization" (Constraints, 2018);
Bonami, Lodi, Tramontani, Wiese, "On mathematical programming with indicator constraints" (Mathematical Programming,
2015).
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
class Indicator(Part):
    """Indicator rows, native in Gurobi; no options."""

    name: ClassVar[str] = "indicator"
    exact: ClassVar[bool] = True

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        y, s = relu_and_slack(model, x, lower, upper, place)
        a = model.add_columns(NameBlock.of(place, ".a"), 0.0, 1.0, integer=True)
        model.add_indicators(NameBlock.of(place, ".active"), a, True, [(1.0, s)], upper=0.0)
        model.add_indicators(NameBlock.of(place, ".inactive"), a, False, [(1.0, y)], upper=0.0)
        return y

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        y, s = maximum_and_slack(model, x, starts, lower, upper, place)
        a = model.add_columns(members(place, x, ".a"), 0.0, 1.0, integer=True)
        add_one(model, a, starts, place)
        model.add_indicators(members(place, x, ".attained"), a, True, [(1.0, s)], upper=0.0)
        return y
