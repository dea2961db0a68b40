"""Which sides of which units are worth a program, in which order, and what one solve says about the others.

A side is the minimum or the maximum of one unit. The side nearer to zero comes first: where it proves the unit stable,
the other need not be known. Then sides go by direction, all minima before all maxima, so that objectives in a row are
alike and the last basis is near the next optimum. Every point a solve returns is a feasible point of the relaxation: a
side whose bound it attains cannot move and is left out.

Source: Gleixner, Berthold, Müller, Weltge, "Three enhancements for optimization-based bound tightening" (Journal of
Global Optimization, 2017), for the filter and the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index, Mask
from relu2mip.lp.tally import Tally

MINIMUM, MAXIMUM = 0, 1
SIGNS = (1.0, -1.0)
"""The minimum of a unit is that of x, its maximum minus that of -x."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Columns to bound, what is known of them, and which are read by ReLUs alone (only those have a sign to settle)."""

    columns: Index
    lower: Array
    upper: Array
    signed: Mask

    def select(self, units: Index) -> Targets:
        """Some of them."""
        return Targets(self.columns[units], self.lower[units], self.upper[units], self.signed[units])


@dataclass(frozen=True)
class Rules:
    """tolerance: relative to a unit's width, what a side must be able to move to be worth a program.

    goal: "width" tightens all it can; "sign" leaves a unit read by a ReLU once points of both signs are known.
    """

    tolerance: float
    goal: str


class Sweep:
    """The bounds of some targets while their sides are visited; iterate for (target, side), then `record` each."""

    def __init__(self, targets: Targets, rules: Rules, tally: Tally) -> None:
        self.targets, self.rules, self.tally = targets, rules, tally
        self.lower, self.upper = targets.lower.copy(), targets.upper.copy()
        self.least = np.full(targets.lower.size, np.inf)
        self.most = np.full(targets.lower.size, -np.inf)
        self.abandoned = False

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = self._order()
        for position, (k, side) in enumerate(order):
            if self.abandoned or self.tally.spent:
                self.tally.counts["unvisited"] += len(order) - position
                return
            reason = self._needless(k, side)
            if reason:
                self.tally.counts[reason] += 1
            else:
                self.tally.counts["programs"] += 1
                yield k, side

    def record(self, k: int, side: int, bound: float) -> None:
        """Take a proven lower bound of the signed unit: of x for its minimum, of -x for its maximum."""
        if side == MINIMUM and bound > self.lower[k]:
            self.lower[k] = bound
        elif side == MAXIMUM and -bound < self.upper[k]:
            self.upper[k] = -bound
        else:
            return
        self.tally.counts["tightened"] += 1

    def attain(self, point: Array) -> None:
        """Take a feasible point of all columns."""
        values = point[self.targets.columns]
        self.least, self.most = np.minimum(self.least, values), np.maximum(self.most, values)

    def abandon(self) -> None:
        """Leave the sides that are still open."""
        self.abandoned = True

    def _order(self) -> list[tuple[int, int]]:
        size = self.lower.size
        units, sides = np.tile(np.arange(size), 2), np.repeat([MINIMUM, MAXIMUM], size)
        near = np.where(-self.lower <= self.upper, MINIMUM, MAXIMUM)[units]
        late = self.targets.signed[units] & (sides != near)
        order = np.lexsort((units, sides, late))
        return list(zip(units[order].tolist(), sides[order].tolist(), strict=True))

    def _needless(self, k: int, side: int) -> str:
        signed = self.targets.signed[k]
        if signed and (self.lower[k] >= 0 or self.upper[k] <= 0):
            return "settled"
        if signed and self.rules.goal == "sign" and self.least[k] < 0 < self.most[k]:
            return "settled"
        room = self.rules.tolerance * (self.targets.upper[k] - self.targets.lower[k])
        attained = self.least[k] <= self.lower[k] + room if side == MINIMUM else self.most[k] >= self.upper[k] - room
        return "filtered" if attained else ""
