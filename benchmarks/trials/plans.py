"""All plans of a problem with discrete controls (or many of one with continuous ones), by its public evaluation."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

import relu2mip as r2m

ROUNDING = 1e-9
"""Violation, relative to a range, that is rounding."""

TOLERATED = 1e-5
"""Violation, relative to a range, that a solver's tolerances explain."""


@dataclass(frozen=True)
class Plans:
    """Plans (P), their states (P, H + 1, n), costs (P,) and violations (P,) relative to the ranges of the states.

    width: the range of each state over all plans and steps, (n,).  spread: that of the costs.
    """

    controls: np.ndarray
    states: np.ndarray
    costs: np.ndarray
    violation: np.ndarray
    width: np.ndarray
    spread: float

    @property
    def feasible(self) -> np.ndarray:
        """Which of them satisfy every set but for rounding."""
        return self.violation <= ROUNDING

    @property
    def best(self) -> float:
        """The least cost of a feasible plan; infinite where there is none."""
        return float(self.costs[self.feasible].min(initial=np.inf))

    @property
    def lowest(self) -> float:
        """The least cost of a plan that is feasible within a solver's tolerances."""
        return float(self.costs[self.violation <= TOLERATED].min(initial=np.inf))


def enumerated(problem: r2m.Trajectory) -> Plans:
    """Every sequence of the discrete controls."""
    lists = problem.control_values
    one = np.array(list(itertools.product(*lists)))
    index = np.array(list(itertools.product(range(len(one)), repeat=problem.horizon)))
    return evaluated(problem, one[index])


def evaluated(problem: r2m.Trajectory, controls: np.ndarray, like: Plans | None = None) -> Plans:
    """The plans of controls (P, H, m); ranges as those of `like`, where given."""
    states = problem.rollout(controls)
    costs = np.asarray(problem.evaluate_cost(states, controls))
    if like is None:
        magnitude = np.abs(states).max(axis=(0, 1))
        width = np.ptp(states, axis=(0, 1))
        width = np.where(width > 1e-12 * magnitude, width, np.where(magnitude > 0, magnitude, 1.0))
        spread = float(np.ptp(costs)) or float(np.abs(costs).max()) or 1.0
    else:
        width, spread = like.width, like.spread
    return Plans(controls, states, costs, _violation(problem, states, controls, width), width, spread)


def _violation(problem: r2m.Trajectory, states: np.ndarray, controls: np.ndarray, width: np.ndarray) -> np.ndarray:
    low, high = problem.state_limits
    worst = (np.maximum(low - states[:, 1:], states[:, 1:] - high) / width).max(axis=(1, 2))
    # What no control can be told apart from: rounding of the state itself.
    unit = np.ptp(np.stack(problem.control_limits), axis=(0, 1))
    unit = np.where(unit > 0, unit, 1.0)
    low, high = problem.control_limits
    worst = np.maximum(worst, (np.maximum(low - controls, controls - high) / unit).max(axis=(1, 2)))
    if problem.rate_limits is not None:
        low, high = problem.rate_limits
        # A first step without a known control before it is free.
        first = controls[:, :1] if problem.previous_control is None else problem.previous_control
        changes = np.diff(controls, axis=1, prepend=np.broadcast_to(first, controls[:, :1].shape))
        over = np.maximum(low - changes, changes - high) / unit
        worst = np.maximum(worst, over[:, 1 if problem.previous_control is None else 0 :].max(axis=(1, 2), initial=0.0))
    for constraint in problem.all_constraints:
        state, control, lower, upper = constraint.matrices(problem.n, problem.m)
        size = np.abs(state) @ width + np.abs(control) @ unit
        for t in constraint.chosen_steps(problem.horizon):
            value = states[:, t] @ state.T
            if constraint.control is not None:
                value = value + controls[:, t] @ control.T
            worst = np.maximum(worst, (np.maximum(lower - value, value - upper) / size).max(axis=1))
    return worst
