"""Big-M with the bounds of each unit.

ReLU y = max(x, 0) with pre-activation x = A v + b in [l, u], l < 0 < u:

    y >= x,   y <= x - l (1 - a),   y <= u a,   0 <= y <= u,   a in {0, 1}

a = 1 where the unit is active. Per unit: 2 columns (1 binary), 3 rows, twice the nonzeros of its row of A. The
pre-activation is not a column of its own; it stays an expression in the rows.

Maximum y = max_i x_i of a group, x_i in [l_i, u_i], U_i = max of u_j over j != i:

    y >= x_i,   y <= x_i + (U_i - l_i) (1 - a_i),   sum_i a_i = 1,   max l <= y <= max u,   a_i in {0, 1}

Per group of k: k + 1 columns (k binaries), 2 k + 1 rows.

Exact for valid bounds. Not ideal: the relaxation of a ReLU, with its binary projected out, is the triangle over its
scalar pre-activation, which is weaker than the convex hull over the box of v.

Source: Tjeng, Xiao, Tedrake, "Evaluating Robustness of Neural Networks with Mixed Integer Programming" (ICLR 2019),
equations 5 and 6; Fischetti, Jo, "Deep neural networks and mixed integer linear optimization" (Constraints, 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.mip.groups import largest_other
from relu2mip.normal_form import Place
from relu2mip.options import Part


@dataclass(frozen=True)
class BigM(Part):
    """The big-M formulation; no options."""

    name: ClassVar[str] = "big-m"
    exact: ClassVar[bool] = True

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        y = model.add_columns(NameBlock.of(place, ".y"), 0.0, upper)
        a = model.add_columns(NameBlock.of(place, ".a"), 0.0, 1.0, integer=True)
        above = [(1.0, y), *_negated(x)]
        model.add_rows(NameBlock.of(place, ".above"), above, lower=x.constant)
        model.add_rows(NameBlock.of(place, ".active"), [*above, (-lower, a)], upper=x.constant - lower)
        model.add_rows(NameBlock.of(place, ".inactive"), [(1.0, y), (-upper, a)], upper=0.0)
        return y

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        sizes = np.diff(starts)
        group = np.repeat(np.arange(sizes.size), sizes)
        top = np.maximum.reduceat(upper, starts[:-1])
        y = model.add_columns(NameBlock.of(place, ".y"), np.maximum.reduceat(lower, starts[:-1]), top)
        member = NameBlock(f"{place.prefix}.member", np.arange(group.size), ".a")
        a = model.add_columns(member, 0.0, 1.0, integer=True)
        big_m = largest_other(upper, starts) - lower
        above = [(1.0, y[group]), *_negated(x)]
        rows = NameBlock(f"{place.prefix}.member", np.arange(group.size), ".above")
        model.add_rows(rows, above, lower=x.constant)
        rows = NameBlock(f"{place.prefix}.member", np.arange(group.size), ".attained")
        model.add_rows(rows, [*above, (big_m, a)], upper=x.constant + big_m)
        one = sp.csr_array((np.ones(group.size), (group, np.arange(group.size))), shape=(sizes.size, group.size))
        model.add_rows(NameBlock.of(place, ".one"), [(one, a)], lower=1.0, upper=1.0)
        return y


def _negated(x: Expression) -> list[tuple[Array, Index]]:
    return [(-matrix, columns) for matrix, columns in x.terms]
