"""The columns that costs and constraints are written on: those of states and controls by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.mip import Expression, ModelBuilder, NameBlock


@dataclass(frozen=True, eq=False)
class Frame:
    """Columns of states (H + 1, n) and controls (H, m) in a model, and the control before step 0 if known.

    `expressions` holds the outputs of cost networks by network and step.
    """

    model: ModelBuilder
    states: Index
    controls: Index
    previous_control: Array | None
    expressions: Mapping[tuple[object, int], Expression]
    digits: int

    @property
    def horizon(self) -> int:
        """Number of steps."""
        return int(self.controls.shape[0])

    def names(self, what: str, steps: Index, units: Index, suffix: str = "") -> NameBlock:
        """Names `t03.what[2]suffix` for each step and unit, steps outermost."""
        numbers = np.tile(units, steps.size)
        return NameBlock(what, numbers, suffix, np.repeat(steps, units.size), self.digits)

    def entries(self, what: str, steps: Index, units: Index, suffix: str = "") -> NameBlock:
        """Names `t03.what[2]suffix`, one for each pair of a step and a unit."""
        return NameBlock(what, units, suffix, steps, self.digits)

    def affine_states(self, steps: Index, matrix: Array | None, offset: Array) -> Expression:
        """Matrix @ x[t] + offset for each step (identity for None), steps outermost; offset is (steps, rows)."""
        columns = self.states[steps].ravel()
        if matrix is None:
            return Expression(((np.ones(columns.size), columns),), offset.ravel())
        return Expression(((sp.csr_array(sp.kron(sp.eye_array(steps.size), matrix)), columns),), offset.ravel())

    def control_changes(self) -> tuple[Index, Expression]:
        """u[t] - u[t - 1] for the steps where the control before is known: (steps, expression)."""
        m = self.controls.shape[1]
        if self.previous_control is None:
            now, before = self.controls[1:].ravel(), self.controls[:-1].ravel()
            terms = ((np.ones(now.size), now), (-np.ones(before.size), before))
            return np.arange(1, self.horizon), Expression(terms, np.zeros(now.size))
        now = self.controls.ravel()
        shift = sp.csr_array(sp.eye_array(now.size) - sp.eye_array(now.size, k=-m))
        constant = np.zeros(now.size)
        constant[:m] = -self.previous_control
        return np.arange(self.horizon), Expression(((shift, now),), constant)

    def limits(self, expression: Expression) -> tuple[Array, Array]:
        """The smallest and largest values of expressions over the bounds of their columns."""
        lower, upper = self.model.limits()
        low, high = expression.constant.copy(), expression.constant.copy()
        for matrix, columns in expression.terms:
            if matrix.ndim == 1:
                ends = matrix * lower[columns], matrix * upper[columns]
                low, high = low + np.minimum(*ends), high + np.maximum(*ends)
            else:
                plus, minus = (abs(matrix) + matrix) / 2, (abs(matrix) - matrix) / 2
                low += plus @ lower[columns] - minus @ upper[columns]
                high += plus @ upper[columns] - minus @ lower[columns]
        return low, high
