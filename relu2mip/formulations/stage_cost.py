"""The cost of a step in each of its cases.

Rows s >= a_k v + b_k y + c_k hold the cost column s above functions of the inputs v and outputs y of a disjunction
(`relu2mip.mip.disjunction`). In case r, where y = F_r v + g_r, they are s >= f_kr(v, 1) with

    f_kr(v, z) = (a_k + b_k F_r) v + (b_k g_r + c_k) z

and the lower bound of s is one more of them. With the copies v_r, binaries z_r and a part s_r of the cost in each case:

    s >= sum_r s_r,    s_r >= f_kr(v_r, z_r)

A function that another exceeds on all of [l_r, u_r] is left out; where one is left, it stands for s_r. Costs that are
the same in all cases, of inputs that all cases treat alike, stay as they are.

Per cost column with K functions and R cases: at most R columns and K R + 1 rows. Together with the hull of the cases
this is the convex hull of (v, y) and everything above its costs.

Source: Marcucci, Tedrake, "Mixed-integer formulations for optimal control of piecewise-affine systems" (HSCC 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index, Mask
from relu2mip.formulations.encode import Encoding
from relu2mip.mip import MipModel, ModelBuilder, NameBlock
from relu2mip.mip.disjunction import Disjunction

SAME = 1e-12
"""Coefficients that differ by less, relative to the largest, are the same; smaller ones are zero."""


@dataclass(frozen=True, eq=False)
class _Epigraph:
    """A cost column and what holds it up in R cases: gain (K, R, n) over the inputs, constant (K, R)."""

    column: int
    gain: Array
    constant: Array

    def ranges(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The smallest and largest values (K, R) over the boxes of the cases (R, n)."""
        return _ranges(self.gain, self.constant, lower, upper)

    def needed(self, lower: Array, upper: Array) -> Mask:
        """Which functions (K, R) no other one exceeds throughout; of equal ones the first."""
        difference = self.gain[:, None] - self.gain[None], self.constant[:, None] - self.constant[None]
        above = _ranges(*difference, lower, upper)[0] >= 0
        first = np.triu(np.ones(above.shape[:2], dtype=bool), 1)
        beaten = above & (first[..., None] | ~above.transpose(1, 0, 2))
        beaten[np.arange(len(above)), np.arange(len(above))] = False
        return ~beaten.any(axis=0)


def write_stage_costs(model: ModelBuilder) -> list[Encoding]:
    """Write the costs on the inputs and outputs of each disjunction of the model in its cases; what that added."""
    if not model.disjunctions:
        return []
    built, encodings = model.build(), []
    for cases in model.disjunctions:
        before = model.size
        found = _epigraphs(built, cases)
        used = np.any([epigraph.gain.any(axis=(0, 1)) for epigraph in found], axis=0) & np.ones(cases.inputs.size, bool)
        full = cases.with_copies(model, used)
        for number, epigraph in enumerate(found):
            _write(model, full, number, epigraph)
        encodings.append(Encoding.since(before, model, cases.place))
    return encodings


def _epigraphs(model: MipModel, cases: Disjunction) -> list[_Epigraph]:
    """The cost columns that rows over nothing else but the inputs and outputs hold up."""
    own = np.concatenate([cases.inputs, cases.outputs])
    other = np.ones(model.columns, dtype=bool)
    other[own] = False
    costs = other & (model.cost > 0) & ~model.integer
    if model.quadratic is not None:
        costs &= model.quadratic == 0
    nonzero = (model.matrix != 0).astype(float)
    rows = np.flatnonzero((nonzero @ other == 1) & (nonzero @ costs == 1) & (nonzero @ ~other > 0))
    candidates = np.flatnonzero(costs)
    held = model.matrix[rows][:, candidates]
    held.eliminate_zeros()
    column, factor = candidates[held.indices], held.data
    side = np.where(factor > 0, model.row_lower[rows], model.row_upper[rows])
    above = np.isfinite(side)
    rows, column, factor, side = rows[above], column[above], factor[above], side[above]
    weights = -model.matrix[rows].toarray() / factor[:, None]
    by_input, by_output = weights[:, cases.inputs], weights[:, cases.outputs]
    gain = by_input[:, None] + np.einsum("km,rmn->krn", by_output, cases.gain)
    constant = by_output @ cases.offset.T + (side / factor)[:, None]
    gain[np.abs(gain) <= SAME * np.abs(gain).max(axis=(1, 2), initial=0.0, keepdims=True)] = 0.0
    shared = cases.copies[0] < 0
    fixed = shared & (cases.lower == cases.upper).all(axis=0)
    constant += gain[..., fixed] @ cases.lower[0, fixed]
    gain[..., fixed] = 0.0
    found = []
    for s in np.unique(column).tolist():
        k = np.flatnonzero(column == s)
        if _same(gain[k]) and _same(constant[k]) and not gain[k][..., ~shared].any():
            continue
        floor = np.full((int(np.isfinite(model.lower[s])), cases.binaries.size), model.lower[s])
        nothing = np.zeros((*floor.shape, cases.inputs.size))
        epigraph = _Epigraph(s, np.concatenate([gain[k], nothing]), np.concatenate([constant[k], floor]))
        needed = epigraph.needed(cases.lower, cases.upper)
        if needed.sum() > needed.shape[1] or not needed.all(axis=1).any():
            found.append(epigraph)
    return found


def _same(values: Array) -> bool:
    """Whether functions have the same coefficients (K, R, ...) in all cases."""
    return bool((np.ptp(values, axis=1) <= SAME * np.abs(values).max(initial=0.0)).all())


def _ranges(gain: Array, constant: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The smallest and largest values (..., R) of functions over the boxes (R, n) of the cases."""
    plus, minus = np.maximum(gain, 0), np.minimum(gain, 0)
    low = (plus * lower + minus * upper).sum(axis=-1) + constant
    return low, (plus * upper + minus * lower).sum(axis=-1) + constant


def _write(model: ModelBuilder, cases: Disjunction, number: int, epigraph: _Epigraph) -> None:
    """Add the parts of a cost, the functions below each, and their sum."""
    place, z, needed = cases.place, cases.binaries, epigraph.needed(cases.lower, cases.upper)
    several = needed.sum(axis=0) > 1
    r = np.flatnonzero(several)
    low, high = (side.max(axis=0)[r] for side in epigraph.ranges(cases.lower, cases.upper))
    names = NameBlock(f"{place.prefix}.region", r, ".cost", parts=np.full(r.size, number))
    parts = np.full(z.size, -1)
    parts[r] = model.add_columns(names, np.minimum(low, 0.0), np.maximum(high, 0.0))

    # What is zero in its case is the lower bound of the part.
    zero = ~epigraph.gain.any(axis=2) & (epigraph.constant == 0)
    k, r = np.nonzero(needed & several & ~zero)
    names = NameBlock(f"{place.prefix}.region", r, f".cost[{number}].above", parts=k)
    rows = [(1.0, parts[r]), (-epigraph.constant[k, r], z[r])]
    model.add_rows(names, [*rows, *zip(-epigraph.gain[k, r].T, cases.copies[r].T, strict=True)], lower=0.0)

    k, r = np.nonzero(needed & ~several)
    functions = [(-epigraph.constant[[k], r], z[r]), (-epigraph.gain[k, r].reshape(1, -1), cases.copies[r].ravel())]
    total = [(1.0, np.array([epigraph.column])), (-np.ones((1, several.sum())), parts[several]), *functions]
    model.add_rows(NameBlock(f"{place.prefix}.cost", np.array([number]), ".sum"), total, lower=0.0)
