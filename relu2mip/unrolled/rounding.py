"""How far two bounds of one unit may cross by rounding alone.

The lower and the upper bound of a unit with a single value left differ by what their sums were rounded by. Along the
form that error follows

    error(A x + b) = |A| error(x) + eps n (|A| |x| + |b|),      error(max(x, ...)) = max error(x),

with |x| the largest magnitude that bounds of x admit. It has the units of the value, so a crossing means the same in
anyone's. Where many steps multiply it, a share of the value's magnitude (or of 1) ends it.

Source: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd edition, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from relu2mip.arrays import Array
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu

ERRORS = 1000.0
"""A crossing is rounding up to this many errors: methods sum the same terms in other orders and several times."""

CROSSING = 1e-9
"""And at most this share of the value's magnitude, or of 1 where that is smaller."""


def crossings(
    form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], count: int | None = None
) -> list[Array]:
    """The crossing that counts as rounding, for each unit of the first `count` values (None: all) of a form."""
    errors: list[Array] = []
    sizes = [np.maximum(np.abs(low), np.abs(high)) for low, high in zip(lower[:count], upper[:count], strict=True)]
    for i, size in enumerate(sizes):
        match form.values[i]:
            case Input():
                errors.append(np.finfo(np.float64).eps * size)
            case Affine() as value:
                errors.append(_affine(value, errors, sizes))
            case Relu(input=x):
                errors.append(errors[x])
            case Max(input=x, members=members, starts=starts):
                errors.append(np.maximum.reduceat(errors[x][members], starts[:-1]))
    return [
        np.minimum(ERRORS * error, CROSSING * np.maximum(1.0, size)) for error, size in zip(errors, sizes, strict=True)
    ]


def _affine(value: Affine, errors: Sequence[Array], sizes: Sequence[Array]) -> Array:
    """The error of a sum of products. A magnitude that is not known yet is infinite, and so is the error."""
    eps = np.finfo(np.float64).eps
    error = eps * np.abs(value.bias)
    for k, matrix in zip(value.inputs, value.matrices, strict=True):
        magnitude = abs(matrix)
        parts = errors[k] + eps * matrix.shape[1] * sizes[k]
        finite = np.isfinite(parts)
        error = error + magnitude @ np.where(finite, parts, 0.0)
        if not finite.all():
            error[(magnitude @ (~finite).astype(np.float64)) > 0] = np.inf
    return error
