"""Hold entries of affine values at constants, so that what they alone depend on is dead.

A value keeps its size: whoever reads the others still finds them where they were. It is for entries that do not matter
to whoever asks (`relu2mip.pipeline.relevance`); unlike the other passes, it leaves another function.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from relu2mip.arrays import Array, Mask, Matrix, compact
from relu2mip.normal_form import Affine, NormalForm


def hold(form: NormalForm, entries: Mapping[int, Mask], at: Mapping[int, Array]) -> NormalForm:
    """The form with some entries of affine values held; `at` gives all entries of those values."""
    values = list(form.values)
    for i, held in entries.items():
        value = values[i]
        assert isinstance(value, Affine)
        matrices = tuple(_without(matrix, held) for matrix in value.matrices)
        values[i] = replace(value, matrices=matrices, bias=np.where(held, at[i], value.bias))
    return NormalForm(tuple(values), form.inputs, form.outputs)


def _without(matrix: Matrix, rows: Mask) -> Matrix:
    """The matrix with zeros in some rows."""
    if isinstance(matrix, np.ndarray):
        return np.where(rows[:, None], 0.0, matrix)
    kept = matrix.copy()
    kept.data = np.where(np.repeat(rows, np.diff(kept.indptr)), 0.0, kept.data)
    return compact(kept)
