"""A vector of affine expressions over the columns of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Matrix, triplets


@dataclass(frozen=True, eq=False)
class Expression:
    """sum_k A_k x[columns_k] + constant, one entry a row.

    A one-dimensional A_k stands for the diagonal matrix of its entries.
    """

    terms: tuple[tuple[Matrix, Index], ...]
    constant: Array

    @classmethod
    def of(cls, columns: Index) -> Expression:
        """The columns themselves."""
        return cls(((np.ones(columns.size), columns),), np.zeros(columns.size))

    @property
    def columns(self) -> Index | None:
        """The columns that it is, one for each entry; None where it is more than that."""
        if len(self.terms) != 1 or self.constant.any():
            return None
        ((matrix, columns),) = self.terms
        return columns if matrix.ndim == 1 and (matrix == 1.0).all() else None

    @property
    def size(self) -> int:
        """Number of entries."""
        return int(self.constant.size)

    def select(self, rows: Index) -> Expression:
        """Some of the entries."""
        terms = tuple(
            (matrix[rows], columns[rows]) if matrix.ndim == 1 else (matrix[rows], columns)
            for matrix, columns in self.terms
        )
        return Expression(terms, self.constant[rows])

    def scaled(self, factor: Array | float) -> Expression:
        """Each entry times its factor."""
        factors = np.broadcast_to(np.asarray(factor, dtype=np.float64), self.size)
        terms = tuple(
            (matrix * factors if matrix.ndim == 1 else _scale_rows(matrix, factors), columns)
            for matrix, columns in self.terms
        )
        return Expression(terms, self.constant * factors)

    def mapped(self, matrix: Matrix) -> Expression:
        """A matrix times the vector of expressions."""
        terms = tuple(
            (matrix @ sp.diags_array(part, format="csr") if part.ndim == 1 else matrix @ part, columns)
            for part, columns in self.terms
        )
        return Expression(terms, np.asarray(matrix @ self.constant))

    def matrix(self, columns: int) -> Any:
        """The coefficients as one CSR matrix over all the `columns` of a model, without zeros."""
        entries = [
            (np.arange(part.size), np.arange(part.size), part) if part.ndim == 1 else triplets(part)
            for part, _ in self.terms
        ]
        rows = np.concatenate([np.zeros(0, dtype=np.intp), *(i for i, _, _ in entries)])
        places = [where[j] for (_, j, _), (_, where) in zip(entries, self.terms, strict=True)]
        values = np.concatenate([np.zeros(0), *(v for _, _, v in entries)])
        place = (rows, np.concatenate([np.zeros(0, dtype=np.intp), *places]))
        matrix = sp.csr_array((values, place), shape=(self.size, columns))
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        return matrix

    def evaluate(self, x: Array) -> Array:
        """The values at a point of all columns."""
        total = self.constant.copy()
        for matrix, columns in self.terms:
            total += matrix * x[columns] if matrix.ndim == 1 else matrix @ x[columns]
        return total


@dataclass(frozen=True, eq=False)
class Tied:
    """Columns (k,) of a model, each tied to one of k expressions: it equals it, or is at least it."""

    columns: Index
    expressions: Expression


def joined(ties: Sequence[Tied], columns: int) -> tuple[Index, Any, Array]:
    """All ties end to end: the tied columns, the coefficients (CSR) over all columns of a model, the constants."""
    matrices = [tied.expressions.matrix(columns) for tied in ties]
    matrix = sp.csr_array(sp.vstack([sp.csr_array((0, columns)), *matrices], format="csr"))
    held = np.concatenate([np.zeros(0, dtype=np.intp), *(tied.columns for tied in ties)])
    return held, matrix, np.concatenate([np.zeros(0), *(tied.expressions.constant for tied in ties)])


def _scale_rows(matrix: Matrix, factors: Array) -> Matrix:
    if isinstance(matrix, np.ndarray):
        return matrix * factors[:, None]
    return matrix.multiply(factors[:, None]).tocsr()
