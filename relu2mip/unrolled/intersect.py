"""The intersection of what is known of a value with what is new."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import CrossedBounds
from relu2mip.normal_form import NormalForm
from relu2mip.unrolled.rounding import crossings


def intersect(
    form: NormalForm, i: int, lower: Sequence[Array], upper: Sequence[Array], new: tuple[Array, Array]
) -> tuple[Array, Array]:
    """The intersection of the bounds of value i with new ones; raises `CrossedBounds` where it is empty.

    lower, upper: of all values up to i, which say what rounding can do (`relu2mip.unrolled.rounding`).
    """
    low, high = np.maximum(lower[i], new[0]), np.minimum(upper[i], new[1])
    if (low > high).any():
        real = low - high > crossings(form, lower, upper, i + 1)[i]
        if real.any():
            unit = int(np.flatnonzero(real)[0])
            short = float(low[unit] - high[unit])
            raise CrossedBounds(
                f"{form.values[i].place.name(unit)}: nothing in [{lower[i][unit]:g}, {upper[i][unit]:g}] can be "
                f"reached, its value lies in [{new[0][unit]:g}, {new[1][unit]:g}], it misses its set by {short:.3g}; "
                "widen the sets before this step, or the initial state"
            )
        low, high = np.minimum(low, high), np.maximum(low, high)
    return low, high
