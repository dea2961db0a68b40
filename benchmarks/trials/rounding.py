"""How far float64 may be off when a normal form is evaluated: a running error bound for every value.

Every affine row errs by a few units in the last place of its terms' magnitudes, and passes on the errors of what it
reads; ReLUs and maxima pass them on. A quantity near 10^6 that is read through a difference brings its own rounding.

Source: Higham, "Accuracy and Stability of Numerical Algorithms" (2002), section 3.3.
"""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu

SAFETY = 8.0


def rounding(form: NormalForm, values: list[Array]) -> list[Array]:
    """The allowance of each value, (size,), over a batch of values (B, size) of every node."""
    allowed: list[Array] = []
    unit = SAFETY * np.finfo(np.float64).eps
    for value, x in zip(form.values, values, strict=True):
        match value:
            case Input():
                allowed.append(unit * np.abs(x).max(axis=0))
            case Affine():
                terms, passed = np.abs(value.bias), np.zeros(value.size)
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    terms = terms + abs(matrix) @ np.abs(values[k]).max(axis=0)
                    passed = passed + abs(matrix) @ allowed[k]
                allowed.append(passed + unit * terms)
            case Relu():
                allowed.append(allowed[value.input])
            case Max():
                allowed.append(np.maximum.reduceat(allowed[value.input][value.members], value.starts[:-1]))
    return allowed
