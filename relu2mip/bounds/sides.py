"""A nonlinear value between two linear functions of its inputs: the relaxations that backward passes go through.

The formulas are in `relu2mip.bounds.crown`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Matrix
from relu2mip.normal_form import Max


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


def relu_slopes(lower: Array, upper: Array) -> tuple[Array, Array, Array]:
    """(alpha, s, t) with alpha x <= relu(x) <= s x + t on [lower, upper], alpha with a row for each choice of slopes.

    Exact where a unit is stable.
    """
    active = lower >= 0
    unstable = ~active & (upper > 0)
    slope = np.where(unstable, upper / np.where(unstable, upper - lower, 1.0), active.astype(float))
    choices = np.stack([upper > -lower, np.zeros_like(active), np.ones_like(active), slope])
    return np.where(unstable, choices, active), slope, np.where(unstable, -slope * lower, 0.0)


def max_sides(value: Max, lower: Array, upper: Array) -> Sides:
    """The sides of maxima over boxes of what they read: the best member below, the better of two functions above."""
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
