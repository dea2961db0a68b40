"""Cells: a list of boxes of the free inputs, whose union holds every plan that is still of interest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Mask

LEVEL = 1e-9
"""How far a discrete value may lie outside a cell and still belong to it, relative to how far the values range."""

ROUNDING = 1e-12
"""The same relative to the value."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Boxes [low, high], (B, d) each. levels: of each free input that takes only listed values, those; else None."""

    low: Array
    high: Array
    levels: Sequence[Array | None]

    @classmethod
    def of(cls, low: Array, high: Array, levels: Sequence[Array | None]) -> Cells:
        """One cell, without what no listed value is in."""
        return cls(low[None], high[None], levels)._to_levels()

    def __len__(self) -> int:
        return len(self.low)

    @property
    def wide(self) -> bool:
        """Whether any of them has an input with a width, that it could be cut across."""
        return bool((self.high > self.low).any())

    def select(self, chosen: Mask | slice) -> Cells:
        """Some of them."""
        return Cells(self.low[chosen], self.high[chosen], self.levels)

    def halved(self, scores: Array) -> Cells:
        """Each cell as two, cut across the middle of the input with the best score; one without width stays whole."""
        if not self.wide:
            return self
        scores = np.where(self.high > self.low, scores, -1.0)
        inputs, wide = scores.argmax(axis=1), scores.max(axis=1, initial=-1.0) >= 0
        copies = np.where(wide, 2, 1)
        low, high = np.repeat(self.low, copies, axis=0), np.repeat(self.high, copies, axis=0)
        first, cut = (np.cumsum(copies) - copies)[wide], inputs[wide]
        middle = ((self.low + self.high) / 2)[wide, cut]
        high[first, cut] = middle
        low[first + 1, cut] = middle
        return Cells(low, high, self.levels)._to_levels()

    def under(self, constant: Array, slope: Array, limit: float) -> Cells:
        """The smaller boxes in which  constant + slope @ e <= limit  can hold, e in [-1, 1]^S.

        The first d entries of e are the inputs, scaled to the cell.
        """
        mine = slope[:, : self.low.shape[1]]
        size = np.abs(mine)
        room = limit - constant + np.abs(slope).sum(axis=1)
        reach = np.divide(room[:, None], size, out=np.full(mine.shape, 2.0), where=size > 0) - 1.0
        reach = np.clip(reach + LEVEL, -1.0, 1.0)
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        low = np.where(mine < 0, np.maximum(self.low, middle - reach * half), self.low)
        high = np.where(mine > 0, np.minimum(self.high, middle + reach * half), self.high)
        return Cells(low, high, self.levels)

    @staticmethod
    def joined(parts: Sequence[Cells]) -> Cells:
        """All cells of several."""
        low, high = (np.concatenate([getattr(part, side) for part in parts]) for side in ("low", "high"))
        return Cells(low, high, parts[0].levels)

    def _to_levels(self) -> Cells:
        """Shrunk to the listed values inside, without the cells that hold none."""
        low, high = self.low, self.high
        for j, levels in enumerate(self.levels):
            if levels is not None:
                room = LEVEL * np.ptp(levels) + ROUNDING * np.abs(levels)
                first = np.searchsorted(levels + room, low[:, j])
                last = np.searchsorted(levels - room, high[:, j], side="right") - 1
                some = first <= last
                low, high, first, last = low[some], high[some], first[some], last[some]
                low[:, j], high[:, j] = levels[first], levels[last]
        return Cells(low, high, self.levels)
