"""Which members of a maximum can be its largest, given their bounds: decided here and nowhere else."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array, Index, Mask


def contenders(lower: Array, upper: Array, starts: Index) -> Mask:
    """The members that a maximum needs: the others are never larger than all of these.

    lower, upper: of all members along the last axis, one group after the other; group g is [starts[g], starts[g + 1]).
    A member counts where its upper bound is above the largest lower bound of its group, and so does the first that has
    this largest lower bound; of several that are fixed at one value one is enough. Each group has at least one.

    >>> contenders(np.array([0.0, -1.0, 3.0, 3.0]), np.array([0.0, 2.0, 3.0, 3.0]), np.array([0, 2, 4])).tolist()
    [True, True, True, False]
    """
    return np.asarray((upper > _floor(lower, starts)) | safest(lower, starts))


def safest(lower: Array, starts: Index) -> Mask:
    """The first member of each group that has the group's largest lower bound."""
    hits = lower == _floor(lower, starts)
    count = np.cumsum(hits, axis=-1)
    before = np.repeat((count - hits)[..., starts[:-1]], np.diff(starts), axis=-1)
    return np.asarray(hits & (count - before == 1))


def _floor(lower: Array, starts: Index) -> Array:
    """The largest lower bound of each member's group."""
    return np.repeat(np.maximum.reduceat(lower, starts[:-1], axis=-1), np.diff(starts), axis=-1)
