"""A model with more columns or rows at the end, for passes that rewrite models.

What is there keeps its positions, so a solution of the extended model is cut back by `x[: model.columns]`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.arrays import Array
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import DerivedBlock, NameBlock, Names


def with_columns(
    model: MipModel,
    names: NameBlock | DerivedBlock,
    lower: ArrayLike,
    upper: ArrayLike,
    *,
    integer: bool = False,
    cost: ArrayLike = 0.0,
    start: Array | None = None,
) -> MipModel:
    """The model with columns added; `start` is their part of the MIP start, unknown where it is None."""
    column_names = Names((*model.column_names.blocks, names))
    size = len(column_names) - model.columns

    def joined(old: Array, new: ArrayLike) -> Array:
        return np.concatenate([old, np.broadcast_to(np.asarray(new, dtype=np.float64), size)])

    indicators = model.indicators
    if indicators is not None:
        indicators = replace(indicators, matrix=_widened(indicators.matrix, size))
    return replace(
        model,
        lower=joined(model.lower, lower),
        upper=joined(model.upper, upper),
        integer=np.concatenate([model.integer, np.full(size, integer)]),
        cost=joined(model.cost, cost),
        matrix=_widened(model.matrix, size),
        column_names=column_names,
        quadratic=None if model.quadratic is None else joined(model.quadratic, 0.0),
        indicators=indicators,
        start=None if model.start is None else joined(model.start, np.nan if start is None else start),
    )


def with_rows(
    model: MipModel,
    names: NameBlock | DerivedBlock,
    matrix: Any,
    lower: ArrayLike = -np.inf,
    upper: ArrayLike = np.inf,
) -> MipModel:
    """The model with rows lower <= matrix @ x <= upper added."""
    row_names = Names((*model.row_names.blocks, names))
    size = len(row_names) - model.rows

    def joined(old: Array, new: ArrayLike) -> Array:
        return np.concatenate([old, np.broadcast_to(np.asarray(new, dtype=np.float64), size)])

    return replace(
        model,
        matrix=sp.csr_array(sp.vstack([model.matrix, matrix], format="csr")),
        row_lower=joined(model.row_lower, lower),
        row_upper=joined(model.row_upper, upper),
        row_names=row_names,
    )


def _widened(matrix: Any, extra: int) -> Any:
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], matrix.shape[1] + extra))
