"""A layer of ReLUs, the inputs of each unit split into parts; `convex-hull` and `partition` differ in the split alone.

With z_n = sum of A_j v_j over the inputs j of part n, in [L_n, U_n] over the box of the columns v, and s_n the share of
part n in the pre-activation while the unit is active (z_n where a = 1, 0 where a = 0):

    s_n <= U_n a,   s_n <= z_n - L_n (1 - a),   y <= sum_n s_n + b a,   y >= x,   0 <= y <= u,   a in {0, 1}

The other half of the multiple-choice rows (s_n >= L_n a, s_n >= z_n - U_n (1 - a), y >= sum_n s_n + b a) is left out:
it is met by some s wherever y >= max(x, 0), so what remains, projected on (v, y, a), is the same. A unit of one part
needs no share, as s = y - b a: it is big-M.

Fixed columns, and those whose range w_j (u_j - l_j) is a NARROW share of the unit's, get no part of their own but join
that of the unit's widest: rows that live below a solver's tolerance tighten nothing and mislead its presolve.

Bounds [l, u] of the pre-activation that are tighter than those of the box enter twice: by big-M's rows, and by
U_n <= L_n + u - (b + sum L), since in every phase z_n is what the other parts leave of x; L_n likewise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Place

NARROW = 1e-4
"""How much of its unit's range an input's must be to have a part of its own."""

SLACK = 1e-9
"""How much tighter than its parts' bounds, relative to their width, a unit's bound is to be worth a row."""


def entry_units(weights: Any) -> Index:
    """The unit (row) of each stored weight of a CSR matrix."""
    return np.repeat(np.arange(weights.shape[0]), np.diff(weights.indptr))


def ranges(weights: Any, low: Array, high: Array) -> tuple[Array, Array]:
    """Least and largest value of weight times column over the columns' bounds, for each stored weight."""
    ends = weights.data * low[weights.indices], weights.data * high[weights.indices]
    return np.minimum(*ends), np.maximum(*ends)


def totals(owner: Index, values: Array, size: int) -> Array:
    """The sum of the values of each of so many owners."""
    return np.asarray(np.bincount(owner, values, size), dtype=np.float64)


def is_wide(weights: Any, width: Array) -> Mask:
    """Which weights have a range, of this width each, that is more than a NARROW share of their unit's."""
    owner = entry_units(weights)
    return np.asarray(width > NARROW * totals(owner, width, weights.shape[0])[owner])


Split: TypeAlias = Callable[[Any], Index]
"""The part within its unit (0, 1, ...) of each stored weight of a CSR matrix."""


def split_wide(weights: Any, width: Array, split: Split) -> Index:
    """The part of each weight, those of wide range as `split` says, the others with the widest of their unit."""
    owner = entry_units(weights)
    rows = np.flatnonzero(np.diff(weights.indptr))
    widest = np.zeros(weights.shape[0], dtype=np.intp)
    widest[rows] = np.lexsort((width, owner))[weights.indptr[rows + 1] - 1]
    wide = is_wide(weights, width)
    wide[widest[rows]] = True
    entries = (weights.data[wide], (owner[wide], weights.indices[wide]))
    part = np.zeros(weights.nnz, dtype=np.intp)
    part[wide] = split(sp.csr_array(entries, shape=weights.shape))
    part[~wide] = part[widest[owner[~wide]]]
    return part


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of the units that have several, laid end to end.

    unit: of each part.  number: within its unit.  weights: CSR, the row of A restricted to the part, over all columns
    of the model.  lower, upper: bounds L, U of weights @ v.
    """

    unit: Index
    number: Index
    weights: Any
    lower: Array
    upper: Array

    @classmethod
    def of(cls, weights: Any, part: Index, low: Array, high: Array) -> Parts:
        """From the rows of A, the part within its unit of each weight (0, 1, ...), and the bounds of all columns."""
        units, owner = weights.shape[0], entry_units(weights)
        count = np.zeros(units, dtype=np.intp)
        np.maximum.at(count, owner, part + 1)
        count[count == 1] = 0
        unit = np.repeat(np.arange(units), count)
        first = np.cumsum(count) - count
        entries = count[owner] > 0
        place = first[owner[entries]] + part[entries]
        shape = (unit.size, weights.shape[1])
        split = sp.csr_array((weights.data[entries], (place, weights.indices[entries])), shape=shape)
        least, most = ranges(weights, low, high)
        lower, upper = (totals(place, side[entries], unit.size) for side in (least, most))
        return cls(unit, np.arange(unit.size) - first[unit], split, lower, upper)

    def within(self, lower: Array, upper: Array, least: Array, most: Array) -> Parts:
        """Bounds of the parts that follow where A v is in [lower, upper]; its range over the box is [least, most]."""
        low = np.maximum(self.lower, self.upper - (most - lower)[self.unit])
        high = np.minimum(self.upper, self.lower + (upper - least)[self.unit])
        return Parts(self.unit, self.number, self.weights, low, high)


def add_relu(
    model: ModelBuilder,
    x: Expression,
    lower: Array,
    upper: Array,
    place: Place,
    split: Split,
    tighten: Callable[[Parts, ModelBuilder, Place], Parts] | None = None,
) -> Index:
    """Columns y = max(x, 0), with the weights of each unit in the parts that `split` gives.

    tighten: narrows the bounds of the parts, from what the model says of its columns so far.
    """
    low, high = model.limits()
    weights, bias = x.matrix(low.size), x.constant
    ends = ranges(weights, low, high)
    part = split_wide(weights, ends[1] - ends[0], split)
    least, most = (totals(entry_units(weights), side, x.size) for side in ends)
    parts = Parts.of(weights, part, low, high).within(lower - bias, upper - bias, least, most)
    if tighten is not None:
        parts = tighten(parts, model, place)
    columns = np.arange(low.size)

    y = model.add_columns(NameBlock.of(place, ".y"), 0.0, upper)
    a = model.add_columns(NameBlock.of(place, ".a"), 0.0, 1.0, integer=True)
    share = model.add_columns(
        _names(place, parts, ".share"), np.minimum(parts.lower, 0.0), np.maximum(parts.upper, 0.0)
    )
    above = [(1.0, y), *x.scaled(-1.0).terms]
    model.add_rows(NameBlock.of(place, ".above"), above, lower=bias)

    owner = a[parts.unit]
    active = [(1.0, share), (-parts.weights, columns), (-parts.lower, owner)]
    model.add_rows(_names(place, parts, ".share.active"), active, upper=-parts.lower)
    model.add_rows(_names(place, parts, ".share.inactive"), [(1.0, share), (-parts.upper, owner)], upper=0.0)
    several = np.unique(parts.unit)
    gather = sp.csr_array(
        (np.ones(share.size), (np.searchsorted(several, parts.unit), np.arange(share.size))),
        shape=(several.size, share.size),
    )
    total = [(1.0, y[several]), (-gather, share), (-bias[several], a[several])]
    model.add_rows(NameBlock.of(place.select(several), ".shares"), total, upper=0.0)

    whole = np.ones(x.size, dtype=bool)
    whole[several] = False
    slack = SLACK * (most - least)
    big_m = np.flatnonzero(whole | (lower > bias + least + slack))
    rows = [(1.0, y[big_m]), *x.select(big_m).scaled(-1.0).terms, (-lower[big_m], a[big_m])]
    model.add_rows(NameBlock.of(place.select(big_m), ".active"), rows, upper=(bias - lower)[big_m])
    big_m = np.flatnonzero(whole | (upper < bias + most - slack))
    rows = [(1.0, y[big_m]), (-upper[big_m], a[big_m])]
    model.add_rows(NameBlock.of(place.select(big_m), ".inactive"), rows, upper=0.0)
    return y


def _names(place: Place, parts: Parts, suffix: str) -> NameBlock:
    return NameBlock(place.prefix, place.units[parts.unit], suffix, parts=parts.number)
