"""The answer: the plan, what was proven about it, and the check that it is what the network does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.ir import Graph
from relu2mip.mip import Solution, Stop
from relu2mip.mip.check import violations
from relu2mip.mip.judge import SOLUTION
from relu2mip.mip.units import Units
from relu2mip.pipeline.program import Program
from relu2mip.pipeline.statistics import Statistics
from relu2mip.plots.plan import plot_answer
from relu2mip.search import Certificate
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.conflict import sets_in
from relu2mip.trajectory.given import values_of
from relu2mip.trajectory.objective import BoxObjective, TrajectoryObjective
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan

RELAXED = "relaxed"
"""The status of an answer whose solver found the optimum of a relaxation."""

REPLAY_TOLERANCE = 1e-3
"""Largest replay error, relative to the range of each component, that goes without a note."""

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True)
class Check:
    """The findings of the check of the returned point.

    rows, bounds, integrality: worst violations of the program by the solver's point.  errors: largest difference per
    step between the states (or outputs) of that point and the network run on its controls (or inputs), by how the
    network was run: `graph` is our own float64 evaluation, `onnxruntime` the original file, `onnxruntime-double` the
    file in float64.  max_error: the worst of the float64 runs.  relative_error: the same, each component relative to
    half its range, by its set or over random plans.  sets: the worst violation of a set by the plan, relative to the
    range of what is violated.  passed: whether the plan keeps every set, to 1e-5 of that range.  notes: what is amiss,
    what could not be run, and why.
    """

    rows: float
    bounds: float
    integrality: float
    errors: Mapping[str, tuple[float, ...]]
    max_error: float
    relative_error: float
    sets: float
    passed: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """A checked answer. For a trajectory `controls` (H, m) and `states` (H + 1, n); for a box, `inputs` and `outputs`.

    The controls are the solver's; the states are what the network itself makes of them, and the objective is the cost
    of those.  bound: proven.  gap: |objective - bound| relative to |objective|, but to no more than the range of the
    objective within the proven bounds, and to no less than 1e-6 of that range; so it does not depend on units.
    status: why the solver stopped; "unsettled" where its word contradicted what is known, and asking again did not
    help (`message` says more).  has_plan: whether the plan keeps every set, as the network replays it.
    grade: of the bounds used: "certified", "trusted" (a solver's dual bounds), or "unsound".
    sound: whether they are certified or trusted; if not, neither `bound` nor optimality is proven.
    exact: whether the formulation encodes the network; if not, it is a relaxation, whose optimum is the status
    "relaxed": `bound` holds, and the plan is what the network makes of its controls, good or not.
    cutoff: the bounds used hold for plans with at least this good an objective, None: for all; the best plan is among
    them either way.
    lowered: what was rewritten for the backend.  certificate: of `search="cells"`, the proof of the bound, which checks
    itself (`relu2mip.search.Certificate`); it is not saved with the answer, but has a file of its own.
    """

    status: str
    has_plan: bool
    objective: float
    bound: float
    gap: float
    seconds: float
    nodes: int
    backend: str
    solver: str
    grade: str
    sound: bool
    exact: bool
    cutoff: float | None
    formulation: str
    bounds: tuple[str, ...]
    lowered: tuple[str, ...]
    check: Check
    statistics: Statistics
    controls: Array | None = None
    states: Array | None = None
    inputs: Mapping[str, Array] = field(default_factory=dict)
    outputs: Mapping[str, Array] = field(default_factory=dict)
    control_names: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ()
    message: str = ""
    certificate: Certificate | None = None

    @classmethod
    def of(cls, compiled: Program, solution: Solution, backend: str, known: Plan | None = None) -> Answer:
        """Check a solution that has a point, and make it an answer.

        known: a plan that takes the place of the point.
        """
        problem = compiled.problem
        if known is not None:
            values, found = values_of(problem, known)
        else:
            assert solution.x is not None
            found = violations(compiled.model, solution.x)
            values = {name: expression.evaluate(solution.x) for name, expression in compiled.expressions.items()}
            # The solver says nothing of what was left out, so there is nothing to compare.
            values |= {name: np.where(out, np.nan, values[name]) for name, out in compiled.irrelevant.items()}
        replay = _trajectory(problem, values) if isinstance(problem, Trajectory) else _box(problem, values)
        errors, notes = _replays(problem.net, replay.errors)
        doubles = [error for name, error in errors.items() if name != "onnxruntime"]
        relative = max(float((error / replay.ranges).max(initial=0.0)) for error in doubles)
        if not found.feasible(SOLUTION):
            notes.append(str(found))
        notes += replay.broken
        if compiled.exact and relative > REPLAY_TOLERANCE:
            notes.append(f"the solver's point is off by {relative:.2g} of a component's range")
        check = Check(
            rows=found.rows,
            bounds=found.bounds,
            integrality=found.integrality,
            errors={name: tuple(error.max(axis=1).tolist()) for name, error in errors.items()},
            max_error=max(float(error.max(initial=0.0)) for error in doubles),
            relative_error=relative,
            sets=replay.violation,
            passed=replay.violation <= SOLUTION,
            notes=tuple(notes),
        )
        sign = -1.0 if isinstance(problem, BoxProblem) and problem.sense == "max" else 1.0
        objective, bound = replay.cost, min(solution.bound, replay.cost)
        cutoff = compiled.all_bounds.cutoff
        return cls(
            status=str(solution.stop) if compiled.exact or solution.stop is not Stop.OPTIMAL else RELAXED,
            has_plan=check.passed,
            objective=sign * objective,
            bound=sign * bound,
            gap=Units.of(compiled.model).gap(objective, bound),
            seconds=solution.seconds,
            nodes=solution.nodes,
            backend=backend,
            solver=solution.solver,
            grade=str(compiled.all_bounds.grade),
            sound=compiled.all_bounds.sound,
            exact=compiled.exact,
            cutoff=None if cutoff is None else sign * cutoff,
            formulation=compiled.formulation,
            bounds=tuple(p.method for p in compiled.all_bounds.provenance),
            lowered=solution.lowered,
            check=check,
            statistics=compiled.statistics,
            message="; ".join(filter(None, (solution.message, *compiled.statistics.warnings))),
            **replay.plan,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the same names, for JSON; a number that is not finite is null."""
        data = {name: _plain(value) for name, value in vars(self).items() if name != "certificate"}
        data["check"] = _plain(asdict(self.check))
        data["statistics"] = _plain(self.statistics.to_dict())
        return data

    def save(self, path: str | Path) -> Path:
        """Write the answer as JSON."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n")
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Answer:
        """Read an answer written by `save`; raises `InvalidProblem` for anything else."""
        try:
            data = json.loads(Path(path).read_text())
            check = {**data["check"], "errors": {k: tuple(v) for k, v in data["check"]["errors"].items()}}
            check["notes"] = tuple(check["notes"])
            data["check"] = Check(**check)
            data.setdefault("grade", "certified" if data["sound"] else "unsound")
            data["statistics"] = Statistics.from_dict(data["statistics"])
            unproven = -math.inf if data["bound"] is None else data["bound"]
            data |= {"bound": unproven, "gap": math.inf if data["gap"] is None else data["gap"]}
            for key in ("bounds", "lowered", "control_names", "state_names"):
                data[key] = tuple(data[key])
            for key in ("controls", "states"):
                data[key] = None if data[key] is None else np.array(data[key], dtype=np.float64)
            for key in ("inputs", "outputs"):
                data[key] = {k: np.array(v, dtype=np.float64) for k, v in data[key].items()}
            return cls(**data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidProblem(f"{path} is not an answer saved by relu2mip: {error}") from error

    def plot(self, path: str | Path) -> Path:
        """A picture of states and controls over time (needs the `plot` extra)."""
        return plot_answer(self, path)


@dataclass(frozen=True, eq=False)
class _Replayed:
    """A plan as the network replays it.

    plan: fields of the answer.  cost: as the model minimises it.  violation: of the sets, relative to their ranges.
    errors: per step and component, between the solver's states or outputs and the network, run in one way or another.
    ranges: half of each component's range, by its set or over random plans.  broken: which sets the plan leaves at
    most, and by how much.
    """

    plan: Mapping[str, Any]
    cost: float
    violation: float
    errors: Callable[[Run | None], Array]
    ranges: Array
    broken: tuple[str, ...] = ()


def _trajectory(problem: Trajectory, values: Mapping[str, Array]) -> _Replayed:
    objective, steps = problem.unrolled.objective(), range(problem.horizon)
    assert isinstance(objective, TrajectoryObjective)
    given = {name: values.get(name, past)[None] for name, (past, _) in objective.box.items()}
    inputs = objective.snap(given)
    controls = np.stack([inputs[f"control@{t}"][0] for t in steps])
    window = np.stack([inputs[f"state@{k}"][0] for k in range(1 - problem.window, 1)])
    states = problem.rollout(controls, window)
    cost, violation = objective.judge(states[None], controls[None])
    found = np.stack([values[f"state@{t + 1}"] for t in steps])

    def errors(run: Run | None) -> Array:
        replayed = states if run is None else problem.rollout(controls, window, run)
        return _difference(replayed[1:], found)

    plan = {
        "controls": controls,
        "states": states,
        "control_names": tuple(problem.control_names or (f"control {i}" for i in range(problem.m))),
        "state_names": tuple(problem.state_names or (f"state {i}" for i in range(problem.n))),
    }
    ranges = objective.units.size[: states.size].reshape(states.shape)[1:]
    worst = [v for v in objective.violations(states, controls).worst if v.scaled > SOLUTION]
    broken = [
        f"the plan leaves {' '.join(sets_in([v.name], objective.sets, problem))} by {v.absolute:.3g}" for v in worst
    ]
    return _Replayed(plan, float(cost[0]), float(violation[0]), errors, ranges, tuple(broken))


def _box(problem: BoxProblem, values: Mapping[str, Array]) -> _Replayed:
    ports, net = problem.net.outputs, problem.net
    objective = problem.unrolled.objective()
    assert isinstance(objective, BoxObjective)
    flat = objective.snap({port.name: values[f"input@{port.name}"][None] for port in net.inputs})
    outputs, found = net.evaluate_flat(flat), np.concatenate([values[port.name] for port in ports])

    def errors(run: Run | None) -> Array:
        return _difference(problem.joined(outputs if run is None else run(flat)), found)

    plan = {
        "inputs": {port.name: flat[port.name][0].reshape(port.shape) for port in net.inputs},
        "outputs": {port.name: np.broadcast_to(outputs[port.name][0], port.size).reshape(port.shape) for port in ports},
    }
    sign = 1.0 if problem.sense == "min" else -1.0
    cost = sign * float(problem.joined(outputs)[0] @ problem.coefficients)
    return _Replayed(plan, cost, 0.0, errors, objective.ranges)


def _difference(replayed: Array, found: Array) -> Array:
    """How far a replay is from the solver's values; 0 where the solver gave none."""
    return np.where(np.isnan(found), 0.0, np.abs(replayed - found))


def _replays(net: Graph, errors: Callable[[Run | None], Array]) -> tuple[dict[str, Array], list[str]]:
    """Errors of every way to run the network; a way that is not possible leaves a note that says why."""
    found = {"graph": errors(None)}
    if net.source is None:
        return found, ["onnxruntime: this network was not read from a file"]
    from relu2mip.frontends.onnx.replay import Replay  # as in relu2mip.trajectory.network

    notes = []
    for name, double in (("onnxruntime", False), ("onnxruntime-double", True)):
        try:
            found[name] = errors(Replay(net.source, double=double).run)
        except Relu2MipError as error:
            notes.append(f"{name}: {error}")
    return found, notes


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
