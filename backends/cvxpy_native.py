"""A model as a `cvxpy.Problem`: one vector variable and a matrix constraint per sense."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.errors import InvalidProblem
from relu2mip.mip import MipModel


def cvxpy_package() -> Any:
    """The package, imported when first needed; it has no types."""
    import cvxpy

    return cvxpy


def native_problem(model: MipModel) -> tuple[Any, Any]:
    """A `cvxpy.Problem` that says what the model does, and its columns as one variable."""
    cvxpy = cvxpy_package()
    x = variable(model.lower, model.upper, model.integer)
    objective = model.cost @ x + model.offset
    if model.quadratic is not None and model.quadratic.any():
        objective += cvxpy.quad_form(x, sp.diags_array(model.quadratic, format="csc"), assume_PSD=True)
    rows = constraints(model.matrix, x, model.row_lower, model.row_upper)
    return cvxpy.Problem(cvxpy.Minimize(objective), rows), x


def variable(lower_: Array, upper: Array, integer: Mask) -> Any:
    """All columns as one variable."""
    integral = (np.flatnonzero(integer),) if integer.any() else False
    return cvxpy_package().Variable(lower_.size, bounds=[lower_, upper], integer=integral)


def senses(model: MipModel) -> tuple[Index, Index, Index]:
    """Rows that are equalities, and those with an upper and with a lower side."""
    equal = model.row_lower == model.row_upper
    sides = equal, np.isfinite(model.row_upper) & ~equal, np.isfinite(model.row_lower) & ~equal
    return tuple(np.flatnonzero(side) for side in sides)  # type: ignore[return-value]


def constraints(matrix: Any, x: Any, lower_: Array, upper: Array) -> list[Any]:
    """One matrix constraint per sense."""
    equal = np.flatnonzero(lower_ == upper)
    below = np.flatnonzero(np.isfinite(upper) & (lower_ != upper))
    above = np.flatnonzero(np.isfinite(lower_) & (lower_ != upper))
    rows = [matrix[equal] @ x == lower_[equal]] if equal.size else []
    rows += [matrix[below] @ x <= upper[below]] if below.size else []
    return rows + ([matrix[above] @ x >= lower_[above]] if above.size else [])


def placed(vector: Any, where: Index, size: int) -> Any:
    """The vector's entries at their positions in a vector of all columns."""
    return sp.csr_array((np.ones(where.size), (where, np.arange(where.size))), shape=(size, where.size)) @ vector


def flat(handle: Any) -> Any:
    """Handles that a caller gives, as one vector; raises `InvalidProblem`."""
    cvxpy = cvxpy_package()
    expression = cvxpy.hstack(handle) if isinstance(handle, (list, tuple)) else cvxpy.Constant.cast_to_const(handle)
    if not expression.is_affine():
        raise InvalidProblem(f"give affine cvxpy expressions; {str(expression)[:60]} is not affine")
    return cvxpy.vec(expression, order="C")
