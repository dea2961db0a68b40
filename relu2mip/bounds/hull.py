"""The hull of many cells: of every value the smallest interval that holds those over the cells."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Mask
from relu2mip.bounds.minorant import Linear
from relu2mip.bounds.zonotopes import Zonotopes
from relu2mip.normal_form import Max, NormalForm, Relu
from relu2mip.normal_form.contenders import contenders


class Hull:
    """The smallest intervals of all values that hold those of the cells added, and the least objective over them."""

    def __init__(self, form: NormalForm) -> None:
        self.lower = [np.full(value.size, np.inf) for value in form.values]
        self.upper = [np.full(value.size, -np.inf) for value in form.values]
        self.least = np.inf

    def add(self, boxes: Zonotopes, below: Linear, kept: Mask) -> None:
        """Take in some of the cells of a batch."""
        if kept.any():
            self.least = min(self.least, float(below.least[kept].min()))
            for i, (low, high) in enumerate(zip(boxes.lower, boxes.upper, strict=True)):
                self.lower[i] = np.minimum(self.lower[i], low[kept].min(axis=0))
                self.upper[i] = np.maximum(self.upper[i], high[kept].max(axis=0))

    def undecided(self, form: NormalForm) -> int:
        """ReLUs without a sign, and members of maxima that may be largest beside others."""
        count = 0
        for value in form.values:
            if isinstance(value, Relu):
                count += int(((self.lower[value.input] < 0) & (self.upper[value.input] > 0)).sum())
            elif isinstance(value, Max):
                low, high = self.lower[value.input][value.members], self.upper[value.input][value.members]
                rivals = np.add.reduceat(contenders(low, high, value.starts), value.starts[:-1], dtype=np.intp)
                count += int(np.where(rivals > 1, rivals, 0).sum())
        return count
