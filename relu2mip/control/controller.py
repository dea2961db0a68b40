"""A receding-horizon controller: at each observation it plans by a deadline, and returns the first control of the plan.

It goes down a ladder (`relu2mip.control.step.Rung`) where there is no plan, and does not raise: a state outside its
set, an observation with NaN, a solver that fails or a missing backend cost the step its plan, and the log says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers, refuse, shown
from relu2mip.arrays import Array
from relu2mip.control.cem import Cem
from relu2mip.control.memory import Memory
from relu2mip.control.plan import Plan
from relu2mip.control.planner import Planner, Planning, planner
from relu2mip.control.step import Rung, Step
from relu2mip.errors import InfeasibleProblem, InvalidOption, InvalidProblem, SolverFailure
from relu2mip.mip import Stop
from relu2mip.trajectory.covered import require_free
from relu2mip.trajectory.objective import TrajectoryObjective
from relu2mip.trajectory.problem import Trajectory

log = logging.getLogger(__name__)

Made = TypeVar("Made")
Reference: TypeAlias = "Callable[[int, Array], ArrayLike]"

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
    plan gets the next H rows, and the last row again where they end. Or a function of the step's number and the state,
    which gives the plan's target, (n,) or (H, n): a place to go to that depends on where things are.
    strict: raise instead of going down the ladder.

    Raises `InvalidOption` for a period that is not positive, `InvalidProblem` for anything else that does not fit, and
    where an obstacle covers the initial state.

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
        reference: ArrayLike | Reference | None = None,
        strict: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not isinstance(problem, Trajectory):
            refuse(problem, "problem", "a Trajectory (Trajectory.from_toml reads a file)")
        require_free(problem)
        self.problem, self.strict, self._clock = problem, strict, clock
        self.planner = planner(planner_)
        given = problem.period if period is None else period
        if not isinstance(given, int | float) or not 0 < given < np.inf:
            raise InvalidOption(
                f"period is {shown(given)}; give the seconds that a step may take, above 0: here or in the problem"
            )
        self.period = float(given)
        low, high = (side[0] for side in problem.control_limits)
        middle = (low + high) / 2 if safe_control is None else numbers(safe_control, "safe_control").reshape(-1)
        if middle.shape != (problem.m,):
            raise InvalidProblem(f"safe_control has shape {middle.shape}; give {problem.m} numbers")
        self.safe_control = self._nearest(middle)
        if safe_control is not None and not np.allclose(self.safe_control, middle):
            raise InvalidProblem(f"safe_control {middle.tolist()} lies outside the set of controls")
        self.reference: Array | Reference | None = reference if callable(reference) else None
        if reference is not None and not callable(reference):
            self.reference = np.atleast_2d(numbers(reference, "reference"))
            if not self.reference.size:
                raise InvalidProblem("reference is empty; give a row for each step to come")
            problem.changed(reference=self._targets(0))
        self._planning: Planning | None = None
        self._spare = Cem(samples=128).prepared(problem)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next observation is that of step 0."""
        self.log: list[Step] = []
        self._past = Memory(self.problem, self.safe_control)

    @property
    def plan(self) -> Plan | None:
        """The last plan."""
        return self._past.plan

    def prepare(self) -> None:
        """Do what the planner does once, such as compiling, before the first step and outside its period."""
        if self._planning is None:
            # With controls before step 0, as every step has them.
            wide = self.problem.changed(previous_controls=self._past.previous_controls)
            self._planning = self.planner.prepared(wide)

    def act(self, observation: ArrayLike) -> Array:
        """The control (m,) for a state (n,), in its set.

        Raises nothing, unless `strict`: then `InvalidProblem` for an observation that is no state, `InfeasibleProblem`
        where no plan satisfies the sets, and what planners raise.
        """
        begun, faults, past = self._clock(), list[str](), self._past
        seen = self._tried(faults, lambda: self._read(observation))
        error = float("nan") if seen is None or past.expected is None else self._distance(seen, past.expected)
        past.states.append(self._guess() if seen is None else seen)
        made = self._made(begun, faults)
        if made is not None and made.stopped.startswith(Stop.FAILED):
            faults.append(made.stopped)
        control, rung = self._chosen(made)
        past.next(control, made)
        seconds = self._clock() - begun
        self.log.append(self._noted(rung, made, seconds=seconds, error=error, faults=tuple(faults)))
        return control.copy()

    @property
    def overruns(self) -> int:
        """Steps that took longer than the period."""
        return sum(step.overrun > 0 for step in self.log)

    def _tried(self, faults: list[str], make: Callable[[], Made]) -> Made | None:
        """What it makes; None, with a fault noted, where it raises. With `strict` it may raise."""
        try:
            return make()
        except Exception as failure:
            if self.strict:
                raise
            faults.append(f"{type(failure).__name__}: {failure}")
            return None

    def _read(self, observation: ArrayLike) -> Array:
        state = numbers(observation, "observation").reshape(-1)
        if state.shape != (self.problem.n,):
            raise InvalidProblem(f"observation has shape {np.shape(observation)}; give ({self.problem.n},)")
        if not np.isfinite(state).all():
            k = int(np.flatnonzero(~np.isfinite(state))[0])
            name = f", {self.problem.state_names[k]}" if self.problem.state_names else ""
            raise InvalidProblem(f"observation has {state[k]:g} at entry {k}{name}; give finite numbers")
        return state

    def _guess(self) -> Array:
        """A state to plan from where the observation is none: what the last plan expects, or the middle of the box."""
        low, high = (side[-1] for side in self.problem.initial_limits)
        return np.asarray((low + high) / 2) if self._past.expected is None else self._past.expected

    def _distance(self, state: Array, expected: Array) -> float:
        """The largest difference, relative to the range of each state."""
        objective = self.problem.unrolled.objective()
        assert isinstance(objective, TrajectoryObjective)
        return float(np.abs((state - expected) / objective.size).max())

    def _now(self) -> Trajectory:
        """The problem at this step."""
        return self.problem.changed(
            initial_state=self._past.window,
            previous_controls=self._past.previous_controls,
            reference=self._targets(len(self.log)),
        )

    def _made(self, begun: float, faults: list[str]) -> Plan | None:
        """The planner's plan; where that leaves the sets, or there is none, perhaps the sampler's; None without any."""

        def planned() -> Plan:
            self.prepare()
            assert self._planning is not None
            return self._checked(self._planning(self._now(), self._past.shifted, max(self._left(begun), 1e-3)))

        def sampled() -> Plan:
            return self._spare(self._now(), self._past.shifted, max(self._left(begun), SPARE_SHARE * self.period))

        made = self._tried(faults, planned)
        if made is not None and made.feasible:
            return made
        if self.strict:
            raise InfeasibleProblem(f"step {len(self.log)}: no plan that satisfies the sets was found")
        found = [plan for plan in (made, self._tried(faults, sampled)) if plan is not None]
        return min(found, key=lambda plan: plan.violation, default=None)

    def _checked(self, plan: Plan) -> Plan:
        """What a planner made; raises `SolverFailure` where it is none."""
        shape = self.problem.horizon, self.problem.m
        if plan.controls.shape != shape or not np.isfinite(plan.controls).all():
            raise SolverFailure(f"planner {self.planner.name}: its plan is not {shape} finite controls")
        return plan

    def _chosen(self, made: Plan | None) -> tuple[Array, Rung]:
        """The control of this step, and its rung of the ladder."""
        if made is not None:
            return self._nearest(made.controls[0]), Rung.PLAN if made.feasible else Rung.SOFTENED
        if self._past.planned is not None:
            return self._nearest(self._past.planned), Rung.SHIFTED
        return self.safe_control, Rung.SAFE

    def _left(self, begun: float) -> float:
        """Seconds of this step that planning may still take."""
        return HASTE * self.period - (self._clock() - begun)

    def _targets(self, step: int) -> Array | None:
        if self.reference is None:
            return None
        if callable(self.reference):
            return numbers(self.reference(step, self._past.states[-1]), "what reference returned")
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

    def _noted(self, rung: Rung, made: Plan | None, seconds: float, error: float, faults: tuple[str, ...]) -> Step:
        """The entry of the log."""
        for fault in faults:
            log.info("step %d: %s; went on with: %s", len(self.log), fault, rung)
        state, control, late = self._past.states[-1], self._past.controls[-1], max(0.0, seconds - self.period)
        noted = Step(len(self.log), state, control, rung, faults, seconds=seconds, error=error, overrun=late)
        if made is None:
            return noted
        return replace(
            noted,
            cost=made.cost,
            bound=float("nan") if made.bound is None else made.bound,
            nodes=made.nodes,
            stages=made.stages,
            stopped=made.stopped,
            rebuilt=made.rebuilt,
            states=made.states,
            controls=made.controls,
        )
