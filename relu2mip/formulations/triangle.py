"""The triangle: the linear relaxation of each unit over its own bounds. No binaries, and not exact.

ReLU y = max(x, 0) with x in [l, u], l < 0 < u:

    y >= x,   0 <= y <= u,   y <= u (x - l) / (u - l)

and y = x or y = 0 where the unit is stable. Maximum y = max_i x_i of a group, L = max_i l_i:

    y >= x_i,   L <= y <= max u,   y <= L + sum_i (u_i - L) (x_i - l_i) / (u_i - l_i)   over members with u_i > L.

Per unit 1 column and 2 rows, per group of k 1 column and k + 1 rows, the last row of each the upper side. The upper
sides are rounded up, so they hold in exact arithmetic.

The triangle is the convex hull of a ReLU's graph over [l, u], and what is left of big-M when its binaries are relaxed;
the upper side of a maximum is sum_i max(x_i - L, 0) + L with each term relaxed so. A solver's optimum of it is a bound
of the problem's optimum, not a plan.

Source: Ehlers, "Formal Verification of Piece-Wise Linear Feed-Forward Neural Networks" (ATVA 2017); Anderson, Huchette,
Ma, Tjandraatmadja, Vielma, "Strong mixed-integer programming formulations for trained neural networks" (Mathematical
Programming, 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Place
from relu2mip.options import Part

EPS = 8 * np.finfo(np.float64).eps
"""More than the relative rounding error of an upper side's constant, for one unit."""


@dataclass(frozen=True)
class Triangle(Part):
    """The linear relaxation of each unit; a bound, not a plan. No options."""

    name: ClassVar[str] = "triangle"
    exact: ClassVar[bool] = False

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y for pre-activations with any bounds; a stable unit's y is x or 0."""
        active = lower >= 0
        unstable = ~active & (upper > 0)
        slope = np.where(unstable, upper / np.where(unstable, upper - lower, 1.0), active.astype(float))
        # At either end the line is on or above the ReLU whichever way the slope was rounded.
        ends = np.maximum(-slope * lower, (1 - slope) * upper)
        constant = np.where(unstable, ends + EPS * np.maximum(upper, -lower), 0.0)
        y = model.add_columns(NameBlock.of(place, ".y"), np.maximum(lower, 0.0), np.maximum(upper, 0.0))
        model.add_rows(NameBlock.of(place, ".above"), [(1.0, y), *x.scaled(-1.0).terms], lower=x.constant)
        below = x.scaled(-slope)
        rows = model.add_rows(NameBlock.of(place, ".below"), [(1.0, y), *below.terms], upper=constant - below.constant)
        model.determine(y, rows)
        return y

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g for the maximum of entries starts[g] to starts[g + 1] of x, each with its bounds."""
        sizes = np.diff(starts)
        group = np.repeat(np.arange(sizes.size), sizes)
        floor, top = (np.maximum.reduceat(side, starts[:-1]) for side in (lower, upper))
        y = model.add_columns(NameBlock.of(place, ".y"), floor, top)
        member = NameBlock(f"{place.prefix}.member", np.arange(group.size), ".above")
        model.add_rows(member, [(1.0, y[group]), *x.scaled(-1.0).terms], lower=x.constant)
        counts = upper > floor[group]
        slope = np.where(counts, (upper - floor[group]) / np.where(counts, upper - lower, 1.0), 0.0)
        size = np.where(counts, np.maximum(np.abs(lower), np.abs(upper)), 0.0)
        shift = sp.csr_array((slope, (group, np.arange(group.size))), shape=(sizes.size, group.size))
        below = x.mapped(-shift)
        rounding = EPS * sizes * (np.abs(floor) + np.bincount(group, size, minlength=sizes.size))
        constant = floor - shift @ lower + rounding
        rows = model.add_rows(NameBlock.of(place, ".below"), [(1.0, y), *below.terms], upper=constant - below.constant)
        model.determine(y, rows)
        return y
