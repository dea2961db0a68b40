"""The cost of a step in each of its cases.

A cost holds its column s above functions a_k v + b_k y + c_k of the inputs v and outputs y of a disjunction
(`ModelBuilder.hold`, `relu2mip.mip.disjunction`). In case r, where y = F_r v + g_r, that is s >= f_kr(v, 1) with

    f_kr(v, z) = (a_k + b_k F_r) v + (b_k g_r + c_k) z

and the lower bound of s is one more of them. With the copies v_r, binaries z_r and a part s_r of the cost in each case:

    s >= sum_r s_r,    s_r >= f_kr(v_r, z_r)

A function below another one on all of [l_r, u_r] is left out, and where only one is left it stands for s_r. What every
case treats alike stays as it is.

Per cost column with K functions and R cases: at most R columns and K R + 1 rows; inputs without copies get them where
a function reads them. With an ideal disjunction this is the convex hull of all (v, y, s) above the costs.
Functions that read other columns too, and squares, are left alone.

Source: Marcucci, Tedrake, "Mixed-integer formulations for optimal control of piecewise-affine systems" (HSCC 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relu2mip.arrays import Array, Index, Mask
from relu2mip.formulations.encode import Encoding
from relu2mip.mip import MipModel, ModelBuilder, NameBlock
from relu2mip.mip.copies import with_copies
from relu2mip.mip.disjunction import Disjunction
from relu2mip.mip.expression import joined

SAME = 1e-12
"""Relative difference up to which coefficients are the same, and size up to which they are zero."""

SQUARES = "the cost is quadratic and not written in each region"


@dataclass(frozen=True, eq=False)
class _Functions:
    """K functions that a cost column is at least, in R cases: gain (K, R, n) over the inputs, constant (K, R).

    most: the upper bound of the column.
    """

    column: int
    most: float
    gain: Array
    constant: Array

    def ranges(self, cases: Disjunction) -> tuple[Array, Array]:
        """Their smallest and largest values (K, R) over the inputs of each case."""
        return _ranges(self.gain, self.constant, cases)

    def needed(self, cases: Disjunction) -> Mask:
        """Which of them (K, R) are above every other one somewhere; of equal ones the first."""
        above = _ranges(self.gain[:, None] - self.gain, self.constant[:, None] - self.constant, cases)[0] >= 0
        first = np.triu(np.ones(above.shape[:2], dtype=bool), 1)[..., None]
        itself = np.eye(len(above), dtype=bool)[..., None]
        beats = above & (first | ~above.transpose(1, 0, 2)) & ~itself
        return np.asarray(~beats.any(axis=0))


def write_stage_costs(model: ModelBuilder) -> list[Encoding]:
    """Write the costs on the inputs and outputs of each disjunction of the model in its cases; what that added."""
    if not model.disjunctions:
        return []
    built, encodings = model.build(), []
    pieces = joined(model.held, built.columns)
    note = "" if built.quadratic is None else SQUARES
    for cases in model.disjunctions:
        before = model.size
        functions = [f for f in _functions(built, pieces, cases) if not _is_plain(f, cases)]
        reads = [f.gain.any(axis=(0, 1)) for f in functions]
        full = with_copies(model, cases, np.logical_or.reduce(reads, initial=False))
        for number, f in enumerate(functions):
            _write(model, full, number, f)
        encodings.append(Encoding.since(before, model, cases.place, note))
        note = ""
    return encodings


def _functions(model: MipModel, pieces: tuple[Index, Any, Array], cases: Disjunction) -> list[_Functions]:
    """The functions of inputs and outputs that hold each cost column, its lower bound among them."""
    own = np.zeros(model.columns, dtype=bool)
    own[cases.inputs] = own[cases.outputs] = True
    column, matrix, constants = pieces
    read, others = abs(matrix) @ own.astype(float), abs(matrix) @ (~own).astype(float)
    chosen = np.flatnonzero(
        (model.cost[column] > 0) & ~own[column] & ~model.integer[column] & (read > 0) & (others == 0)
    )
    column, weights, constants = column[chosen], matrix[chosen].toarray(), constants[chosen]
    by_output = weights[:, cases.outputs]
    gain = weights[:, None, cases.inputs] + np.einsum("km,rmn->krn", by_output, cases.gain)
    gain[np.abs(gain) <= SAME * np.abs(gain).max(axis=(1, 2), keepdims=True, initial=0.0)] = 0.0
    constant = by_output @ cases.offset.T + constants[:, None]
    fixed = (cases.copies[0] < 0) & (cases.lower == cases.upper).all(axis=0)
    constant += gain[..., fixed] @ cases.lower[0, fixed]
    gain[..., fixed] = 0.0
    found = []
    for s in np.unique(column).tolist():
        k = column == s
        floor = np.full((np.isfinite(model.lower[s]).astype(int), cases.binaries.size), model.lower[s])
        nothing = np.zeros((*floor.shape, cases.inputs.size))
        functions = np.concatenate([gain[k], nothing]), np.concatenate([constant[k], floor])
        found.append(_Functions(s, model.upper[s], *functions))
    return found


def _is_plain(f: _Functions, cases: Disjunction) -> bool:
    """Whether the cases add nothing: all treat the functions alike, or the same one decides in all of them."""
    spread = [np.ptp(part, axis=1) <= SAME * np.abs(part).max(initial=0.0) for part in (f.gain, f.constant)]
    alike = all(part.all() for part in spread) and not f.gain[..., cases.copies[0] >= 0].any()
    needed = f.needed(cases)
    one = needed.all(axis=1).any() and needed.sum() == needed.shape[1]
    return alike or bool(one)


def _write(model: ModelBuilder, cases: Disjunction, number: int, f: _Functions) -> None:
    """Add the parts of a cost, the functions below each, and their sum."""
    place, z, needed = cases.place, cases.binaries, f.needed(cases)
    several = needed.sum(axis=0) > 1
    r = np.flatnonzero(several)
    low, high = (side.max(axis=0)[r] for side in f.ranges(cases))
    names = NameBlock(f"{place.prefix}.region", r, ".cost", parts=np.full(r.size, number))
    parts = np.full(z.size, -1)
    parts[r] = model.add_columns(names, np.minimum(low, 0.0), np.maximum(np.minimum(high, f.most), 0.0))

    # A function that is zero is the lower bound of the part.
    zero = ~f.gain.any(axis=2) & (f.constant == 0)
    k, r = np.nonzero(needed & several & ~zero)
    names = NameBlock(f"{place.prefix}.region", r, f".cost[{number}].above", parts=k)
    reads = zip(-f.gain[k, r].T, cases.copies[r].T, strict=True)
    model.add_rows(names, [(1.0, parts[r]), (-f.constant[k, r], z[r]), *reads], lower=0.0)

    k, r = np.nonzero(needed & ~several)
    total = [
        (np.ones((1, 1)), np.array([f.column])),
        (-np.ones((1, several.sum())), parts[several]),
        (-f.constant[None, k, r], z[r]),
        (-f.gain[k, r].reshape(1, -1), cases.copies[r].ravel()),
    ]
    model.add_rows(NameBlock(f"{place.prefix}.cost", np.array([number]), ".sum"), total, lower=0.0)


def _ranges(gain: Array, constant: Array, cases: Disjunction) -> tuple[Array, Array]:
    """The smallest and largest values (..., R) of functions over the inputs of each case."""
    plus, minus = np.maximum(gain, 0), np.minimum(gain, 0)
    low = (plus * cases.lower + minus * cases.upper).sum(axis=-1) + constant
    return low, (plus * cases.upper + minus * cases.lower).sum(axis=-1) + constant
