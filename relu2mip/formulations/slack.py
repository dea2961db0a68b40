"""A maximum and what its arguments lack of it: the columns that say which argument is the largest by being zero.

ReLU y = max(x, 0), x in [l, u], l < 0 < u:  y - s = x,  0 <= y <= u,  0 <= s <= -l.  s is the negative part of x where
y or s is zero; a formulation says that one of them is.

Maximum y = max_i x_i of a group:  y - s_i = x_i,  max l <= y <= max u,  0 <= s_i <= max(0, U_i - l_i) with U_i = max of
u_j over j != i; a formulation says that one s_i is zero.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.mip.groups import group_of, largest_other
from relu2mip.normal_form import Place


def relu_and_slack(model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> tuple[Index, Index]:
    """Columns y and s of ReLUs, for pre-activations with lower < 0 < upper."""
    y = model.add_columns(NameBlock.of(place, ".y"), 0.0, upper)
    s = model.add_columns(NameBlock.of(place, ".s"), 0.0, -lower)
    terms = [(1.0, y), (-1.0, s), *x.scaled(-1.0).terms]
    model.add_rows(NameBlock.of(place, ".split"), terms, lower=x.constant, upper=x.constant)
    return y, s


def maximum_and_slack(
    model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place
) -> tuple[Index, Index]:
    """Columns y, one per group, and s, one per member."""
    floor, top = (np.maximum.reduceat(side, starts[:-1]) for side in (lower, upper))
    y = model.add_columns(NameBlock.of(place, ".y"), floor, top)
    s = model.add_columns(members(place, x, ".s"), 0.0, np.maximum(0.0, largest_other(upper, starts) - lower))
    terms = [(1.0, y[group_of(starts)]), (-1.0, s), *x.scaled(-1.0).terms]
    model.add_rows(members(place, x, ".split"), terms, lower=x.constant, upper=x.constant)
    return y, s


def members(place: Place, x: Expression, suffix: str) -> NameBlock:
    """The names of the members of all groups, in order."""
    return NameBlock(f"{place.prefix}.member", np.arange(x.size), suffix)


def add_one(model: ModelBuilder, columns: Index, starts: Index, place: Place) -> None:
    """Rows `.one`: the columns of each group sum to 1."""
    group = group_of(starts)
    matrix = sp.csr_array((np.ones(group.size), (group, np.arange(group.size))), shape=(starts.size - 1, group.size))
    model.add_rows(NameBlock.of(place, ".one"), [(matrix, columns)], lower=1.0, upper=1.0)
