"""A receding-horizon controller: at each observation it plans by a deadline, and returns the first control of the plan.

It goes down a ladder (`relu2mip.control.step.Rung`) where there is no plan, and does not raise: a state outside its
set, an observation with NaN, a solver that fails or a missing backend cost the step its plan, and the log says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers
from relu2mip.arrays import Array
from relu2mip.control.cem import Cem
from relu2mip.control.plan import Plan
from relu2mip.control.planner import Planner, Planning, planner
from relu2mip.control.step import Rung, Step
from relu2mip.errors import InfeasibleProblem, InvalidOption, InvalidProblem
from relu2mip.trajectory.objective import TrajectoryObjective
from relu2mip.trajectory.problem import Trajectory

log = logging.getLogger(__name__)

SPARE_SHARE = 0.15
"""Share of the period for the plan that leaves the sets least, where there is no other."""

HASTE = 0.9
"""Share of the period that planning may take; the rest is for the controller itself."""


class Controller:
    """A controller for a problem.

    problem: what is planned at every step, from the state observed. Where its initial state is a `Box`, planners that
    compile do so once for all of it; take the region that the system works in.
    planner: a name or a planner of `relu2mip.control`.
    period: seconds that a step may take, by default the problem's.
    safe_control: (m,), what to do at the end of the ladder, by default the middle of the control's set. It also counts
    as the control before the first step, unless the problem's `previous_controls` say another.
    reference: targets of the cost for all steps to come, (T, n) or (T, keypoints): row t is that of state t + 1. Each
    plan gets the next H rows, and the last row again where they end.
    strict: raise instead of going down the ladder.

    Raises `InvalidOption` for a period that is not positive, `InvalidProblem` for anything else that does not fit.

    >>> import relu2mip as r2m
    >>> from relu2mip.control import Controller
    >>> from relu2mip.ir.samples import integrator
    >>> problem = r2m.Trajectory(
    ...     integrator(), horizon=3, initial_state=r2m.Box(-2, 2), predicts="change",
    ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(state=1.0, control=0.1))
    >>> controller = Controller(problem, "mip", period=1.0)
    >>> controller.act([1.0, 0.0]).shape, str(controller.log[0].rung)
    ((1,), 'plan')
    """

    def __init__(
        self,
        problem: Trajectory,
        planner_: str | Planner = "hybrid",
        /,
        period: float | None = None,
        *,
        safe_control: ArrayLike | None = None,
        reference: ArrayLike | None = None,
        strict: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.problem, self.strict, self._clock = problem, strict, clock
        self.planner = planner(planner_)
        self.period = problem.period if period is None else period
        if self.period is None or not self.period > 0:
            raise InvalidOption(f"period is {self.period}; give the seconds that a step may take")
        low, high = (side[0] for side in problem.control_limits)
        middle = (low + high) / 2 if safe_control is None else numbers(safe_control, "safe_control").reshape(-1)
        if middle.shape != (problem.m,):
            raise InvalidProblem(f"safe_control has shape {middle.shape}; give {problem.m} numbers")
        self.safe_control = self._nearest(middle)
        if safe_control is not None and not np.allclose(self.safe_control, middle):
            raise InvalidProblem(f"safe_control {middle.tolist()} lies outside the set of controls")
        self.reference = None if reference is None else np.atleast_2d(numbers(reference, "reference"))
        if self.reference is not None:
            problem.changed(reference=self._targets(0))
        self._planning: Planning | None = None
        self._spare = Cem(samples=128).prepared(problem)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next observation is that of step 0."""
        self.log: list[Step] = []
        self.plan: Plan | None = None
        self._age = 0
        self._states: list[Array] = []
        known = self.problem.previous_controls
        self._controls = [] if known is None else list(self.problem.known_controls)

    def prepare(self) -> None:
        """Do what the planner does once, such as compiling, before the first step and outside its period."""
        if self._planning is None:
            self._planning = self.planner.prepared(self._wide())

    def act(self, observation: ArrayLike) -> Array:
        """The control (m,) for a state (n,), in its set.

        Raises nothing, unless `strict`: then `InvalidProblem` for an observation that is no state, `InfeasibleProblem`
        where no plan satisfies the sets, and what planners raise.
        """
        begun = self._clock()
        faults: list[str] = []
        state, error = self._observed(observation, faults)
        made: Plan | None = None
        rung = Rung.SAFE
        try:
            problem = self._now()
            made, rung = self._planned(problem, begun, faults)
        except Exception as failure:
            if self.strict:
                raise
            faults.append(f"{type(failure).__name__}: {failure}")
        if made is not None:
            self.plan, self._age = made, 0
            control = made.controls[0]
        else:
            self._age += 1
            left = self.plan is not None and self._age < len(self.plan.controls)
            rung = Rung.SHIFTED if left else Rung.SAFE
            control = self.plan.controls[self._age] if left and self.plan is not None else self.safe_control
        control = self._nearest(control)
        self._controls.append(control)
        seconds = self._clock() - begun
        self.log.append(self._noted(state, control, rung, tuple(faults), made, seconds, error))
        return control.copy()

    @property
    def overruns(self) -> int:
        """Steps that took longer than the period."""
        return sum(step.overrun > 0 for step in self.log)

    def _observed(self, observation: ArrayLike, faults: list[str]) -> tuple[Array, float]:
        """The state, or where the observation is none what the last plan expects; and how wrong that plan was."""
        expected = self._expected()
        try:
            state = numbers(observation, "observation").reshape(-1)
            if state.shape != (self.problem.n,):
                raise InvalidProblem(f"observation has shape {np.shape(observation)}; give ({self.problem.n},)")
            if not np.isfinite(state).all():
                raise InvalidProblem(f"observation has {state[~np.isfinite(state)][0]:g}; give finite numbers")
        except InvalidProblem as error:
            if self.strict:
                raise
            faults.append(str(error))
            low, high = (side[-1] for side in self.problem.initial_limits)
            state = (low + high) / 2 if expected is None else expected
            self._states.append(state)
            return state, float("nan")
        self._states.append(state)
        if expected is None:
            return state, float("nan")
        objective = self.problem.unrolled.objective()
        assert isinstance(objective, TrajectoryObjective)
        size = objective.units.size[: self.problem.n]
        return state, float(np.abs((state - expected) / size).max())

    def _expected(self) -> Array | None:
        if self.plan is None or self._age + 1 >= len(self.plan.states):
            return None
        return np.asarray(self.plan.states[self._age + 1])

    def _now(self) -> Trajectory:
        """The problem at the state observed last."""
        problem, window = self.problem, self.problem.window
        states = ([self._states[0]] * window + self._states)[-window:]
        return problem.changed(
            initial_state=np.stack(states) if window > 1 else states[-1],
            previous_controls=self._past(),
            reference=None if self.reference is None else self._targets(len(self.log)),
        )

    def _wide(self) -> Trajectory:
        """The problem that a planner prepares for: with controls before step 0, as every step has them."""
        return self.problem.changed(previous_controls=self._past())

    def _past(self) -> Array:
        """The controls before this step that a plan depends on, oldest first; safe ones where there were none."""
        needed = max(self.problem.window - 1 + self.problem.delay, 1)
        return np.stack(([self.safe_control] * needed + self._controls)[-needed:])

    def _planned(self, problem: Trajectory, begun: float, faults: list[str]) -> tuple[Plan, Rung]:
        """A plan and its rung; raises what the planner raises where even the sampler finds none."""
        assert self.period is not None
        start = self._shifted()
        made: Plan | None = None
        try:
            self.prepare()
            assert self._planning is not None
            left = HASTE * self.period - (self._clock() - begun)
            made = self._planning(problem, start, max(left, 1e-3))
        except Exception as failure:
            if self.strict:
                raise
            faults.append(f"{type(failure).__name__}: {failure}")
        if made is not None and made.feasible:
            return made, Rung.PLAN
        if self.strict:
            raise InfeasibleProblem(f"step {len(self.log)}: no plan that satisfies the sets was found")
        left = HASTE * self.period - (self._clock() - begun)
        spare = self._spare(problem, start, max(left, SPARE_SHARE * self.period))
        if made is None or spare.violation < made.violation:
            made = spare
        return made, Rung.PLAN if made.feasible else Rung.SOFTENED

    def _shifted(self) -> Array | None:
        """The last plan's controls, moved by the steps since, the last one again at the end."""
        if self.plan is None:
            return None
        moved = self.plan.controls[self._age + 1 :]
        end = moved[-1:] if len(moved) else self.safe_control[None]
        return np.concatenate([moved, np.repeat(end, self.problem.horizon - len(moved), axis=0)])

    def _targets(self, step: int) -> Array:
        assert self.reference is not None
        rows = np.minimum(np.arange(step, step + self.problem.horizon), len(self.reference) - 1)
        return np.asarray(self.reference[rows])

    def _nearest(self, control: Array) -> Array:
        """The nearest control in the set of step 0."""
        low, high = (side[0] for side in self.problem.control_limits)
        inside = np.clip(np.where(np.isfinite(control), control, (low + high) / 2), low, high)
        for k, values in enumerate(self.problem.control_values):
            if values is not None:
                inside[k] = values[np.abs(values - inside[k]).argmin()]
        return inside

    def _noted(
        self,
        state: Array,
        control: Array,
        rung: Rung,
        faults: tuple[str, ...],
        made: Plan | None,
        seconds: float,
        error: float,
    ) -> Step:
        assert self.period is not None
        for fault in faults:
            log.info("step %d: %s; went on with: %s", len(self.log), fault, rung)
        late = max(0.0, seconds - self.period)
        noted = Step(len(self.log), state, control, rung, faults, seconds=seconds, error=error, overrun=late)
        if made is None:
            return noted
        return replace(
            noted,
            cost=made.cost,
            bound=float("nan") if made.bound is None else made.bound,
            nodes=made.nodes,
            stages=made.stages,
            rebuilt=made.rebuilt,
            states=made.states,
            controls=made.controls,
        )
