"""The condition number of the basis at which a linear program ended: how many digits a vertex may lose.

A basis B consists of columns of A, and of unit vectors for rows that do not bind. With one sparse factorisation
B = L U, kappa_1 = ||B||_1 ||B^-1||_1, where the second norm is estimated from a few solves with B and its transpose;
the estimate is never above the norm and seldom below a third of it.

Source: Higham, "FORTRAN codes for estimating the one-norm of a real or complex matrix" (1988).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, onenormest, splu

from relu2mip.arrays import Matrix


def basis_matrix(matrix: Matrix, native: Any) -> sp.csc_array:
    """The basis of a `highspy.Highs` that was solved, from the rows it holds: structural columns, then rows."""
    basis = native.getBasis()
    columns, rows = (
        np.flatnonzero([status.name == "kBasic" for status in part]) for part in (basis.col_status, basis.row_status)
    )
    structural = sp.csc_array(matrix)[:, columns]
    return sp.csc_array(sp.hstack([structural, sp.eye_array(matrix.shape[0], format="csc")[:, rows]], format="csc"))


def condition_estimate(basis: sp.csc_array) -> float:
    """An estimate from below of ||B||_1 ||B^-1||_1; 1 for a basis without rows, infinite for a singular one.

    >>> import scipy.sparse as sp
    >>> condition_estimate(sp.csc_array([[1.0, 0.0], [0.0, 1e-3]]))
    1000.0
    """
    if not basis.shape[0]:
        return 1.0
    try:
        factors: Any = splu(basis)
    except RuntimeError:  # SuperLU's word for a pivot that is exactly 0
        return np.inf
    inverse = LinearOperator(
        basis.shape,
        matvec=factors.solve,
        rmatvec=lambda y: factors.solve(y, "T"),
        matmat=factors.solve,
        rmatmat=lambda y: factors.solve(y, "T"),
        dtype=np.float64,
    )
    # One column at a time: with more, scipy draws from numpy's global random numbers.
    return float(abs(basis).sum(axis=0).max() * onenormest(inverse, t=1))
