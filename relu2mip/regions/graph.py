"""Which region of a step can follow which region of the step before it, as rows over their binaries.

Region s of a step can follow region r of another whose outputs it reads if the ranges of those outputs over r meet the
ranges of the inputs over s, and no side of s excludes all of what they have in common. With r -> s for the pairs left,

    z_s <= sum_{r -> s} z_r,        z_r <= sum_{r -> s} z_s

which hold where one binary of each step is 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relu2mip.arrays import Index, Mask
from relu2mip.mip import ModelBuilder, NameBlock
from relu2mip.regions.region import Region
from relu2mip.regions.steps import Step

SLACK = 1e-7
"""Ranges that miss each other by less than this share of the width of the inputs' box meet."""

ROUNDING = 1e-12
"""And besides by this share of their numbers."""


def can_follow(first: Step, before: Sequence[Region], second: Step, after: Sequence[Region]) -> Mask:
    """Whether region s of `second` can follow region r of `first`, at [r, s]; all of them if it reads none of it."""
    out, into = _shared(first, second)
    least, most = np.stack([r.least[out] for r in before]), np.stack([r.most[out] for r in before])
    pairs = np.ones((len(before), len(after)), dtype=bool)
    width = np.subtract(*second.box[::-1])
    for s, region in enumerate(after):
        low, high = np.tile(region.lower, (len(before), 1)), np.tile(region.upper, (len(before), 1))
        low[:, into], high[:, into] = np.maximum(low[:, into], least), np.minimum(high[:, into], most)
        apart = low - high > SLACK * width + ROUNDING * (np.abs(low) + np.abs(high))
        positive, negative = np.maximum(region.matrix, 0), np.minimum(region.matrix, 0)
        smallest = low @ positive.T + high @ negative.T
        size = np.abs(low) @ positive.T - np.abs(high) @ negative.T + np.abs(region.limit)
        excluded = smallest - region.limit > SLACK * np.abs(region.matrix) @ width + ROUNDING * size
        pairs[:, s] = ~(apart.any(axis=1) | excluded.any(axis=1))
    return pairs


def write_graph(model: ModelBuilder, first: Step, before: Index, second: Step, after: Index, pairs: Mask) -> None:
    """Add the rows of a pair of steps with binaries `before` and `after`, where they say something."""
    followed, following = np.flatnonzero(~pairs.all(axis=1)), np.flatnonzero(~pairs.all(axis=0))
    names = NameBlock(f"{second.place.prefix}.region", following, f".after.{first.place.prefix}")
    rows = [(1.0, after[following]), (-pairs.T[following].astype(float), before)]
    model.add_rows(names, rows, upper=0.0)
    names = NameBlock(f"{first.place.prefix}.region", followed, f".before.{second.place.prefix}")
    model.add_rows(names, [(1.0, before[followed]), (-pairs[followed].astype(float), after)], upper=0.0)


def _shared(first: Step, second: Step) -> tuple[Index, Index]:
    """Positions of the outputs of `first` that `second` reads, and of the inputs of `second` that they are."""
    ends = np.cumsum([0, *(first.form.values[i].size for i in first.results)])
    starts = np.cumsum([0, *(value.size for value in second.form.values[: len(second.inputs)])])
    out, into = [np.zeros(0, dtype=np.intp)], [np.zeros(0, dtype=np.intp)]
    for position, value in enumerate(second.inputs):
        if value in first.outputs:
            k = first.outputs.index(value)
            out.append(np.arange(ends[k], ends[k + 1]))
            into.append(np.arange(starts[position], starts[position + 1]))
    return np.concatenate(out), np.concatenate(into)
