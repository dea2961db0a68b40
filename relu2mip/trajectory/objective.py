"""The objectives of trajectories and box problems (`relu2mip.unrolled.objective`).

Costs and gradients are those of the problem,
in float64; the violation is measured on every state, control rate and linear constraint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from relu2mip.arrays import Array
from relu2mip.mip import MipModel, ModelBuilder, NameBlock
from relu2mip.mip.check import Violation, Violations, violations
from relu2mip.mip.units import Units
from relu2mip.normal_form import NormalForm
from relu2mip.trajectory.clearance import Clearance
from relu2mip.trajectory.frame import Frame
from relu2mip.trajectory.names import name_of
from relu2mip.trajectory.statement import Statement
from relu2mip.trajectory.write import write_sets
from relu2mip.unrolled.objective import Batch
from relu2mip.unrolled.unrolled import Domain

SAMPLES = 64
"""Random plans that say how far states and costs range where no set does."""


Either = TypeVar("Either", "BoxObjective", "TrajectoryObjective")


class BoxObjective:
    """The linear objective of a `BoxProblem`, as it is minimised; its box is the only set.

    weights: of the entries of each output, by name.
    """

    def __init__(self, form: NormalForm, domain: Domain, weights: Mapping[str, Array]) -> None:
        self.form, self.weights = form, weights
        self.box = {name: domain[i] for name, i in form.inputs.items()}

    @cached_property
    def ranges(self) -> Array:
        """Half of how far each output ranges over random points, (outputs,)."""
        outputs = self.form.evaluate(_random(self))
        return np.array([_spread(column) for name in self.weights for column in outputs[name].T])

    def evaluate(self, batch: Batch) -> tuple[Array, Array]:
        """Cost (B,) and zeros."""
        outputs = self.form.evaluate(batch)
        cost = sum(outputs[name] @ w for name, w in self.weights.items())
        return np.asarray(cost), np.zeros(np.shape(cost))

    def gradient(self, batch: Batch, penalty: float) -> dict[str, Array]:
        """The gradient of the objective."""
        size = next(iter(batch.values())).shape[0]
        return self.form.vjp(batch, {name: np.tile(w, (size, 1)) for name, w in self.weights.items()})

    def through(self, form: NormalForm) -> BoxObjective:
        """See `Objective.through`."""
        return _through(self, form)

    def binaries(self, batch: Batch) -> dict[str, Array]:
        """None."""
        return {}

    def snap(self, batch: Batch) -> dict[str, Array]:
        """Clipped to the box."""
        return {name: np.clip(x, *self.box[name]) for name, x in batch.items()}

    def levels(self, name: str) -> Sequence[Array | None]:
        """None."""
        return [None] * self.box[name][0].size

    @cached_property
    def unit(self) -> float:
        """Half of how far the costs of random points lie apart."""
        return _spread(self.evaluate(_random(self))[0])


class TrajectoryObjective:
    """The cost of a `Trajectory` and its sets."""

    def __init__(self, problem: Statement, form: NormalForm, domain: Domain) -> None:
        self.problem, self.form = problem, form
        self.box = {name: domain[i] for name, i in form.inputs.items()}
        self.sets = _sets(problem)

    @cached_property
    def unit(self) -> float:
        """Half of how far the costs of random plans lie apart."""
        return _spread(self.evaluate(_random(self))[0])

    @cached_property
    def units(self) -> Units:
        """Those of `sets`; of what its boxes leave without a width, the range over random plans."""
        sets, points = self.sets, self.point(_random(self))
        width = sets.upper - sets.lower
        wanted = ~(np.isfinite(width) & (width > 0))
        lower = np.where(wanted, points.min(axis=0), sets.lower)
        upper = np.where(wanted, points.max(axis=0), sets.upper)
        return Units.of(replace(sets, lower=lower, upper=upper))

    @cached_property
    def clearances(self) -> list[Clearance]:
        """The sets that are not convex."""
        return Clearance.of(self.problem.alternatives, self.size)

    @cached_property
    def size(self) -> Array:
        """Half of how far each state ranges, (n,)."""
        sizes = self.units.size[: (self.problem.horizon + 1) * self.problem.n]
        return np.asarray(sizes.reshape(-1, self.problem.n).max(axis=0))

    def violations(self, states: Array, controls: Array) -> Violations:
        """The violations of the sets by states (H + 1, n) and controls (H, m), the worst of each kind."""
        point = np.concatenate([states.ravel(), controls.ravel()])
        found = list(violations(self.sets, point, self.units).worst)
        digits = max(2, len(str(self.problem.horizon)))
        for clearance in self.clearances:
            excess = clearance.excess(states[None])[0]
            for k, scaled, member in zip(excess.argmax(axis=0), excess.max(axis=0), clearance.members, strict=True):
                if scaled > 0:
                    made = self.problem.alternatives[member]
                    name = f"t{made.reached[k]:0{digits}d}.{made.name}"
                    found.append(Violation("set", name, float(scaled * self.size.max()), float(scaled)))
        return Violations(tuple(sorted(found, key=lambda one: -one.scaled)))

    def evaluate(self, batch: Batch) -> tuple[Array, Array]:
        """Cost (B,) and largest violation (B,), relative to the range of what is violated."""
        return self.judge(*self.trajectory(batch))

    def judge(self, states: Array, controls: Array) -> tuple[Array, Array]:
        """The same for states (B, H + 1, n) and controls (B, H, m)."""
        above, below = self._excess(states, controls)
        worst = [np.max(part, axis=1, initial=0.0) for parts in (above, below) for part in parts]
        worst += [np.max(one.excess(states), axis=(1, 2), initial=0.0) for one in self.clearances]
        return self.problem.evaluate_cost(states, controls), np.maximum.reduce(worst)

    def gradient(self, batch: Batch, penalty: float) -> dict[str, Array]:
        """The gradient through the whole horizon."""
        outputs, back = self.form.pullback(batch)
        states, controls = self._arranged(outputs)
        slope = np.zeros((len(states), states[0].size + controls[0].size))
        if self.problem.cost is not None:
            by_state, by_control = self.problem.cost.gradient(states, controls, self.problem.previous_control)
            slope = _flat(by_state, by_control)
        (box_above, rows_above), (box_below, rows_below) = self._excess(states, controls)
        sides = (np.sign(rows_above) - np.sign(rows_below)) * self.units.row
        box = (np.sign(box_above) - np.sign(box_below)) / self.units.size
        slope = slope + penalty * (box + (self.sets.matrix.T @ sides.T).T)
        by_state = slope[:, : states[0].size].reshape(states.shape)
        for clearance in self.clearances:
            # A place between two steps moves with both; the one it is on the way to has the last word.
            batch_of, place, slopes = clearance.slopes(states)
            np.add.at(by_state, (batch_of, clearance.reached[place]), penalty * slopes)
        by_control = slope[:, states[0].size :].reshape(controls.shape)
        cotangents = {name_of("state", t): by_state[:, t] for t in range(states.shape[1])}
        cotangents |= {name_of("control", t): by_control[:, t] for t in range(controls.shape[1])}
        return back(cotangents)

    def through(self, form: NormalForm) -> TrajectoryObjective:
        """See `Objective.through`."""
        return _through(self, form)

    def binaries(self, batch: Batch) -> dict[str, Array]:
        """Those of sets that are not convex: the set that the plan is in, or nearest to, at each place."""
        states, found = self.trajectory(batch)[0][0], dict[str, Array]()
        nearest = {k: one.nearest(states)[:, a] for one in self.clearances for a, k in enumerate(one.members.tolist())}
        for k, made in enumerate(self.problem.alternatives):
            before = found.get(made.chosen, np.zeros(0))
            chosen = nearest[k][:, None] == np.arange(len(made.sets))
            found[made.chosen] = np.concatenate([before, chosen.ravel().astype(np.float64)])
        return found

    def snap(self, batch: Batch) -> dict[str, Array]:
        """Clipped to the boxes; discrete controls to their nearest value."""
        snapped = {name: np.clip(x, *self.box[name]) for name, x in batch.items()}
        for t in range(self.problem.horizon):
            u = snapped[name_of("control", t)]
            for j, v in enumerate(self.problem.control_values):
                if v is not None:
                    u[:, j] = v[np.abs(u[:, j, None] - v).argmin(axis=1)]
        return snapped

    def levels(self, name: str) -> Sequence[Array | None]:
        """Those of discrete controls, at steps that are still to come."""
        if name in {name_of("control", t) for t in range(self.problem.horizon)}:
            return self.problem.control_values
        return [None] * self.box[name][0].size

    def point(self, batch: Batch) -> Array:
        """All states, then all controls, (B, columns of `sets`)."""
        return _flat(*self.trajectory(batch))

    def trajectory(self, batch: Batch) -> tuple[Array, Array]:
        """States (B, H + 1, n) and controls (B, H, m)."""
        return self._arranged(self.form.evaluate(batch))

    def _arranged(self, outputs: Mapping[str, Array]) -> tuple[Array, Array]:
        horizon = self.problem.horizon
        states = np.stack([outputs[name_of("state", t)] for t in range(horizon + 1)], axis=1)
        return states, np.stack([outputs[name_of("control", t)] for t in range(horizon)], axis=1)

    def _excess(self, states: Array, controls: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """How far (boxes, rows) are above their upper limits, and below their lower ones, in their units; 0 inside."""
        point, sets, units = _flat(states, controls), self.sets, self.units
        rows = (sets.matrix @ point.T).T
        above = np.maximum(point - sets.upper, 0.0) / units.size, np.maximum(rows - sets.row_upper, 0.0) * units.row
        below = np.maximum(sets.lower - point, 0.0) / units.size, np.maximum(sets.row_lower - rows, 0.0) * units.row
        return above, below


def _through(objective: Either, form: NormalForm) -> Either:
    _ = objective.unit  # and the units of its sets: worked out once
    made = copy(objective)
    made.form = form
    return made


def _random(objective: BoxObjective | TrajectoryObjective) -> dict[str, Array]:
    """Points of the inputs' own sets, always the same ones."""
    rng = np.random.default_rng(0)
    points = {name: rng.uniform(low, high, (SAMPLES, low.size)) for name, (low, high) in objective.box.items()}
    return objective.snap(points)


def _spread(costs: Array) -> float:
    """Half of how far costs lie apart, else their size."""
    known = costs[np.isfinite(costs)]
    half = float(np.ptp(known)) / 2 if known.size else 0.0
    return half or float(np.abs(known).max(initial=0.0)) or 1.0


def _flat(states: Array, controls: Array) -> Array:
    return np.concatenate([states.reshape(len(states), -1), controls.reshape(len(controls), -1)], axis=1)


def _sets(problem: Statement) -> MipModel:
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
