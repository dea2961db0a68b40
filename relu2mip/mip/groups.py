"""Sums and maxima of groups laid end to end: group g holds entries starts[g] to starts[g + 1]."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array, Index


def group_of(starts: Index) -> Index:
    """The group of each entry.

    >>> group_of(np.array([0, 2, 5]))
    array([0, 0, 1, 1, 1])
    """
    return np.repeat(np.arange(starts.size - 1), np.diff(starts))


def largest_other(values: Array, starts: Index) -> Array:
    """For each entry, the largest value among the others of its group, -inf where there is no other; no empty groups.

    >>> largest_other(np.array([3.0, 1.0, 2.0, 7.0]), np.array([0, 3, 4]))
    array([  2.,   3.,   3., -inf])
    """
    group = group_of(starts)
    order = np.lexsort((-values, group))
    first = order[starts[:-1]]
    several = np.diff(starts) > 1
    second = np.full(first.size, -np.inf)
    second[several] = values[order[starts[:-1][several] + 1]]
    others = values[first][group]
    others[first] = second
    return np.asarray(others)
