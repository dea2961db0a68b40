"""How far states and controls go in plans that cost at most so much: programs of a few steps, with what the rest costs.

With v_b the proven minimum of block b at some prices and U a limit, a plan that costs at most U keeps

    L_b(z) <= v_b + (U - sum_c v_c)

in each block, and in blocks in a row the sum of these with the excess counted once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.decomposition.ascent import Ascended
from relu2mip.decomposition.blocks import Blocks
from relu2mip.decomposition.window import Window
from relu2mip.runtime.deadline import expired

ROUGH = 0.02
"""Relative gap of the programs: their bound counts, not their point."""

ROOM = 1e-5
"""A narrowed side is moved outward by this share of the width before."""


@dataclass(eq=False)
class Narrowed:
    """Bounds of all columns, those of states and controls narrowed.

    share: by which, in the mean over those that had a width.  programs: solved.  failures: without a usable bound.
    """

    lower: Array
    upper: Array
    share: float = 0.0
    programs: int = 0
    failures: int = 0


def narrowed(
    blocks: Blocks, best: Ascended, limit: float, steps: int, known: Mapping[str, Array], seconds: float
) -> Narrowed:
    """Narrow every state and control in a window of so many steps around it.

    limit: on the objective.  known: their values in a plan that keeps it; a bound that would exclude it is dropped.
    seconds: of one program.
    """
    stages, model = blocks.stages, blocks.stages.model
    found = Narrowed(model.lower.copy(), model.upper.copy())
    costs = blocks.costs(best.prices)
    windows: dict[tuple[int, int], Window] = {}
    shares: list[Array] = []
    for name, columns in stages.kept.items():
        first, last = stages.around(name, steps)
        inside = [b for b, w in enumerate(blocks.windows) if w.first < last and w.last > first]
        first, last = blocks.windows[inside[0]].first, blocks.windows[inside[-1]].last
        if (first, last) not in windows:
            room = limit - best.least + float(best.bounds[inside].sum())
            cost: Array = np.sum([costs[b] for b in inside], axis=0)
            windows[first, last] = Window(stages, first, last, blocks.windows[0].holder, below=(cost, room))
        window, width = windows[first, last], found.upper[columns] - found.lower[columns]
        window.narrow(columns, found.lower[columns], found.upper[columns])
        for k in np.flatnonzero(width > 0).tolist():
            _narrow(found, window, int(columns[k]), known[name][k], seconds)
        now = found.upper[columns] - found.lower[columns]
        shares.append(1 - now[width > 0] / width[width > 0])
    together = np.concatenate([np.zeros(0), *shares])
    found.share = float(together.mean()) if together.size else 0.0
    found.programs = sum(window.programs for window in windows.values())
    return found


def _narrow(found: Narrowed, window: Window, column: int, known: float, seconds: float) -> None:
    """Both sides of one column, as far as the time lasts."""
    width = found.upper[column] - found.lower[column]
    cost = np.zeros(window.columns.size)
    place = int(np.searchsorted(window.columns, column))
    for sign in (1.0, -1.0):
        if expired():
            return
        cost[place] = sign
        bound = window.minimise(cost, seconds, ROUGH)[0] - ROOM * width
        if not np.isfinite(bound) or bound > sign * known:
            found.failures += 1
        elif sign > 0:
            found.lower[column] = max(found.lower[column], bound)
        else:
            found.upper[column] = min(found.upper[column], -bound)
    at: Index = np.array([column])
    window.narrow(at, found.lower[at], found.upper[at])
