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
from relu2mip.compiled import Compiled
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.ir import Graph
from relu2mip.mip import Solution
from relu2mip.mip.check import violations
from relu2mip.statistics import Statistics
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.problem import Trajectory

TOLERANCE = 1e-5
"""Largest scaled violation of rows, bounds and integrality of a plan that counts as one."""

REPLAY_TOLERANCE = 1e-3
"""Largest replay error of a plan that counts as one, relative to max(1, largest |state|)."""

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True)
class Check:
    """What was found when the returned point was checked.

    rows, bounds, integrality: worst violations.  errors: largest difference per step between the plan's states (or
    outputs) and the network run on the plan's controls (or inputs), by how the network was run: `graph` is our own
    float64 evaluation, `onnxruntime` the original file, `onnxruntime-double` the file in float64.
    max_error: the worst of the float64 runs.  notes: what could not be run, and why.
    """

    rows: float
    bounds: float
    integrality: float
    errors: Mapping[str, tuple[float, ...]]
    max_error: float
    passed: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answer:
    """A checked answer. For a trajectory `controls` (H, m) and `states` (H + 1, n); for a box, `inputs` and `outputs`.

    objective: of the returned plan, recomputed from it.  bound: proven.  gap: relative to max(1e-9, |objective|).
    status: why the solver stopped.  has_plan: whether the returned point passed the check.  sound: whether the bounds
    used are proven; if not, so is neither `bound` nor optimality.  exact: whether the formulation encodes the network;
    if not, it is a relaxation: `bound` holds, and the point is no plan unless the check says so.  cutoff: the bounds
    used hold for plans with at least this good an objective, None: for all; the best plan is among them either way.
    lowered: what was rewritten for the backend.
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

    @classmethod
    def of(cls, compiled: Compiled, solution: Solution, backend: str) -> Answer:
        """Check a solution that has a point, and make it an answer."""
        assert solution.x is not None
        problem, x = compiled.problem, solution.x
        values = {name: expression.evaluate(x) for name, expression in compiled.expressions.items()}
        found = violations(compiled.model, x)
        plan: dict[str, Any]
        if isinstance(problem, Trajectory):
            plan, objective, errors, notes = _trajectory(problem, values)
            sign = 1.0
        else:
            plan, objective, errors, notes = _box(problem, values)
            sign = 1.0 if problem.sense == "min" else -1.0
        bound, cutoff = sign * solution.bound, compiled.all_bounds.cutoff
        doubles = [max(e) for name, e in errors.items() if name != "onnxruntime"]
        scale = max(1.0, *(float(np.abs(v).max(initial=0.0)) for v in values.values()))
        passed = found.feasible(TOLERANCE) and max(doubles) <= REPLAY_TOLERANCE * scale
        check = Check(
            found.rows,
            found.bounds,
            found.integrality,
            errors,
            max(doubles),
            passed,
            (*notes, *(() if found.feasible(TOLERANCE) else (str(found),))),
        )
        return cls(
            status=str(solution.stop),
            has_plan=passed,
            objective=objective,
            bound=bound,
            gap=abs(objective - bound) / max(1e-9, abs(objective)),
            seconds=solution.seconds,
            nodes=solution.nodes,
            backend=backend,
            solver=solution.solver,
            sound=compiled.all_bounds.sound,
            exact=compiled.exact,
            cutoff=None if cutoff is None else sign * cutoff,
            formulation=compiled.formulation,
            bounds=tuple(p.method for p in compiled.all_bounds.provenance),
            lowered=solution.lowered,
            check=check,
            statistics=compiled.statistics,
            message="; ".join(filter(None, (solution.message, *compiled.statistics.warnings))),
            **plan,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the same names, for JSON; a number that is not finite is null."""
        data = {name: _plain(value) for name, value in vars(self).items()}
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
        from relu2mip.plot import plot_answer

        return plot_answer(self, path)


def _trajectory(
    problem: Trajectory, values: Mapping[str, Array]
) -> tuple[dict[str, Any], float, dict[str, tuple[float, ...]], list[str]]:
    states = np.stack([values[f"state@{t}"] for t in range(problem.horizon + 1)])
    controls = np.stack([values[f"control@{t}"] for t in range(problem.horizon)])
    window = np.stack([values[f"state@{k}"] for k in range(1 - problem.window, 1)])

    def errors(run: Run | None) -> tuple[float, ...]:
        replayed = problem.rollout(controls, window, run)
        return tuple(np.abs(replayed - states).max(axis=1)[1:].tolist())

    plan = {
        "controls": controls,
        "states": states,
        "control_names": tuple(problem.control_names or (f"control {i}" for i in range(problem.m))),
        "state_names": tuple(problem.state_names or (f"state {i}" for i in range(problem.n))),
    }
    found, notes = _replays(problem.net, errors)
    return plan, problem.evaluate_cost(states, controls), found, notes


def _box(
    problem: BoxProblem, values: Mapping[str, Array]
) -> tuple[dict[str, Any], float, dict[str, tuple[float, ...]], list[str]]:
    inputs = {port.name: values[f"input@{port.name}"] for port in problem.net.inputs}
    outputs = np.concatenate([values[port.name] for port in problem.net.outputs])
    flat = {name: value[None, :] for name, value in inputs.items()}

    def errors(run: Run | None) -> tuple[float, ...]:
        replayed = problem.joined((run or problem.net.evaluate_flat)(flat))
        return (float(np.abs(replayed[0] - outputs).max()),)

    found, notes = _replays(problem.net, errors)
    plan = {
        "inputs": {port.name: inputs[port.name].reshape(port.shape) for port in problem.net.inputs},
        "outputs": {port.name: values[port.name].reshape(port.shape) for port in problem.net.outputs},
    }
    return plan, float(outputs @ problem.coefficients), found, notes


def _replays(
    net: Graph, errors: Callable[[Run | None], tuple[float, ...]]
) -> tuple[dict[str, tuple[float, ...]], list[str]]:
    """Errors of every way to run the network; a way that is not possible leaves a note that says why."""
    found = {"graph": errors(None)}
    if net.source is None:
        return found, ["onnxruntime: this network was not read from a file"]
    from relu2mip.frontends.onnx.replay import Replay

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
