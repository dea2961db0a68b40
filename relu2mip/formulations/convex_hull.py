"""The convex hull of each unit over the box of its inputs, by a copy of every input: multiple choice.

ReLU y = max(x, 0) with pre-activation x = w v + b in [l, u], l < 0 < u, and columns v_j in [l_j, u_j]. Multiple choice
splits v = v1 + v0 into a copy for each phase, l_j a <= v1_j <= u_j a and l_j (1 - a) <= v0_j <= u_j (1 - a), with
y = w v1 + b a. Written in s_j = w_j v1_j, with w_j v_j in [L_j, U_j], and without the half of the rows that never binds
(`relu2mip.formulations.shares`):

    s_j <= U_j a,   s_j <= w_j v_j - L_j (1 - a),   y <= sum_j s_j + b a,   y >= x,   0 <= y <= u,   a in {0, 1}

Per unit with z >= 2 nonzeros in w: z + 2 columns (1 binary), 2 z + 2 rows, 7 z + 3 nonzeros; besides, y <= u a and
y <= x - l (1 - a) where u or l is tighter than the box says. With z = 1 it is big-M. Fixed columns, and those with less
than 10^-4 of the unit's range, have no copy of their own.

Maximum y = max_i x_i of a group, x_i = w_i v + b_i, with a copy v_ij of column j for each member i that reads it:

    y >= x_i,   y <= sum_i (w_i v_i + b_i a_i),   sum_i a_i = 1,   l_j a_i <= v_ij <= u_j a_i,   a_i in {0, 1}
    l_j (1 - sum_i a_i) <= v_j - sum_i v_ij <= u_j (1 - sum_i a_i)    over the members i that read j

Sides that no maximisation of y can use are left out: v_ij <= u_j a_i for the smallest w_ij of column j, l_j a_i <= v_ij
for the largest (members that do not read j have w_ij = 0; the last row is theirs). Big-M's rows join where bounds of
members are tighter than the box says, or columns narrow. Per group of k with z nonzeros over p columns: k + z + 1
columns (k binaries), k + 2 rows and at most 2 (z + p) more. Where each column is read by one member: 2 z more, and
7 z + 3 k + 1 nonzeros in all.

Exact. ReLU: ideal, that is, with a relaxed every vertex of the projection on (v, y, a) has integral a, and (v, y) is
the convex hull of the graph over the box. Maximum: sharp, that is, (v, y) is the convex hull of the graph before
branching; not ideal for k > 2. The hull is that of one unit; layers together are not.

Source: Anderson, Huchette, Ma, Tjandraatmadja, Vielma, "Strong mixed-integer programming formulations for trained
neural networks" (Mathematical Programming, 2020), sections 2.2 and 4; multiple choice: Balas, "Disjunctive programming"
(1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, compact
from relu2mip.formulations.shares import SLACK, add_relu, entry_units, is_wide, ranges, totals
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.mip.groups import group_of, largest_other
from relu2mip.normal_form import Place
from relu2mip.options import Part


@dataclass(frozen=True)
class ConvexHull(Part):
    """The convex hull of each unit over the box of its inputs, by a copy of every input; no options."""

    name: ClassVar[str] = "convex-hull"
    exact: ClassVar[bool] = True

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        return add_relu(model, x, lower, upper, place, _each)

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        low, high = model.limits()
        weights, bias = x.matrix(low.size), x.constant
        sizes, group = np.diff(starts), group_of(starts)
        members = np.arange(group.size)
        y = model.add_columns(
            NameBlock.of(place, ".y"),
            np.maximum.reduceat(lower, starts[:-1]),
            np.maximum.reduceat(upper, starts[:-1]),
        )
        prefix = f"{place.prefix}.member"
        a = model.add_columns(NameBlock(prefix, members, ".a"), 0.0, 1.0, integer=True)
        above = [(1.0, y[group]), *x.scaled(-1.0).terms]
        model.add_rows(NameBlock(prefix, members, ".above"), above, lower=bias)

        least, most = ranges(weights, low, high)
        owner, wide = entry_units(weights), is_wide(weights, most - least)
        kept = sp.csr_array((weights.data[wide], (owner[wide], weights.indices[wide])), shape=weights.shape)
        copies = _add_copies(model, kept, group, sizes, a, (low, high), place)
        # y_g <= sum over its members of (w_i v_i + b_i a_i); what has no copy stands there with its upper bound.
        offset = bias + totals(owner[~wide], most[~wide], members.size)
        each = (kept.data, (group[entry_units(kept)], np.arange(kept.nnz)))
        read = sp.csr_array(each, shape=(sizes.size, kept.nnz))
        of_group = sp.csr_array((np.ones(members.size), (group, members)), shape=(sizes.size, members.size))
        offsets = compact(of_group @ sp.diags_array(offset))
        model.add_rows(NameBlock.of(place, ".copies"), [(1.0, y), (-read, copies), (-offsets, a)], upper=0.0)
        model.add_rows(NameBlock.of(place, ".one"), [(of_group, a)], lower=1.0, upper=1.0)

        loose = totals(owner[~wide], (most - least)[~wide], members.size) > 0
        least, most = (bias + totals(owner, side, members.size) for side in (least, most))
        slack = SLACK * (most - least)
        other = largest_other(upper, starts)
        loose |= (lower > least + slack) | (other < largest_other(most, starts) - slack)
        k = np.flatnonzero(loose)
        big_m = (other - lower)[k]
        rows = [(1.0, y[group[k]]), *x.select(k).scaled(-1.0).terms, (big_m, a[k])]
        model.add_rows(NameBlock(prefix, k, ".attained"), rows, upper=bias[k] + big_m)
        return y


def _each(weights: Any) -> Index:
    """Each weight of a unit is a part of its own."""
    return np.asarray(np.arange(weights.nnz) - weights.indptr[entry_units(weights)])


def _add_copies(
    model: ModelBuilder,
    weights: Any,
    group: Index,
    sizes: Index,
    a: Index,
    limits: tuple[Array, Array],
    place: Place,
) -> Index:
    """A copy of a column for each weight on it, one of which is the column itself and the others 0."""
    member, column, weight = entry_units(weights), weights.indices, weights.data
    number = _each(weights)
    low, high = (side[column] for side in limits)
    prefix = f"{place.prefix}.member"
    copies = model.add_columns(
        NameBlock(prefix, member, ".copy", parts=number), np.minimum(low, 0.0), np.maximum(high, 0.0)
    )
    # A pair is a group and a column that it reads; members that do not read it have weight 0 there.
    pairs, pair, readers = np.unique(group[member] * weights.shape[1] + column, return_inverse=True, return_counts=True)
    of_group, source = np.divmod(pairs, weights.shape[1])
    by_all = readers == sizes[of_group]
    least, most = np.where(by_all, np.inf, 0.0), np.where(by_all, -np.inf, 0.0)
    np.minimum.at(least, pair, weight)
    np.maximum.at(most, pair, weight)
    for name, side, bound, needed in (
        (".copy.lower", "lower", low, weight < most[pair]),
        (".copy.upper", "upper", high, weight > least[pair]),
    ):
        k = np.flatnonzero(needed)
        rows = [(1.0, copies[k]), (-bound[k], a[member[k]])]
        model.add_rows(NameBlock(prefix, member[k], name, parts=number[k]), rows, **{side: 0.0})
    shape = (pairs.size, weight.size)
    of_pair = sp.csr_array((np.ones(weight.size), (pair, np.arange(weight.size))), shape=shape)
    rank = np.arange(pairs.size) - np.searchsorted(of_group, of_group)
    for name, bounds, bound, needed in (
        (".rest.is", ("lower", "upper"), np.zeros(pairs.size), by_all),
        (".rest.lower", ("lower",), limits[0][source], ~by_all & (most > 0)),
        (".rest.upper", ("upper",), limits[1][source], ~by_all & (least < 0)),
    ):
        k = np.flatnonzero(needed)
        sums = of_pair[k]
        chosen = compact(sp.diags_array(bound[k]) @ sums)
        rows = [(1.0, source[k]), (-sums, copies), (chosen, a[member])]
        names = NameBlock(place.prefix, place.units[of_group[k]], name, parts=rank[k])
        model.add_rows(names, rows, **dict.fromkeys(bounds, bound[k]))
    return copies
