"""The tree of a search: boxes, how each was cut, and the bound of each; in arrays that grow."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from relu2mip.arrays import Array, Index, Mask
from relu2mip.search.boxes import Boxes, Cuts

NO_CUT = -1


@dataclass(eq=False)
class Tree:
    """Nodes in the order they were made; node 0 is everything.

    across: the input that a node was cut across, NO_CUT for a leaf.  low_part, high_part: where its parts end and
    begin.  parts: its first part; the second comes right behind.  bound: no plan in the node costs less.
    """

    across: Index = field(default_factory=lambda: np.full(1, NO_CUT))
    low_part: Array = field(default_factory=lambda: np.zeros(1))
    high_part: Array = field(default_factory=lambda: np.zeros(1))
    parts: Index = field(default_factory=lambda: np.full(1, NO_CUT))
    bound: Array = field(default_factory=lambda: np.full(1, -np.inf))
    size: int = 1

    @property
    def leaves(self) -> Mask:
        """Which nodes were not cut, (size,)."""
        return np.asarray(self.across[: self.size] == NO_CUT)

    @property
    def least(self) -> float:
        """No plan costs less."""
        return float(self.bound[: self.size][self.leaves].min())

    def cut(self, nodes: Index, cuts: Cuts) -> Index:
        """Cut nodes; the numbers of their lower parts, then of their upper ones. Parts inherit the bound."""
        first = self.size + 2 * np.arange(nodes.size)
        self._reserve(self.size + 2 * nodes.size)
        self.across[nodes], self.parts[nodes] = cuts.across, first
        self.low_part[nodes], self.high_part[nodes] = cuts.low_part, cuts.high_part
        self.bound[first] = self.bound[first + 1] = self.bound[nodes]
        self.size += 2 * nodes.size
        return np.concatenate([first, first + 1])

    def raise_bound(self, nodes: Index, least: Array) -> None:
        """Take in what was proven of nodes."""
        self.bound[nodes] = np.maximum(self.bound[nodes], least)

    def boxes(self, whole: Boxes) -> tuple[Index, Boxes]:
        """The leaves and their boxes, worked out from the cuts alone."""
        low, high = np.repeat(whole.low, self.size, axis=0), np.repeat(whole.high, self.size, axis=0)
        level = np.array([0]) if self.across[0] != NO_CUT else np.zeros(0, dtype=np.intp)
        while level.size:
            first, across = self.parts[level], self.across[level]
            for part in (first, first + 1):
                low[part], high[part] = low[level], high[level]
            high[first, across], low[first + 1, across] = self.low_part[level], self.high_part[level]
            below = np.concatenate([first, first + 1])
            level = below[self.across[below] != NO_CUT]
        leaves = np.flatnonzero(self.leaves)
        return leaves, Boxes(low[leaves], high[leaves])

    def _reserve(self, size: int) -> None:
        room = self.bound.size
        if size > room:
            more = max(size, 2 * room) - room
            self.across = np.concatenate([self.across, np.full(more, NO_CUT)])
            self.parts = np.concatenate([self.parts, np.full(more, NO_CUT)])
            self.low_part = np.concatenate([self.low_part, np.zeros(more)])
            self.high_part = np.concatenate([self.high_part, np.zeros(more)])
            self.bound = np.concatenate([self.bound, np.full(more, -np.inf)])
