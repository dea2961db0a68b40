"""Rigorous lower bounds of linear programs, from any row duals.

For the program  min c @ x,  row_lower <= A x <= row_upper,  lower <= x <= upper,  and any vector y,

    c @ x  =  y @ (A x) + (c - A' y) @ x
           >=  sum_i (y_i row_lower_i if y_i > 0 else y_i row_upper_i)  +  sum_j min over [lower_j, upper_j] of r_j x_j

with the reduced costs r = c - A' y. A solver's duals make this nearly its optimum, and wrong ones make it weak, never
wrong. The reduced costs are widened by the rounding error of their sums, and the result is lowered by that of its own:
what is left holds in exact arithmetic. A dual whose row side is infinite is dropped.

With c = 0, a result above 0 proves that no point satisfies the rows and bounds (y is a Farkas certificate).

Source: Neumaier, Shcherbina, "Safe bounds in linear and mixed-integer linear programming" (Mathematical Programming,
2004); Jansson, "Rigorous lower and upper bounds in linear programming" (SIAM Journal on Optimization, 2004).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array
from relu2mip.mip import MipModel

EPS = np.finfo(np.float64).eps

ROUNDING = 1e-12
"""Slack relative to the sum of absolute values of a bound's terms: its own rounding, and that of fused matrices."""


class SafeMinimum:
    """Lower bounds of linear functions over a model's rows and column bounds, integrality apart."""

    def __init__(self, model: MipModel) -> None:
        self.model = model
        self.transposed = sp.csr_array(model.matrix.T)
        self.magnitude = abs(self.transposed)
        longest = int(np.diff(self.transposed.indptr).max(initial=0))
        self.rounding = 4 * (longest + 2) * EPS

    def __call__(self, cost: Array, duals: Array) -> float:
        """A number no larger than cost @ x at any point of the model; -inf where the duals prove nothing."""
        model = self.model
        side = np.where(duals > 0, model.row_lower, model.row_upper)
        used = np.isfinite(duals) & np.isfinite(side) & (duals != 0)
        y, side = np.where(used, duals, 0.0), np.where(used, side, 0.0)
        reduced = cost - self.transposed @ y
        error = self.rounding * (np.abs(cost) + self.magnitude @ np.abs(y))
        falls = (reduced - error < 0) & np.isposinf(model.upper)
        if (falls | ((reduced + error > 0) & np.isneginf(model.lower))).any():
            return -np.inf
        # What is infinite now has a reduced cost of the other sign, or of exactly zero.
        lower, upper = (np.where(np.isfinite(end), end, 0.0) for end in (model.lower, model.upper))
        with np.errstate(over="ignore", invalid="ignore"):
            least = np.where(reduced >= 0, reduced * lower, reduced * upper)
            room = error * np.maximum(np.abs(lower), np.abs(upper))
            rows = y * side
            size = float(np.abs(rows).sum() + np.abs(least).sum() + room.sum())
            bound = float(rows.sum() + least.sum() - room.sum()) - ROUNDING * size
        return bound if np.isfinite(bound) else -np.inf

    def proves_empty(self, ray: Array | None) -> bool:
        """Whether a dual ray, of either sign, proves that no point satisfies the rows and bounds."""
        if ray is None or not np.any(ray):
            return False
        zero, unit = np.zeros(self.model.columns), ray / np.abs(ray).max()
        return self(zero, unit) > 0 or self(zero, -unit) > 0
