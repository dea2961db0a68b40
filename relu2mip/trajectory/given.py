"""A plan that a caller gives: checked against the shapes and sets of its problem, and evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.mip.check import Violations
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.names import name_of
from relu2mip.trajectory.objective import TrajectoryObjective
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan


@runtime_checkable
class Answered(Protocol):
    """The plan of a `relu2mip.Answer`."""

    @property
    def has_plan(self) -> bool:
        """Whether there is one."""
        ...

    @property
    def status(self) -> str:
        """Why the solver stopped."""
        ...

    @property
    def controls(self) -> Array | None:
        """Those of a trajectory, (H, m)."""
        ...

    @property
    def states(self) -> Array | None:
        """Those of a trajectory, (H + 1, n)."""
        ...

    @property
    def inputs(self) -> Mapping[str, Array]:
        """Those of a box problem, by name."""
        ...


Start: TypeAlias = "ArrayLike | Mapping[str, ArrayLike] | Answered"
"""An answer with a plan. Of a `Trajectory`: controls (H, m), or a mapping with `controls` and, where the problem gives
a box of them, the `initial_state`. Of a `BoxProblem`: inputs, flat over all of them, or by name."""

TOLERANCE = 1e-6
"""Scaled violation of a set up to which a given plan satisfies it: what solvers promise of their own plans."""

ROUNDING = 1e-12
"""The same of inputs without a range, relative to their size."""


def given_plan(problem: Trajectory | BoxProblem, start: Start) -> Plan:
    """The plan that a start stands for, run through the network.

    Raises `InvalidProblem` for another shape or number of steps, and where it leaves a set, naming step and unit.
    """
    start = _of_answer(problem, start)
    inputs = _trajectory(problem, start) if isinstance(problem, Trajectory) else _box(problem, start)
    objective = problem.unrolled.objective()
    snapped = {name: x[0] for name, x in objective.snap({name: x[None] for name, x in inputs.items()}).items()}
    for name, x in inputs.items():
        low, high = objective.box[name]
        away = ~(np.abs(x - snapped[name]) <= TOLERANCE * (high - low) / 2 + ROUNDING * np.abs(snapped[name]))
        if away.any():
            k = int(np.argmax(away))
            raise InvalidProblem(f"start: {name}[{k}] is {x[k]:g}, outside its set; {snapped[name][k]:g} is")
    if isinstance(objective, TrajectoryObjective):
        _check_sets(objective, snapped)
    cost, violation = objective.evaluate({name: x[None] for name, x in snapped.items()})
    return Plan(snapped, float(cost[0]), float(violation[0]))


def _of_answer(problem: Trajectory | BoxProblem, start: Start) -> Start:
    """The plan of an answer; anything else as it is."""
    if not isinstance(start, Answered):
        return start
    if not start.has_plan:
        raise InvalidProblem(f"start: this answer has no plan ({start.status}); give one that has, or controls")
    if not isinstance(problem, Trajectory):
        return start.inputs
    if start.controls is None or start.states is None:
        raise InvalidProblem("start: this answer is that of a box problem; give the answer of a trajectory")
    free = (problem.initial_limits[0] < problem.initial_limits[1]).any()
    return {"controls": start.controls} | ({"initial_state": start.states[:1]} if free else {})


def values_of(problem: Trajectory | BoxProblem, plan: Plan) -> tuple[dict[str, Array], Violations]:
    """The named vectors of a problem at a plan, as the network evaluates them, and what it violates of the sets."""
    objective = problem.unrolled.objective()
    batch = {name: x[None] for name, x in plan.inputs.items()}
    values = {name: value[0] for name, value in problem.unrolled.form.evaluate(batch).items()}
    if isinstance(objective, TrajectoryObjective):
        states, controls = objective.trajectory(batch)
        return values, objective.violations(states[0], controls[0])
    return values, Violations(())


def _trajectory(problem: Trajectory, start: Start) -> dict[str, Array]:
    given = dict(start) if isinstance(start, Mapping) else {"controls": start}
    if "controls" not in given or not set(given) <= {"controls", "initial_state"}:
        raise InvalidProblem(f"start has the keys {sorted(given)}; give controls, and initial_state where it is free")
    u = numbers(given["controls"], "start: controls")
    u = u.reshape(-1, 1) if problem.m == 1 and u.ndim == 1 else u
    if u.shape != (problem.horizon, problem.m):
        raise InvalidProblem(f"start: controls have shape {u.shape}; give ({problem.horizon}, {problem.m})")
    low, high = problem.initial_limits
    if "initial_state" not in given and (low < high).any():
        raise InvalidProblem(
            "start: this problem gives a box of initial states; "
            "give a mapping with controls and the initial_state they start from"
        )
    x = numbers(given.get("initial_state", low), "start: initial_state")
    if x.size != low.size:
        raise InvalidProblem(f"start: initial_state has shape {x.shape}; give ({problem.window}, {problem.n})")
    x, window = x.reshape(low.shape), problem.window
    inputs = {name_of("state", k): x[k - 1] for k in range(1 - window, 1)}
    inputs |= {name_of("control", k): problem.known_controls[k] for k in range(1 - window - problem.delay, 0)}
    return inputs | {name_of("control", t): u[t] for t in range(problem.horizon)}


def _box(problem: BoxProblem, start: Start) -> dict[str, Array]:
    ports = problem.net.inputs
    if isinstance(start, Mapping):
        if set(start) != {port.name for port in ports}:
            raise InvalidProblem(f"start has the keys {sorted(start)}; the inputs are {[port.name for port in ports]}")
        parts = [numbers(start[port.name], f"start: input {port.name!r}").ravel() for port in ports]
        for port, part in zip(ports, parts, strict=True):
            if part.size != port.size:
                raise InvalidProblem(f"start: input {port.name!r} has {port.size} entries, not {part.size}")
        start = np.concatenate(parts)
    flat = numbers(start, "start")
    if flat.shape != (problem.net.input_size,):
        raise InvalidProblem(f"start has shape {flat.shape}; give ({problem.net.input_size},), flat over all inputs")
    return {name: x[0] for name, x in problem.split(flat).items()}


def _check_sets(objective: TrajectoryObjective, inputs: Mapping[str, Array]) -> None:
    """The states that follow, control rates and linear constraints."""
    states, controls = objective.trajectory({name: x[None] for name, x in inputs.items()})
    found = objective.violations(states[0], controls[0])
    if not found.feasible(TOLERANCE):
        where = "; ".join(f"{v.name} leaves its set by {v.absolute:.3g}" for v in found.worst if v.scaled > TOLERANCE)
        raise InvalidProblem(f"start: {where}")
