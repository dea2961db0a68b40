"""What a search minimises: the cost and the violation of batches of points, and their gradients.

A batch gives every input of the unrolled form, (B, size) each, by name. Costs and gradients are those of the problem,
in float64; the violation is measured on every state, control rate and linear constraint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from relu2mip.arrays import Array
from relu2mip.mip import MipModel, ModelBuilder, NameBlock
from relu2mip.trajectory.frame import Frame
from relu2mip.trajectory.names import name_of
from relu2mip.trajectory.sets import Finite
from relu2mip.trajectory.write import write_sets

if TYPE_CHECKING:
    from relu2mip.trajectory.box_problem import BoxProblem
    from relu2mip.trajectory.problem import Trajectory

Batch = Mapping[str, Array]


class Objective(Protocol):
    """What a problem offers to a search."""

    def evaluate(self, batch: Batch) -> tuple[Array, Array]:
        """Cost (B,) and violation (B,)."""
        ...

    def gradient(self, batch: Batch, penalty: float) -> dict[str, Array]:
        """The gradient of cost + penalty * (sum of violations) by input."""
        ...

    def snap(self, batch: Batch) -> dict[str, Array]:
        """The nearest points of the inputs' own sets: boxes, and finite lists of values."""
        ...

    def levels(self, name: str) -> Sequence[Array | None]:
        """Of each unit of an input the finite list of its values, sorted; None where it has none."""
        ...


class BoxObjective:
    """The linear objective of a `BoxProblem`; its box is the only set."""

    def __init__(self, problem: BoxProblem) -> None:
        self.form = problem.unrolled.form
        self.sign = 1.0 if problem.sense == "min" else -1.0
        ends = np.cumsum([0, *(port.size for port in problem.net.outputs)])
        parts = zip(problem.net.outputs, pairwise(ends), strict=True)
        self.weights = {port.name: problem.coefficients[a:b] for port, (a, b) in parts}
        self.box = {name: problem.unrolled.domain[i] for name, i in self.form.inputs.items()}

    def evaluate(self, batch: Batch) -> tuple[Array, Array]:
        """Cost (B,) and zeros."""
        outputs = self.form.evaluate(batch)
        cost = self.sign * sum(outputs[name] @ w for name, w in self.weights.items())
        return np.asarray(cost), np.zeros(np.shape(cost))

    def gradient(self, batch: Batch, penalty: float) -> dict[str, Array]:
        """The gradient of the objective."""
        size = next(iter(batch.values())).shape[0]
        return self.form.vjp(batch, {name: np.tile(self.sign * w, (size, 1)) for name, w in self.weights.items()})

    def snap(self, batch: Batch) -> dict[str, Array]:
        """Clipped to the box."""
        return {name: np.clip(x, *self.box[name]) for name, x in batch.items()}

    def levels(self, name: str) -> Sequence[Array | None]:
        """None."""
        return [None] * self.box[name][0].size


class TrajectoryObjective:
    """The cost of a `Trajectory` and its sets."""

    def __init__(self, problem: Trajectory) -> None:
        self.problem = problem
        self.form = problem.unrolled.form
        self.box = {name: problem.unrolled.domain[i] for name, i in self.form.inputs.items()}
        self.lists = problem.controls.lists("controls", problem.m) if isinstance(problem.controls, Finite) else None
        self.sets = _sets(problem)

    def evaluate(self, batch: Batch) -> tuple[Array, Array]:
        """Cost (B,) and largest violation (B,)."""
        states, controls = self._trajectory(batch)
        above, below = self._excess(states, controls)
        worst = [np.max(part, axis=1, initial=0.0) for parts in (above, below) for part in parts]
        return self.problem.evaluate_cost(states, controls), np.maximum.reduce(worst)

    def gradient(self, batch: Batch, penalty: float) -> dict[str, Array]:
        """The gradient through the whole horizon."""
        states, controls = self._trajectory(batch)
        slope = np.zeros((len(states), states[0].size + controls[0].size))
        if self.problem.cost is not None:
            by_state, by_control = self.problem.cost.gradient(states, controls, self.problem.previous_control)
            slope = _flat(by_state, by_control)
        (box_above, rows_above), (box_below, rows_below) = self._excess(states, controls)
        sides = np.sign(rows_above) - np.sign(rows_below)
        slope = slope + penalty * (np.sign(box_above) - np.sign(box_below) + (self.sets.matrix.T @ sides.T).T)
        by_state = slope[:, : states[0].size].reshape(states.shape)
        by_control = slope[:, states[0].size :].reshape(controls.shape)
        cotangents = {name_of("state", t): by_state[:, t] for t in range(states.shape[1])}
        cotangents |= {name_of("control", t): by_control[:, t] for t in range(controls.shape[1])}
        return self.form.vjp(batch, cotangents)

    def snap(self, batch: Batch) -> dict[str, Array]:
        """Clipped to the boxes; discrete controls to their nearest value."""
        snapped = {name: np.clip(x, *self.box[name]) for name, x in batch.items()}
        if self.lists is not None:
            for t in range(self.problem.horizon):
                u = snapped[name_of("control", t)]
                near = [v[np.abs(u[:, j, None] - v).argmin(axis=1)] for j, v in enumerate(self.lists)]
                snapped[name_of("control", t)] = np.stack(near, axis=1)
        return snapped

    def levels(self, name: str) -> Sequence[Array | None]:
        """Those of discrete controls, at steps that are still to come."""
        if self.lists is not None and name in {name_of("control", t) for t in range(self.problem.horizon)}:
            return self.lists
        return [None] * self.box[name][0].size

    def point(self, batch: Batch) -> Array:
        """All states, then all controls, (B, columns of `sets`)."""
        return _flat(*self._trajectory(batch))

    def _trajectory(self, batch: Batch) -> tuple[Array, Array]:
        outputs, horizon = self.form.evaluate(batch), self.problem.horizon
        states = np.stack([outputs[name_of("state", t)] for t in range(horizon + 1)], axis=1)
        return states, np.stack([outputs[name_of("control", t)] for t in range(horizon)], axis=1)

    def _excess(self, states: Array, controls: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """How far (boxes, rows) are above their upper limits, and below their lower ones; 0 inside."""
        point, sets = _flat(states, controls), self.sets
        rows = (sets.matrix @ point.T).T
        above = np.maximum(point - sets.upper, 0.0), np.maximum(rows - sets.row_upper, 0.0)
        return above, (np.maximum(sets.lower - point, 0.0), np.maximum(sets.row_lower - rows, 0.0))


def _flat(states: Array, controls: Array) -> Array:
    return np.concatenate([states.reshape(len(states), -1), controls.reshape(len(controls), -1)], axis=1)


def _sets(problem: Trajectory) -> MipModel:
    """The sets alone, as boxes and rows over all states, then all controls, under the names of the program."""
    model, digits = ModelBuilder(), max(2, len(str(problem.horizon)))

    def names(kind: str, steps: int, size: int) -> NameBlock:
        return NameBlock(kind, np.tile(np.arange(size), steps), "", np.repeat(np.arange(steps), size), digits)

    low, high = problem.initial_limits
    lower, upper = np.vstack([low[-1:], problem.state_limits[0]]), np.vstack([high[-1:], problem.state_limits[1]])
    states = model.add_columns(names("state", *lower.shape), lower.ravel(), upper.ravel())
    lower, upper = problem.control_limits
    controls = model.add_columns(names("control", *lower.shape), lower.ravel(), upper.ravel())
    shapes = (problem.horizon + 1, problem.n), (problem.horizon, problem.m)
    frame = Frame(model, states.reshape(shapes[0]), controls.reshape(shapes[1]), problem.previous_control, {}, digits)
    write_sets(problem, frame)
    return model.build()
