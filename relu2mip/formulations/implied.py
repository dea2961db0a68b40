"""Implications between units as rows over their binaries.

    active => active      a1 <= a2              active => inactive     a1 + a2 <= 1
    inactive => active    a1 + a2 >= 1          inactive => inactive   a2 <= a1

in one form: with l = a for an active and l = 1 - a for an inactive unit, l1 <= l2.
"""

from __future__ import annotations

import numpy as np

from relu2mip.formulations.phases import phases
from relu2mip.mip import ModelBuilder, NameBlock
from relu2mip.unrolled.bounds import Bounds


def write_implications(bounds: Bounds, model: ModelBuilder) -> int:
    """Add a row for each implication of the bounds whose units both have a binary; returns how many."""
    known = bounds.implications
    if not known.size:
        return 0
    binaries = {}
    for i in np.unique(np.concatenate([known.first, known.second])).tolist():
        if (columns := phases(bounds.form.values[i], model.values)) is not None:
            binaries[i] = columns
    kept = np.flatnonzero([a in binaries and b in binaries for a, b in zip(known.first, known.second, strict=True)])
    if not kept.size:
        return 0
    first = np.array([binaries[known.first[k]][known.first_unit[k]] for k in kept])
    second = np.array([binaries[known.second[k]][known.second_unit[k]] for k in kept])
    s, t = known.first_sign[kept].astype(float), known.second_sign[kept].astype(float)
    # l = s a + (1 - s) / 2, so l1 - l2 <= 0 is s a1 - t a2 <= (s - t) / 2.
    model.add_rows(NameBlock("implied", np.arange(kept.size)), [(s, first), (-t, second)], upper=(s - t) / 2)
    return int(kept.size)
