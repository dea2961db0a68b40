"""Interval enclosures of the generalised Jacobian of a form within bounds of its values.

Forward, value by value: from an enclosure [L, U] of the Jacobian of what a value reads,

    y = A x + b            A⁺ L + A⁻ U  <=  J  <=  A⁺ U + A⁻ L            A⁺ = max(A, 0), A⁻ = min(A, 0)
    y = max(x, 0)          [L, U] where the bounds prove x > 0, 0 where they prove x < 0, else [min(L, 0), max(U, 0)]
    y = max of a group     the hull of the rows of the members that may attain it

The last two hold Clarke's generalised Jacobian: that of a ReLU at its kink is [0, 1] times the row, that of a maximum
lies in the hull of the rows of its largest members. Sums are rounded outwards, and an entry is {0} only where no path
of nonzero weights through units that may be active leads to it. So an entry {0} is proven, not found to be small.

Source: Clarke, "Optimization and Nonsmooth Analysis" (1983), section 2.6; for networks Jordan, Dimakis, "Exactly
Computing the Local Lipschitz Constant of ReLU Networks" (NeurIPS 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Mask, dense
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu

TINY = 1e-300
"""Entries that a path leads to are wider than this, so that none of them is {0} by underflow."""


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Lower and upper bounds of a Jacobian, (outputs, inputs), and which entries any path leads to at all."""

    lower: Array
    upper: Array
    reached: Mask

    @classmethod
    def zero(cls, rows: int, columns: int) -> Enclosure:
        """Of a constant."""
        return cls(np.zeros((rows, columns)), np.zeros((rows, columns)), np.zeros((rows, columns), dtype=bool))

    def select(self, rows: Array | Mask) -> Enclosure:
        """Some rows."""
        return Enclosure(self.lower[rows], self.upper[rows], self.reached[rows])


def enclosures(
    form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], seeds: Sequence[int]
) -> list[Enclosure]:
    """Of every value of a form by the values `seeds`, laid end to end, where all values are within their bounds.

    A seed may be any value: an input, or a state between two steps, which those after it depend on.
    """
    ends = np.cumsum([0, *(form.values[i].size for i in seeds)])
    place = {i: slice(a, b) for i, a, b in zip(seeds, ends[:-1], ends[1:], strict=True)}
    found: list[Enclosure] = []
    for i, value in enumerate(form.values):
        match value:
            case Input():
                made = Enclosure.zero(value.size, int(ends[-1]))
            case Affine():
                made = _affine(value, found, int(ends[-1]))
            case Relu(input=x):
                made = _relu(found[x], lower[x], upper[x])
            case Max(input=x):
                made = _max(value, found[x], lower[x], upper[x])
        if i in place:
            made.lower[:, place[i]] = made.upper[:, place[i]] = np.eye(value.size)
            made.reached[:, place[i]] = np.eye(value.size, dtype=bool)
        found.append(made)
    return found


def _affine(value: Affine, found: Sequence[Enclosure], columns: int) -> Enclosure:
    total = Enclosure.zero(value.size, columns)
    low, high, size = total.lower, total.upper, np.zeros((value.size, columns))
    reached, terms = np.zeros((value.size, columns)), len(value.inputs)
    for k, matrix in zip(value.inputs, value.matrices, strict=True):
        weights, x = dense(matrix), found[k]
        up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
        low += up @ x.lower + down @ x.upper
        high += up @ x.upper + down @ x.lower
        size += np.abs(weights) @ np.maximum(np.abs(x.lower), np.abs(x.upper))
        reached += (weights != 0).astype(np.float64) @ x.reached.astype(np.float64)
        terms += weights.shape[1]
    slack = 4 * terms * np.finfo(np.float64).eps * size + TINY * (reached > 0)
    return Enclosure(low - slack, high + slack, reached > 0)


def _relu(x: Enclosure, lower: Array, upper: Array) -> Enclosure:
    active, dead = (lower > 0)[:, None], (upper < 0)[:, None]
    low = np.where(active, x.lower, np.where(dead, 0.0, np.minimum(x.lower, 0.0)))
    high = np.where(active, x.upper, np.where(dead, 0.0, np.maximum(x.upper, 0.0)))
    return Enclosure(low, high, x.reached & ~dead)


def _max(value: Max, x: Enclosure, lower: Array, upper: Array) -> Enclosure:
    starts, members = value.starts[:-1], value.members
    largest = np.repeat(np.maximum.reduceat(lower[members], starts), np.diff(value.starts))
    possible = (upper[members] >= largest)[:, None]
    low = np.minimum.reduceat(np.where(possible, x.lower[members], np.inf), starts, axis=0)
    high = np.maximum.reduceat(np.where(possible, x.upper[members], -np.inf), starts, axis=0)
    return Enclosure(low, high, np.logical_or.reduceat(possible & x.reached[members], starts, axis=0))
