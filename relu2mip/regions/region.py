"""One activation region of a step, and how it is made of the polyhedron that a search found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.lp.polyhedron import Polyhedron
from relu2mip.regions.steps import Step

IMPLIED = 1e-9
"""A side that the ranges of a region violate by at most this share of the box's width is left out."""

ROUNDING = 1e-14
"""And besides by this share of its numbers."""

GRID = 2.0**30
"""Ends of intervals are rounded outwards to this part of the box's width; a tenth of it is taken for rounding error."""


@dataclass(frozen=True, eq=False)
class Region:
    """One region over the inputs v of a step, (n,), and its affine map to the outputs y, (m,).

    {v: matrix @ v <= limit, lower <= v <= upper},  y = gain @ v + offset.  `lower` and `upper` are the ranges of v over
    the region, `least` and `most` those of y; rows that the ranges imply are left out.  pattern: of each ReLU unit
    1 where it is active, else 0, and of each maximum the number of its member, in topological order.
    """

    pattern: tuple[int, ...]
    matrix: Array
    limit: Array
    lower: Array
    upper: Array
    gain: Array
    offset: Array
    least: Array
    most: Array


def region(
    step: Step, pattern: tuple[int, ...], weights: Array, constant: Array, gain: Array, offset: Array, held: Polyhedron
) -> Region:
    """The region of a pattern where weights @ t + constant <= 0, t in [-1, 1]^k standing for the inputs of some width.

    There the outputs are gain @ t + offset.  held: the polyhedron of these sides.
    """
    low, high = step.box
    free = np.flatnonzero(low < high)
    middle, half = step.centre
    lower, upper = middle - half, middle + half
    ends = _ranges(held, np.eye(free.size))
    snap = np.floor(ends[0] * GRID + 0.1) / GRID, np.ceil(ends[1] * GRID - 0.1) / GRID
    lower[free] = np.maximum(lower[free], middle[free] + half[free] * snap[0])
    upper[free] = np.minimum(upper[free], middle[free] + half[free] * snap[1])
    least, most = _ranges(held, gain)
    pad = (np.abs(gain).sum(axis=1) + np.abs(offset)) / GRID
    floor, ceiling = step.limits
    matrix, limit = _rows(step, free, weights, constant)
    implied = np.maximum(matrix, 0) @ upper + np.minimum(matrix, 0) @ lower
    needed = implied > limit + IMPLIED * np.abs(matrix) @ half + ROUNDING * np.abs(limit)
    full = np.zeros((offset.size, half.size))
    full[:, free] = gain / half[free]
    return Region(
        pattern=pattern,
        matrix=matrix[needed],
        limit=limit[needed],
        lower=lower,
        upper=upper,
        gain=full,
        offset=offset - full @ middle,
        least=np.maximum(floor, least + offset - pad),
        most=np.minimum(ceiling, most + offset + pad),
    )


def _rows(step: Step, free: Index, weights: Array, constant: Array) -> tuple[Array, Array]:
    """The sides as matrix @ v <= limit over the inputs, the largest entry of each row being 1."""
    middle, half = step.centre
    _, first = np.unique(np.c_[weights, constant].round(12), axis=0, return_index=True)
    weights, constant = weights[np.sort(first)], constant[np.sort(first)]
    matrix = np.zeros((constant.size, half.size))
    matrix[:, free] = weights / half[free]
    limit = matrix @ middle - constant
    scale = np.abs(matrix).max(axis=1, initial=0.0)
    scale = np.where(scale > 0, scale, 1.0)
    return matrix / scale[:, None], limit / scale


def _ranges(held: Polyhedron, rows: Array) -> tuple[Array, Array]:
    """The smallest and largest value of each row over a polyhedron."""
    ends = np.zeros((2, len(rows)))
    for j, row in enumerate(rows):
        for k, sign in enumerate((-1.0, 1.0)):
            point = held.maximise(sign * row) if row.any() else np.zeros(row.size)
            # Within tolerances, a polyhedron that holds one point may seem to hold none.
            ends[k, j] = sign * np.abs(row).sum() if point is None else row @ point
    return ends[0], ends[1]
