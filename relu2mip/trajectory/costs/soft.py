"""A set that may be left at a price: how far states are outside of it, weighed and summed over the steps.

With e = max(0, lower - r, r - upper) for the entries r of a box, or the rows of a linear constraint,

    l1         sum_t sum_i w_i e[t]_i         1 column and 1 or 2 rows an entry
    linf       sum_t max_i w_i e[t]_i         1 column a step, 1 or 2 rows an entry
    squared    sum_t sum_i w_i e[t]_i^2       as l1, squared in the objective

With a large enough weight, l1 and linf are exact penalties: a plan that can keep the set does (Fletcher, Practical
Methods of Optimization, 1987, section 14.3); squared always gives way a little.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.accept import accept, numbers, one_of, refuse
from relu2mip.arrays import Array, Index
from relu2mip.errors import InvalidProblem
from relu2mip.mip import Expression
from relu2mip.trajectory.costs.base import Cost
from relu2mip.trajectory.frame import Frame
from relu2mip.trajectory.sets import Box, Linear


@dataclass(frozen=True, eq=False)
class Soft(Cost):
    """A `Box` of states, or a `Linear` constraint, that may be left at a price; see the module's text.

    weight: a number, or one for each entry or row.  norm: "l1", "linf" or "squared".

    >>> import numpy as np
    >>> cost = Soft(Box(-1, 1), weight=10.0)
    >>> states = np.array([[[0.0], [1.5], [-3.0]]])
    >>> cost.evaluate(states, np.zeros((1, 2, 1)), None).tolist()
    [25.0]
    """

    within: Box | Linear
    weight: ArrayLike = 1.0
    norm: str = "l1"
    name: ClassVar[str] = "soft"

    def __post_init__(self) -> None:
        try:
            accept(self, within=_set, weight=numbers, norm=one_of("l1", "linf", "squared"))
        except InvalidProblem as error:
            raise InvalidProblem(f"cost soft: {error}") from None

    def validate(self, n: int, m: int, horizon: int) -> None:
        """Check the set and the weights."""
        rows = self._rows(n, m, horizon)
        weight = np.asarray(self.weight)
        size = rows.state.shape[0]
        if weight.shape not in {(), (1,), (size,)} or not (np.isfinite(weight) & (weight >= 0)).all():
            raise InvalidProblem(
                f"cost soft: weight has shape {weight.shape}; give finite numbers of at least 0, 1 or {size}"
            )

    def evaluate(self, states: Array, controls: Array, previous_control: Array | None) -> Array:
        """The cost (B,)."""
        rows, excess = self._excess(states, controls)
        weighted = np.abs(excess) * self._weights(rows)
        if self.norm == "linf":
            return np.asarray(weighted.max(axis=2).sum(axis=1))
        if self.norm == "squared":
            weighted = weighted * np.abs(excess)
        return np.asarray(weighted.sum(axis=(1, 2)))

    def gradient(self, states: Array, controls: Array, previous_control: Array | None) -> tuple[Array, Array]:
        """Its (sub)gradients."""
        rows, excess = self._excess(states, controls)
        slope = np.sign(excess) * self._weights(rows)
        if self.norm == "linf":
            worst = (np.abs(excess) * self._weights(rows)).argmax(axis=2)[..., None] == np.arange(excess.shape[2])
            slope = slope * worst
        elif self.norm == "squared":
            slope = 2 * excess * self._weights(rows)
        by_state, by_control = np.zeros_like(states), np.zeros_like(controls)
        by_state[:, rows.steps] = slope @ rows.state
        if rows.control is not None:
            by_control[:, rows.steps] = slope @ rows.control
        return by_state, by_control

    def write(self, frame: Frame, label: str) -> None:
        """Add a slack for each entry (linf: for each step), held above what is outside on either side."""
        n, m = frame.states.shape[1], frame.controls.shape[1]
        rows = self._rows(n, m, frame.horizon)
        x = rows.expression(frame)
        low, high = frame.limits(x)
        above, below = rows.upper.ravel(), rows.lower.ravel()
        most = np.maximum(0.0, np.maximum(high - above, below - low))
        weights = np.broadcast_to(self._weights(rows), rows.lower.shape).ravel()
        kept = np.flatnonzero((most > 0) & (weights > 0))
        if not kept.size:
            return
        size = rows.state.shape[0]
        step, unit = rows.steps[kept // size], kept % size
        factor = weights[kept] if self.norm == "linf" else np.ones(kept.size)
        x, above, below, most = x.select(kept), above[kept], below[kept], most[kept]
        if self.norm == "linf":
            at, first, of = np.unique(step, return_index=True, return_inverse=True)
            largest = np.maximum.reduceat(factor * most, first)
            s = frame.model.add_columns(frame.entries(label, at, np.zeros_like(at)), 0.0, largest)[of]
        else:
            s = frame.model.add_columns(frame.entries(label, step, unit), 0.0, most)
        for suffix, sign, side in ((".above", 1.0, above), (".below", -1.0, below)):
            k = np.flatnonzero(np.isfinite(side))
            away = x.select(k).scaled(sign * factor[k])
            away = Expression(away.terms, away.constant - sign * factor[k] * side[k])
            frame.model.hold(frame.entries(label, step[k], unit[k], suffix), s[k], away)
        if self.norm == "squared":
            frame.model.minimise_squares(weights[kept], s)
        else:
            unique = np.unique(s)
            frame.model.minimise([(np.ones(unique.size) if self.norm == "linf" else weights[kept], unique)])

    def _excess(self, states: Array, controls: Array) -> tuple[_Rows, Array]:
        """How far each row is outside, (B, T, r): positive above, negative below."""
        rows = self._rows(states.shape[2], controls.shape[2], controls.shape[1])
        value = states[:, rows.steps] @ rows.state.T
        if rows.control is not None:
            value = value + controls[:, rows.steps] @ rows.control.T
        return rows, np.maximum(value - rows.upper, 0.0) - np.maximum(rows.lower - value, 0.0)

    def _weights(self, rows: _Rows) -> Array:
        return np.broadcast_to(np.asarray(self.weight, dtype=np.float64), (rows.state.shape[0],))

    def _rows(self, n: int, m: int, horizon: int) -> _Rows:
        return _rows(self.within, n, m, horizon)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows lower <= state @ x[t] + control @ u[t] <= upper at steps (T,): matrices (r, n), (r, m), limits (T, r)."""

    steps: Index
    state: Array
    control: Array | None
    lower: Array
    upper: Array

    def expression(self, frame: Frame) -> Expression:
        """The rows over the columns of a frame, steps outermost."""
        eye = sp.eye_array(self.steps.size)
        terms = [(sp.csr_array(sp.kron(eye, self.state)), frame.states[self.steps].ravel())]
        if self.control is not None:
            terms.append((sp.csr_array(sp.kron(eye, self.control)), frame.controls[self.steps].ravel()))
        return Expression(tuple(terms), np.zeros(self.lower.size))


@cache
def _rows(within: Box | Linear, n: int, m: int, horizon: int) -> _Rows:
    if isinstance(within, Box):
        lower, upper = within.limits("cost soft", horizon, n, 1)
        return _Rows(np.arange(1, horizon + 1), np.eye(n), None, lower, upper)
    state, control, lower, upper = within.matrices(n, m)
    steps = np.array(within.chosen_steps(horizon), dtype=np.intp)
    both = (np.tile(side, (steps.size, 1)) for side in (lower, upper))
    return _Rows(steps, state, control if within.control is not None else None, *both)


def _set(value: Any, where: str) -> Box | Linear:
    return value if isinstance(value, Box | Linear) else refuse(value, where, "a Box of states, or a Linear constraint")
