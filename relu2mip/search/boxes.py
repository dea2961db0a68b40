"""Boxes of the free inputs, and how they are cut in two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index, Mask


@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes [low, high], (B, d) each."""

    low: Array
    high: Array

    def __len__(self) -> int:
        return len(self.low)

    def __getitem__(self, chosen: Index | Mask | slice) -> Boxes:
        return Boxes(self.low[chosen], self.high[chosen])

    @property
    def middle(self) -> Array:
        """Of each box, (B, d)."""
        return (self.low + self.high) / 2

    @classmethod
    def joined(cls, parts: Sequence[Boxes]) -> Boxes:
        """All boxes of several."""
        return cls(np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts]))


@dataclass(frozen=True, eq=False)
class Cuts:
    """How boxes are cut: across which input, up to where the lower part goes, and from where on the upper one."""

    across: Index
    low_part: Array
    high_part: Array

    def parts(self, boxes: Boxes) -> Boxes:
        """Both parts of each box: the lower ones first, then the upper ones in the same order."""
        rows = np.arange(len(boxes))
        high, low = boxes.high.copy(), boxes.low.copy()
        high[rows, self.across], low[rows, self.across] = self.low_part, self.high_part
        return Boxes(np.concatenate([boxes.low, low]), np.concatenate([high, boxes.high]))


def cut(boxes: Boxes, scores: Array, levels: Sequence[Array | None]) -> Cuts:
    """Cut each box across the middle of the input with the best score; all have one with a width.

    levels: of each input that takes only listed values, those; such a box ends at two of them, and is cut between the
    two next to its middle.
    """
    width = boxes.high - boxes.low
    across = np.where(width > 0, scores, -1.0).argmax(axis=1)
    rows = np.arange(len(boxes))
    middle = boxes.middle[rows, across]
    low_part, high_part = middle.copy(), middle.copy()
    for j, listed in enumerate(levels):
        if listed is not None and (mine := across == j).any():
            k = np.searchsorted(listed, middle[mine], side="right")
            k = np.clip(
                k, np.searchsorted(listed, boxes.low[mine, j]) + 1, np.searchsorted(listed, boxes.high[mine, j])
            )
            low_part[mine], high_part[mine] = listed[k - 1], listed[k]
    return Cuts(across, low_part, high_part)
