"""The past of a loop, as far as the next plan depends on it: states and controls, and the last plan."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from relu2mip.arrays import Array
from relu2mip.control.plan import Plan
from relu2mip.trajectory.problem import Trajectory


@dataclass(eq=False)
class Memory:
    """The past of a loop on a problem.

    safe_control: counts as the control before the first step, unless the problem knows another.  states, controls: of
    the steps so far, oldest first.  plan: the last one; None before there was any.  age: steps since.
    """

    problem: Trajectory
    safe_control: Array
    states: list[Array] = field(default_factory=list)
    controls: list[Array] = field(default_factory=list)
    plan: Plan | None = None
    age: int = 0

    def __post_init__(self) -> None:
        if self.problem.previous_controls is not None:
            self.controls += list(self.problem.known_controls)

    @property
    def window(self) -> Array:
        """The last states that a plan depends on, (n,) or with a window (k, n); before the first, the first again."""
        k = self.problem.window
        return np.stack(([self.states[0]] * k + self.states)[-k:]) if k > 1 else self.states[-1]

    @property
    def previous_controls(self) -> Array:
        """The last controls that a plan depends on, oldest first."""
        needed = max(self.problem.window - 1 + self.problem.delay, 1)
        return np.stack(([self.safe_control] * needed + self.controls)[-needed:])

    @property
    def expected(self) -> Array | None:
        """The state that the last plan expects now."""
        if self.plan is None or self.age + 1 >= len(self.plan.states):
            return None
        return np.asarray(self.plan.states[self.age + 1])

    @property
    def planned(self) -> Array | None:
        """The control that the last plan has for now."""
        if self.plan is None or self.age + 1 >= len(self.plan.controls):
            return None
        return np.asarray(self.plan.controls[self.age + 1])

    @property
    def shifted(self) -> Array | None:
        """The last plan's controls from now on, (H, m), the last one again at the end."""
        if self.plan is None:
            return None
        moved = self.plan.controls[self.age + 1 :]
        end = moved[-1:] if len(moved) else self.safe_control[None]
        return np.concatenate([moved, np.repeat(end, self.problem.horizon - len(moved), axis=0)])

    def next(self, control: Array, plan: Plan | None) -> None:
        """The step is over: this control was applied, from this plan, or from none."""
        self.controls.append(control)
        self.plan, self.age = (self.plan, self.age + 1) if plan is None else (plan, 0)
