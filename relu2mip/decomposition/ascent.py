"""The prices with the best bound, by cutting planes within a box that grows and shrinks.

L(prices) is a sum over blocks, and each point of a block is a plane above its part. The next prices are the best of
the model that all planes so far make, no further than a radius from the best prices known; solving the blocks there
adds a plane for each.

Source: Kelley, "The cutting-plane method for solving convex programs" (1960); Marsten, Hogan, Blankenship, "The boxstep
method for large-scale optimization" (Operations Research, 1975).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from relu2mip.arrays import Array, Index
from relu2mip.decomposition.blocks import Blocks, Evaluated
from relu2mip.runtime.deadline import expired

log = logging.getLogger(__name__)

GAIN = 1e-3
"""Share of what the model promises that makes new prices the centre."""

TRUST, DOUBT = 0.5, 0.1
"""Shares of it from which on the radius grows, and up to which it shrinks."""

WITHIN, WIDER = 0.99, 4.0
"""Where a step that promises too little ends at the radius, the radius is to blame, and grows by this."""

RADIUS = 4.0
"""The first radius: so many times what is missing to the target, shared among the prices."""


@dataclass(eq=False)
class Ascended:
    """The best prices met.

    bounds: of each block at these prices.  least: their sum, a bound of the objective.  planes: see the module's text.
    """

    prices: Array
    bounds: Array
    least: float
    planes: list[tuple[int, float, Array]] = field(default_factory=list)


def ascend(
    blocks: Blocks,
    prices: Array,
    target: float,
    iterations: int,
    seconds: float,
    gap: float = 1e-4,
    enough: float = 0.02,
) -> Ascended:
    """Raise the bound from these prices, at most to `target`.

    seconds: of one program.  gap: of one program.  enough: ends where a step promises less than this share of what is
    missing to the target.
    """
    found = blocks.evaluate(prices, seconds, gap)
    best = Ascended(prices, found.bounds, blocks.constant + float(found.bounds.sum()))
    best.planes += _planes(blocks, found)
    unit = blocks.unit
    radius = RADIUS * abs(target - best.least) / max(1, prices.size)
    for _ in range(iterations):
        missing = target - best.least
        if expired() or not prices.size or not np.isfinite(best.least) or missing <= 0:
            break
        model = _highest(blocks, best.planes, best.prices, radius / unit)
        if model is None:
            break
        promised, there = model
        if promised - best.least < enough * missing:
            if (np.abs(there - best.prices) * unit < WITHIN * radius).all():
                break
            radius *= WIDER
            continue
        found = blocks.evaluate(there, seconds, gap)
        best.planes += _planes(blocks, found)
        gained, hoped = blocks.constant + float(found.bounds.sum()) - best.least, promised - best.least
        log.debug("prices: bound %g, %g of %g promised, radius %g", best.least, gained, hoped, radius)
        if gained > GAIN * hoped:
            best.prices, best.bounds, best.least = there, found.bounds, best.least + gained
        radius *= 2.0 if gained > TRUST * hoped else 0.5 if gained < DOUBT * hoped else 1.0
    return best


def _planes(blocks: Blocks, found: Evaluated) -> list[tuple[int, float, Array]]:
    """The plane of each block's point: block, constant, slope over the prices."""
    planes = []
    for b, (window, point) in enumerate(zip(blocks.windows, found.points, strict=True)):
        if point is None:
            continue
        z = blocks.stages.spread(window.columns, point)[blocks.column]
        slope = np.where(blocks.block == b, -z, np.where(blocks.first[blocks.column] == b, z, 0.0))
        paid = np.where(blocks.first[window.columns] == b, blocks.stages.model.cost[window.columns], 0.0)
        planes.append((b, float(paid @ point), slope))
    return planes


def _highest(
    blocks: Blocks, planes: list[tuple[int, float, Array]], centre: Array, radius: Array
) -> tuple[float, Array] | None:
    """The largest value of the model near the centre, and where; None without a model of every block."""
    size, count = centre.size, len(blocks.windows)
    of: Index = np.array([b for b, _, _ in planes], dtype=np.intp)
    if np.unique(of).size < count:
        return None
    slopes = np.array([slope for _, _, slope in planes])
    rows = sp.hstack([-sp.csr_array(slopes), sp.csr_array((np.ones(of.size), (np.arange(of.size), of)))], format="csr")
    sides = np.array([constant for _, constant, _ in planes])
    low = np.concatenate([centre - radius, np.full(count, -np.inf)])
    high = np.concatenate([centre + radius, np.full(count, np.inf)])
    cost = np.concatenate([np.zeros(size), -np.ones(count)])
    box: Any = np.stack([low, high], axis=1)
    solved: Any = linprog(cost, A_ub=rows, b_ub=sides, bounds=box, method="highs")
    if solved.status != 0:
        return None
    return blocks.constant - float(solved.fun), np.asarray(solved.x[:size])
