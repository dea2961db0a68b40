"""CROWN: linear bounds substituted backwards through the whole unrolled form.

To bound c @ y from below, y is replaced, value by value in reverse order, by what bounds it: an affine value by its
definition, a ReLU with pre-activation x in [l, u], l < 0 < u, by

    alpha x  <=  relu(x)  <=  u (x - l) / (u - l),        0 <= alpha <= 1

taking the lower side where its coefficient is positive and the upper side where it is negative; a maximum by its
member with the largest lower bound from below, and from above by the better of a constant and

    max_i x_i  <=  L + sum_i (u_i - L) (x_i - l_i) / (u_i - l_i)   over members with u_i > L,     L = max_i l_i .

What is left is linear in the inputs and is bounded over their box. So is what is left of values not reached when time
is up (`runtime.deadline`), over what is known of those: each value has an equal share of the time left, so that where
there is little of it, passes over the whole horizon are shorter. Any alpha is sound and no rule is best everywhere,
so each pass carries several at once (`SLOPES`) and keeps the best bound of each unit: the one of smaller area (1 where
u > -l, else 0), all 0, all 1, and u / (u - l), parallel to the upper side. Dependence between units is kept, which
interval propagation forgets. Both signs of all units of a value go through one pass; units that intervals prove stable
are left out. At each state between steps the expression is also bounded over what is known there (its box in the
problem among others), and the best of these bounds counts.

Source: Zhang et al., "Efficient Neural Network Robustness Certification with General Activation Functions" (NeurIPS
2018), with the adaptive lower slope of its section 3; the same relaxation is DeepPoly's (Singh et al., POPL 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from relu2mip.arrays import Array, Index, Matrix, apply
from relu2mip.bounds.backward import Backward
from relu2mip.bounds.ibp import propagate_value
from relu2mip.bounds.sides import Sides, max_sides, relu_slopes
from relu2mip.errors import InvalidOption
from relu2mip.normal_form import Affine, Max, NormalForm, Relu
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.intersect import intersect
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

SLOPES = 4
"""How many choices of lower slopes a pass carries."""

BATCH = 1 << 22
"""About as many coefficients of one value are in a pass; more units of a value take more passes."""

ROUNDING = 1e-12
"""Outward slack of a bound, relative to the sum of absolute values it was computed from."""

Total: TypeAlias = tuple[Array, Array]
"""The constants of the rows of a pass, and the sums of the absolute values that they were computed from."""


@dataclass(frozen=True)
class Crown(Part):
    """Backward linear relaxation; `window` is how many layers of ReLUs or maxima it goes back, 0 for all of them."""

    window: int = 0
    name: ClassVar[str] = "crown"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        if self.window < 0:
            raise InvalidOption(f"crown: window is {self.window}; give a number of layers, or 0 for all")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """Interval propagation and backward substitution, value by value in topological order."""
        lower, upper = list(bounds.lower), list(bounds.upper)
        relaxed = Relaxation(bounds.form, lower, upper, self.window)
        left = sum(isinstance(value, Affine) for value in bounds.form.values)
        for i, value in enumerate(bounds.form.values):
            with limited(seconds_left() / max(1, left)):
                relaxed.tighten(i)
            relaxed.relax(i)
            left -= isinstance(value, Affine)
        detail = {"unvisited": 2 * relaxed.unvisited} if relaxed.unvisited else {}
        return Tightened(tuple(lower), tuple(upper), detail=detail)


class Relaxation(Backward[Array, Total]):
    """Linear relaxations of the nonlinear values met so far, and backward passes through them.

    `lower` and `upper` are the lists that the caller tightens while it goes. unvisited: units worth a pass that got
    none before time was up.
    """

    def __init__(self, form: NormalForm, lower: list[Array], upper: list[Array], window: int = 0) -> None:
        super().__init__(form, window)
        self.lower, self.upper = lower, upper
        self.sides: dict[int, Sides] = {}
        self.magnitudes: dict[int, Matrix] = {}
        self.unvisited = 0
        widest = max(value.size for value in form.values)
        self._most = max(1, BATCH // (2 * SLOPES * widest))

    def tighten(self, i: int) -> None:
        """Intersect what is known of value i with its interval and, where worth it, with a backward pass."""
        box = propagate_value(self.form, i, self.lower, self.upper, self.magnitudes)
        self.lower[i], self.upper[i] = intersect(self.form, i, self.lower, self.upper, box)
        units = undecided(self.form, i, self.lower[i], self.upper[i])
        for at in range(0, units.size, self._most):
            if expired():
                self.unvisited += units.size - at
                break
            part = units[at : at + self._most]
            self.narrow(i, part, *self.bounds(i, part))

    def narrow(self, i: int, units: Index, lower: Array, upper: Array) -> None:
        """Intersect what is known of some units of value i with new bounds; raises `CrossedBounds`."""
        low, high = self.lower[i].copy(), self.upper[i].copy()
        low[units], high[units] = lower, upper
        self.lower[i], self.upper[i] = intersect(self.form, i, self.lower, self.upper, (low, high))

    def relax(self, i: int) -> None:
        """Fix the relaxation of value i from the bounds of what it reads."""
        value = self.form.values[i]
        if isinstance(value, Relu):
            self.sides[i] = Sides(*relu_slopes(self.lower[value.input], self.upper[value.input]))
        elif isinstance(value, Max):
            self.sides[i] = max_sides(value, self.lower[value.input], self.upper[value.input])

    def bounds(self, i: int, units: Index) -> tuple[Array, Array]:
        """Lower and upper bounds of some units of value i."""
        both = both_signs(units, self.form.values[i].size)
        result = self.minimum({i: np.tile(both, (SLOPES, 1))}, i).reshape(SLOPES, -1).max(axis=0)
        return result[: units.size], -result[units.size :]

    def stopped(self) -> bool:
        """Whether time is up."""
        return expired()

    def nothing(self, rows: Array) -> Total:
        """No constant, and no magnitude."""
        return np.zeros(len(rows)), np.zeros(len(rows))

    def plus_bias(self, total: Total, c: Array, j: int) -> Total:
        """The sum with c @ bias of affine value j added."""
        bias = self.form.values[j].bias  # type: ignore[union-attr]
        return total[0] + c @ bias, total[1] + np.abs(c) @ np.abs(bias)

    def times(self, c: Array, matrix: Matrix) -> Array:
        """Coefficients of what an affine value reads."""
        return np.asarray(c @ matrix if isinstance(matrix, np.ndarray) else apply(matrix.T.tocsr(), c))

    def through(self, total: Total, c: Array, j: int, slopes: Mapping[int, Array] | None) -> tuple[Total, Array]:
        """Without slopes, the rows come in `SLOPES` equal blocks, each of which uses one choice of them."""
        sides = self.sides[j]
        plus, minus = np.maximum(c, 0.0), np.minimum(c, 0.0)
        total = total[0] + minus @ sides.offset, total[1] - minus @ np.abs(sides.offset)
        below = sides.below[:, None] if slopes is None else slopes[j][None]
        if sides.group is not None:
            plus, minus = plus[:, sides.group], minus[:, sides.group]
        blocks = plus.reshape(len(below), -1, plus.shape[1]) * below
        c = blocks.reshape(plus.shape) + minus * sides.above
        return total, c if sides.gather is None else apply(sides.gather, c)

    def plus_box(self, total: Total, c: Array, k: int) -> Total:
        """The sum with the minimum of c @ value k over the box of that value added."""
        centre, radius = (self.lower[k] + self.upper[k]) / 2, (self.upper[k] - self.lower[k]) / 2
        size = np.abs(c)
        return total[0] + (c @ centre - size @ radius), total[1] + size @ (np.abs(centre) + radius)

    def bound(self, total: Total) -> Array:
        """The constant, rounded down."""
        return np.asarray(total[0] - ROUNDING * total[1])

    def larger(self, best: Array | None, bound: Array) -> Array:
        """Row by row the better bound."""
        return bound if best is None else np.maximum(best, bound)


def undecided(form: NormalForm, i: int, lower: Array, upper: Array) -> Index:
    """The units worth a pass: of outputs and kept values all, of pre-activations those that may be unstable."""
    if not isinstance(form.values[i], Affine):
        return np.zeros(0, dtype=np.intp)
    return np.flatnonzero((lower < 0) & (upper > 0) if only_signs_matter(form, i) else lower < upper)


def only_signs_matter(form: NormalForm, i: int) -> bool:
    """Whether an affine unit with a settled sign is done with: it is no output, state or member of a maximum."""
    value = form.values[i]
    kept = isinstance(value, Affine) and value.kept
    return not (kept or i in form.outputs.values() or any(isinstance(form.values[k], Max) for k in form.readers[i]))


def both_signs(units: Index, size: int) -> Array:
    """Coefficients of some units of a value and of their negatives, (2 units, size)."""
    rows = np.zeros((2 * units.size, size))
    rows[np.arange(units.size), units] = 1.0
    rows[np.arange(units.size, 2 * units.size), units] = -1.0
    return rows
