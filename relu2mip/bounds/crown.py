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
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Matrix, apply
from relu2mip.bounds.ibp import propagate_value
from relu2mip.errors import InvalidOption
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu
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


class Relaxation:
    """Linear relaxations of the nonlinear values met so far, and backward passes through them.

    `lower` and `upper` are the lists that the caller tightens while it goes. unvisited: units worth a pass that got
    none before time was up.
    """

    def __init__(self, form: NormalForm, lower: list[Array], upper: list[Array], window: int = 0) -> None:
        self.form, self.lower, self.upper, self.window = form, lower, upper, window
        self.sides: dict[int, Sides] = {}
        nonlinear = [isinstance(value, Relu | Max) for value in form.values]
        self.depth = np.cumsum(nonlinear)
        self.first_reader = [min(readers, default=len(form.values)) for readers in form.readers]
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
            self.narrow(i, part, *self.bound(i, part))

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
            self.sides[i] = _relax_max(value, self.lower[value.input], self.upper[value.input])

    def bound(self, i: int, units: Index) -> tuple[Array, Array]:
        """Lower and upper bounds of some units of value i."""
        both = both_signs(units, self.form.values[i].size)
        result = self.minimum({i: np.tile(both, (SLOPES, 1))}, i).reshape(SLOPES, -1).max(axis=0)
        return result[: units.size], -result[units.size :]

    def minimum(self, terms: dict[int, Array], start: int, slopes: Mapping[int, Array] | None = None) -> Array:
        """Lower bounds of sum_k C_k @ value_k, one a row, for coefficients C_k (rows, size_k) of values up to start.

        `slopes` gives the lower slopes of each nonlinear value, (rows, inputs). Without it, the rows come in `SLOPES`
        equal blocks, each of which uses one choice of them. Where time is up, the terms met last are bounded over
        boxes.
        """
        form = self.form
        rows = next(iter(terms.values())).shape[0]
        constant, magnitude = np.zeros(rows), np.zeros(rows)
        best = np.full(rows, -np.inf)
        stop = self.depth[start] - self.window if self.window else -1
        for j in range(start, -1, -1):
            if j not in terms:
                continue
            value = form.values[j]
            if isinstance(value, Input):
                continue
            if self.depth[j] < stop or expired():
                break
            if isinstance(value, Affine):
                if value.kept and j < start:
                    constant, magnitude = self._absorb(terms, j, constant, magnitude)
                    best = np.maximum(best, self._over_boxes(terms, constant, magnitude))
                c = terms.pop(j)
                constant = constant + c @ value.bias
                magnitude = magnitude + np.abs(c) @ np.abs(value.bias)
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    _add(terms, k, _times(c, matrix))
            else:
                c, sides = terms.pop(j), self.sides[j]
                plus, minus = np.maximum(c, 0.0), np.minimum(c, 0.0)
                constant = constant + minus @ sides.offset
                magnitude = magnitude - minus @ np.abs(sides.offset)
                below = sides.below[:, None] if slopes is None else slopes[j][None]
                if sides.group is not None:
                    plus, minus = plus[:, sides.group], minus[:, sides.group]
                blocks = plus.reshape(len(below), -1, plus.shape[1]) * below
                c = blocks.reshape(plus.shape) + minus * sides.above
                _add(terms, value.input, c if sides.gather is None else apply(sides.gather, c))
        return np.asarray(np.maximum(best, self._over_boxes(terms, constant, magnitude)))

    def _absorb(self, terms: dict[int, Array], j: int, constant: Array, magnitude: Array) -> tuple[Array, Array]:
        """Bound the inputs that nothing before value j reads over their boxes, once and for all."""
        done = [k for k in terms if isinstance(self.form.values[k], Input) and self.first_reader[k] > j]
        for k in done:
            low, size = _over_box(terms.pop(k), self.lower[k], self.upper[k])
            constant, magnitude = constant + low, magnitude + size
        return constant, magnitude

    def _over_boxes(self, terms: dict[int, Array], constant: Array, magnitude: Array) -> Array:
        for k, c in terms.items():
            low, size = _over_box(c, self.lower[k], self.upper[k])
            constant, magnitude = constant + low, magnitude + size
        return np.asarray(constant - ROUNDING * magnitude)


@dataclass(frozen=True, eq=False)
class Sides:
    """A nonlinear value y between linear functions of its inputs x.

    Elementwise for a ReLU,

        below * x  <=  y  <=  above * x + offset

    with a row of `below` for each choice of lower slopes. For a maximum, x are the members of all groups and each side
    is summed over a group: `group` says which one a member belongs to, and `gather` adds up the coefficients of members
    on the units they come from.
    """

    below: Array
    above: Array
    offset: Array
    group: Index | None = None
    gather: Matrix = None


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


def relu_slopes(lower: Array, upper: Array) -> tuple[Array, Array, Array]:
    """(alpha, s, t) with alpha x <= relu(x) <= s x + t on [lower, upper], alpha with a row for each choice of slopes.

    Exact where a unit is stable.
    """
    active = lower >= 0
    unstable = ~active & (upper > 0)
    slope = np.where(unstable, upper / np.where(unstable, upper - lower, 1.0), active.astype(float))
    choices = np.stack([upper > -lower, np.zeros_like(active), np.ones_like(active), slope])
    return np.where(unstable, choices, active), slope, np.where(unstable, -slope * lower, 0.0)


def _relax_max(value: Max, lower: Array, upper: Array) -> Sides:
    groups, starts, members = value.size, value.starts, value.members
    group = np.repeat(np.arange(groups), np.diff(starts))
    low, high = lower[members], upper[members]
    floor = np.maximum.reduceat(low, starts[:-1])
    top = np.maximum.reduceat(high, starts[:-1])
    order = np.lexsort((np.arange(low.size), -low, group))
    below = np.zeros((1, low.size))
    below[0, order[starts[:-1]]] = 1.0
    # A member that cannot exceed the floor adds nothing; one whose lower limit is the floor counts from there.
    counts = high > floor[group]
    slope = np.where(counts, (high - floor[group]) / np.where(counts, high - low, 1.0), 0.0)
    height = np.bincount(group, slope * (high - low) / 2, minlength=groups)
    linear = height < top - floor
    alone = np.bincount(group, counts, minlength=groups) == 0
    above = np.where(linear[group], slope, 0.0)
    offset: Array = np.where(linear | alone, floor, top)
    offset -= np.bincount(group, above * low, minlength=groups)
    gather = sp.csr_array((np.ones(low.size), (members, np.arange(low.size))), shape=(lower.size, low.size))
    return Sides(below, above, offset, group, gather)


def both_signs(units: Index, size: int) -> Array:
    """Coefficients of some units of a value and of their negatives, (2 units, size)."""
    rows = np.zeros((2 * units.size, size))
    rows[np.arange(units.size), units] = 1.0
    rows[np.arange(units.size, 2 * units.size), units] = -1.0
    return rows


def _times(c: Array, matrix: Matrix) -> Array:
    return c @ matrix if isinstance(matrix, np.ndarray) else apply(matrix.T.tocsr(), c)


def _add(terms: dict[int, Array], k: int, c: Array) -> None:
    terms[k] = terms[k] + c if k in terms else c


def _over_box(c: Array, lower: Array, upper: Array) -> tuple[Array, Array]:
    """The minimum of c @ x over a box, and the sum of absolute values behind it."""
    centre, radius = (lower + upper) / 2, (upper - lower) / 2
    size = np.abs(c)
    return c @ centre - size @ radius, size @ (np.abs(centre) + radius)
