"""The array types of the compiler: float64 vectors and matrices that are dense or sparse, whichever is smaller.

A `Matrix` is a two-dimensional `numpy.ndarray` or a `scipy.sparse.csr_array`. The functions here are the few
operations whose spelling differs between the two.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Index: TypeAlias = NDArray[np.intp]
Mask: TypeAlias = NDArray[np.bool_]
Matrix: TypeAlias = Any
"""A two-dimensional `Array` or a `scipy.sparse.csr_array`; Any, because their arithmetic has no common type."""

DENSE_ABOVE = 0.25
"""Share of nonzeros above which a matrix is stored dense (a stored nonzero of a CSR matrix takes 12 bytes, not 8)."""

SMALL = 4096
"""Matrices with at most this many entries are stored dense: there the call overhead of CSR outweighs its savings."""


def vector(values: ArrayLike, size: int | None = None) -> Array:
    """A float64 vector; a scalar is repeated to `size`."""
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    return np.broadcast_to(array, size).copy() if size is not None and array.size == 1 else array


def nonzeros(matrix: Matrix) -> int:
    """How many entries of the matrix are not zero."""
    return int(np.count_nonzero(matrix)) if isinstance(matrix, np.ndarray) else int(matrix.nnz)


def compact(matrix: Any) -> Matrix:
    """The same matrix in the smaller of the two storages."""
    if isinstance(matrix, np.ndarray):
        dense = np.ascontiguousarray(matrix, dtype=np.float64)
        if dense.size <= SMALL or nonzeros(dense) >= DENSE_ABOVE * dense.size:
            return dense
        return sp.csr_array(dense)
    sparse = sp.csr_array(matrix, dtype=np.float64)
    sparse.eliminate_zeros()
    entries = sparse.shape[0] * sparse.shape[1]
    return sparse.toarray() if entries <= SMALL or sparse.nnz >= DENSE_ABOVE * entries else sparse


def dense(matrix: Matrix) -> Array:
    """The matrix as a `numpy.ndarray`."""
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def sparse(matrix: Matrix) -> Any:
    """The matrix as a `csr_array`."""
    return sp.csr_array(matrix)


def apply(matrix: Matrix, batch: Array) -> Array:
    """`matrix @ x` for each row x of a batch of shape (B, columns); result (B, rows)."""
    if isinstance(matrix, np.ndarray):
        return batch @ matrix.T
    return np.ascontiguousarray((matrix @ batch.T).T)


def triplets(matrix: Matrix) -> tuple[Index, Index, Array]:
    """Row indices, column indices and values of the nonzeros."""
    if isinstance(matrix, np.ndarray):
        rows, columns = np.nonzero(matrix)
        return rows, columns, matrix[rows, columns]
    coo = matrix.tocoo()
    return coo.row.astype(np.intp), coo.col.astype(np.intp), coo.data


def used_columns(matrix: Matrix) -> Mask:
    """Which columns hold a nonzero."""
    if isinstance(matrix, np.ndarray):
        return np.asarray((matrix != 0).any(axis=0))
    used = np.zeros(matrix.shape[1], dtype=bool)
    used[matrix.indices[matrix.data != 0]] = True
    return used


def selection(index: Index, size: int) -> Any:
    """The CSR matrix S with (S x)_i = x[index[i]]; rows with index -1 are zero."""
    rows = np.flatnonzero(index >= 0)
    return sp.csr_array((np.ones(rows.size), (rows, index[rows])), shape=(index.size, size))
