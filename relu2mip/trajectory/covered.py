"""Whether a plan would have to start inside an obstacle: nearly always a mistake in units or in coordinates."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.trajectory.choices import Outside
from relu2mip.trajectory.statement import Statement

ROUNDING = 1e-9
"""A state so near to a face lies on it."""


def require_free(problem: Statement, state: Array | None = None) -> None:
    """Raise `InvalidProblem` where an obstacle covers the initial state, or all of its box; or a state (n,) instead.

    Obstacles that move, or hold at later steps than the first alone, may. A loop may get into one: there it is for the
    planner to find the way out, and this is not asked.
    """
    low, high = (side[-1] for side in problem.initial_limits) if state is None else (state, state)
    for part in problem.constraints:
        if not isinstance(part, Outside) or part.path is not None:
            continue
        for made in part.alternatives(problem.n, problem.horizon):
            at_first = (made.step == 1) & (made.share == 0)
            if at_first.any() and all(
                _below(matrix[0], low, high, float(lower[at_first][0, 0])) for matrix, lower, _ in made.sets
            ):
                where = np.array2string(low, separator=", ") if (low == high).all() else f"the box from {low} to {high}"
                raise InvalidProblem(
                    f"constraint {made.name!r}: its region covers the initial state, {where}; start outside of it, or "
                    f"let it hold at later steps alone, such as steps=range(2, {problem.horizon + 1})"
                )


def _below(normal: Array, low: Array, high: Array, offset: float) -> bool:
    """Whether normal @ x < offset all over a box."""
    most = np.maximum(normal, 0.0) @ high + np.minimum(normal, 0.0) @ low
    return bool(most < offset - ROUNDING * max(1.0, abs(offset)))
