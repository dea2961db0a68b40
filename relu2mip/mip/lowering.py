"""Passes that rewrite what a solver lacks as big-M rows; each needs finite bounds of the columns it touches.

SOS1 set {x_1, ..., x_k}, x_j in [l_j, u_j]; b_1, ..., b_{k-1} binary, b_k = 1 - sum_{j<k} b_j:

    l_j b_j <= x_j <= u_j b_j,    sum_{j<k} b_j <= 1

so that a pair, as a ReLU makes it, takes one binary. Per set of k: k - 1 binaries, at most 2 k + 1 rows.

Indicator row, x_b = v  =>  a @ x <= r, with A = max of a @ x over the bounds, and s = x_b or 1 - x_b, which is 1 where
x_b = v:

    a @ x + (A - r) s <= A

and the same for a lower side. Per row: at most 2 rows, no columns. A side that the bounds imply is left out.

Maximum y = max(x_1, ..., x_k, c), x_i in [l_i, u_i], M_i = max(c, max of u_j over j != i) - l_i, or 0 where that is
negative; b_i binary, 1 where x_i is the largest:

    y >= x_i,   y <= x_i + M_i (1 - b_i),   sum_i b_i <= 1,   y >= c,   y <= c + sum_i max(u_i - c, 0) b_i

and sum_i b_i = 1 in place of the last three where there is no constant. Per maximum: k binaries, at most 2 k + 3 rows.

Complementary pairs are not rewritten on a backend's behalf: as SOS1 sets, which they can be, they are another
formulation than the one asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.errors import CapabilityMissing
from relu2mip.mip.capability import Capability, able, needs, require
from relu2mip.mip.extend import with_columns, with_rows
from relu2mip.mip.groups import group_of, largest_other
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import DerivedBlock, Names
from relu2mip.mip.parts import Groups

SOS1_TO_BIG_M = "SOS1 sets to big-M"
INDICATORS_TO_BIG_M = "indicator rows to big-M"
MAXIMA_TO_BIG_M = "maxima of columns to big-M"
REWRITTEN = frozenset({Capability.SOS1, Capability.INDICATORS, Capability.MAXIMA})


def lower(model: MipModel, capabilities: frozenset[Capability], who: str) -> tuple[MipModel, tuple[str, ...]]:
    """The model in terms of what a backend takes, and the names of what was rewritten.

    Raises `CapabilityMissing` for a quadratic cost or complementary pairs that `who` does not take, and where a bound
    needed is infinite.
    """
    require(model, capabilities | REWRITTEN, who)
    missing, lowered = needs(model) - capabilities, []
    if Capability.SOS1 in missing:
        model = lower_sos1(model)
        lowered.append(SOS1_TO_BIG_M)
    if Capability.INDICATORS in missing:
        model = lower_indicators(model)
        lowered.append(INDICATORS_TO_BIG_M)
    if Capability.MAXIMA in missing:
        model = lower_maxima(model)
        lowered.append(MAXIMA_TO_BIG_M)
    return model, tuple(lowered)


def lower_sos1(model: MipModel) -> MipModel:
    """The model with binaries and big-M rows for its SOS1 sets; raises `CapabilityMissing` at an infinite bound."""
    sets = model.sos1
    if sets is None:
        return model
    x, sizes, group = sets.members, np.diff(sets.starts), group_of(sets.starts)
    _refuse_infinite(model, x, sets.names, group, Capability.SOS1)
    last = np.zeros(x.size, dtype=bool)
    last[sets.starts[1:][sizes > 0] - 1] = True
    own = np.flatnonzero(~last)
    # nonzero = used @ binaries + last says which members may be nonzero.
    of_group = sp.csr_array((np.ones(own.size), (group[own], np.arange(own.size))), shape=(sizes.size, own.size))
    used = sp.csr_array((np.ones(own.size), (own, np.arange(own.size))), shape=(x.size, own.size))
    used = used - sp.diags_array(last.astype(float)) @ of_group[group]

    start = None
    if model.start is not None:
        proposed = model.start[x[own]]
        start = np.where(np.isnan(proposed), np.nan, proposed != 0.0)
    names = DerivedBlock(model.column_names, x[own], ".nonzero")
    extended = with_columns(replace(model, sos1=None), names, 0.0, 1.0, integer=True, start=start)
    members = sp.csr_array((np.ones(x.size), (np.arange(x.size), x)), shape=(x.size, model.columns))
    for side, bound in (("upper", model.upper[x]), ("lower", model.lower[x])):
        rows = np.flatnonzero(bound > 0 if side == "upper" else bound < 0)
        matrix = sp.hstack([members, sp.diags_array(-bound) @ used], format="csr")[rows]
        names = DerivedBlock(model.column_names, x[rows], f".nonzero.{side}")
        extended = with_rows(extended, names, matrix, **{side: (bound * last)[rows]})
    rows = np.flatnonzero(sizes > 2)
    matrix = sp.hstack([sp.csr_array((sizes.size, model.columns)), of_group], format="csr")[rows]
    return with_rows(extended, DerivedBlock(sets.names, rows, ".one"), matrix, upper=1.0)


def lower_indicators(model: MipModel) -> MipModel:
    """The model with big-M rows for its indicator rows; raises `CapabilityMissing` at an infinite activity."""
    rows = model.indicators
    if rows is None:
        return model
    lowered = replace(model, indicators=None)
    for side, bound, sign in (("upper", rows.upper, 1.0), ("lower", rows.lower, -1.0)):
        kept = np.flatnonzero(np.isfinite(bound))
        matrix = sign * rows.matrix[kept]
        matrix.eliminate_zeros()
        of_row = np.repeat(kept, np.diff(matrix.indptr))
        reached = np.where(matrix.data > 0, model.upper[matrix.indices], model.lower[matrix.indices])
        infinite = ~np.isfinite(reached)
        _refuse_infinite(model, matrix.indices[infinite], rows.names, of_row[infinite], Capability.INDICATORS)
        activity = np.zeros(rows.binary.size)
        np.add.at(activity, of_row, matrix.data * reached)
        big_m = activity - sign * bound
        needed = big_m[kept] > 0
        kept, matrix = kept[needed], matrix[needed]
        # s = x_b where the active value is 1, else 1 - x_b.
        active = rows.active[kept]
        switch = sp.csr_array(
            (np.where(active, 1.0, -1.0) * big_m[kept], (np.arange(kept.size), rows.binary[kept])), shape=matrix.shape
        )
        right = np.where(active, activity[kept], activity[kept] - big_m[kept])
        names = DerivedBlock(rows.names, kept, f".{side}")
        lowered = with_rows(lowered, names, sign * (matrix + switch), **{side: sign * right})
    return lowered


def lower_maxima(model: MipModel) -> MipModel:
    """The model with binaries and big-M rows for its maxima; raises `CapabilityMissing` at an infinite bound."""
    maxima = model.maxima
    if maxima is None:
        return model
    x, starts, constant = maxima.operands.members, maxima.operands.starts, maxima.constant
    group, sizes = group_of(starts), np.diff(starts)
    _refuse_infinite(model, x, maxima.operands.names, group, Capability.MAXIMA)
    big_m = np.maximum(np.maximum(largest_other(model.upper[x], starts), constant[group]) - model.lower[x], 0.0)
    start = None if model.start is None else _first_largest(model.start[x], starts, constant)
    names = DerivedBlock(model.column_names, x, ".largest")
    extended = with_columns(replace(model, maxima=None), names, 0.0, 1.0, integer=True, start=start)

    columns, every = extended.columns, np.arange(x.size)
    binary = model.columns + every
    above = _rows([(every, maxima.result[group], 1.0), (every, x, -1.0)], x.size, columns)
    extended = with_rows(extended, DerivedBlock(model.column_names, x, ".largest.above"), above, lower=0.0)
    attained = above + _rows([(every, binary, big_m)], x.size, columns)
    extended = with_rows(extended, DerivedBlock(model.column_names, x, ".largest.attained"), attained, upper=big_m)
    has_constant = np.isfinite(constant)
    one = np.flatnonzero(~has_constant | (sizes > 1))
    chosen = _rows([(group, binary, 1.0)], sizes.size, columns)[one]
    names = DerivedBlock(maxima.operands.names, one, ".one")
    extended = with_rows(extended, names, chosen, lower=np.where(has_constant, -np.inf, 1.0)[one], upper=1.0)
    floor = np.flatnonzero(has_constant)
    result = _rows([(np.arange(sizes.size), maxima.result, 1.0)], sizes.size, columns)[floor]
    names = DerivedBlock(maxima.operands.names, floor, ".above")
    extended = with_rows(extended, names, result, lower=constant[floor])
    gain = np.where(has_constant[group], np.maximum(model.upper[x] - constant[group], 0.0), 0.0)
    reached = result - _rows([(group, binary, gain)], sizes.size, columns)[floor]
    names = DerivedBlock(maxima.operands.names, floor, ".attained")
    return with_rows(extended, names, reached, upper=constant[floor])


def pairs_to_sos1(model: MipModel) -> MipModel:
    """The model with an SOS1 set for each complementary pair: the same points, for solvers without products."""
    pairs = model.pairs
    if pairs is None:
        return model
    members, starts = np.stack([pairs.first, pairs.second], axis=1).ravel(), 2 * np.arange(len(pairs) + 1)
    names = pairs.names
    if (old := model.sos1) is not None:
        members = np.concatenate([old.members, members])
        starts = np.concatenate([old.starts, old.starts[-1] + starts[1:]])
        names = Names((*old.names.blocks, *names.blocks))
    return replace(model, sos1=Groups(members, starts, names), pairs=None)


def _first_largest(values: Array, starts: Index, constant: Array) -> Array:
    """1 for one entry of each group that is the group's largest and more than its constant; NaN where one is NaN."""
    group = group_of(starts)
    first = np.lexsort((-values, group))[starts[:-1]]
    chosen = np.zeros(values.size)
    chosen[first] = values[first] > constant
    unknown = np.logical_or.reduceat(np.isnan(values), starts[:-1])
    return np.where(unknown[group], np.nan, chosen)


def _rows(terms: Sequence[tuple[Index, Index, Array | float]], rows: int, columns: int) -> sp.csr_array:
    """A matrix from the rows, columns and values of its entries."""
    values = [np.broadcast_to(np.asarray(value, dtype=np.float64), row.size) for row, _, value in terms]
    place = np.concatenate([row for row, _, _ in terms]), np.concatenate([column for _, column, _ in terms])
    return sp.csr_array((np.concatenate(values), place), shape=(rows, columns))


def _refuse_infinite(
    model: MipModel, columns: Index, owners: Sequence[str], owner: Index, capability: Capability
) -> None:
    """Raise where a column that needs finite bounds lacks one; `owner` is the set or row each column belongs to."""
    infinite = ~(np.isfinite(model.lower[columns]) & np.isfinite(model.upper[columns]))
    if infinite.any():
        k = int(np.argmax(infinite))
        column = int(columns[k])
        raise CapabilityMissing(
            f"{owners[int(owner[k])]}: rewriting {capability} as big-M rows needs finite bounds, and column "
            f"{model.column_names[column]} lies in [{model.lower[column]:g}, {model.upper[column]:g}]; bound it, or "
            f"use a backend that takes {capability} ({able([capability])})"
        )
