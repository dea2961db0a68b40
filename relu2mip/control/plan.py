"""The result of a planner: a plan that the network itself evaluated, and what is proven of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.arrays import Array
from relu2mip.trajectory.names import name_of
from relu2mip.trajectory.objective import TrajectoryObjective
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import FEASIBLE
from relu2mip.unrolled.plan import Plan as Point


@dataclass(frozen=True, eq=False)
class Plan:
    """A plan for a `Trajectory`, in its units.

    controls: (H, m).  states: (H + 1, n), which the network computes from them in float64.  cost: of the problem.
    violation: the largest by which it leaves a set, relative to the set's range.  bound: no plan costs less, as proven
    by the solver; None where nothing was proven.  seconds: spent.  stopped: why the planner stopped.  nodes: of the
    search tree.  stages: seconds by stage.  rebuilt: why the program was compiled anew, if it was.
    """

    controls: Array
    states: Array
    cost: float
    violation: float
    bound: float | None = None
    seconds: float = 0.0
    stopped: str = ""
    nodes: int = 0
    stages: Mapping[str, float] = field(default_factory=dict)
    rebuilt: str = ""

    @property
    def feasible(self) -> bool:
        """Whether it satisfies every set."""
        return self.violation <= FEASIBLE

    @property
    def gap(self) -> float | None:
        """(cost - bound) / |cost|, None without a bound."""
        return None if self.bound is None else float(relative_gap(self.cost, self.bound))


def relative_gap(cost: ArrayLike, bound: ArrayLike) -> Array:
    """(cost - bound) / |cost|, at least 0; NaN without a bound."""
    away = np.asarray(cost, dtype=np.float64) - np.asarray(bound, dtype=np.float64)
    return np.asarray(np.maximum(0.0, away) / np.maximum(np.abs(cost), 1e-12))


def plan_of(
    problem: Trajectory,
    point: Point,
    *,
    bound: float | None = None,
    seconds: float = 0.0,
    stopped: str = "",
    nodes: int = 0,
    stages: Mapping[str, float] | None = None,
    rebuilt: str = "",
) -> Plan:
    """The plan that a point of a problem's inputs stands for."""
    objective = problem.unrolled.objective()
    assert isinstance(objective, TrajectoryObjective)
    states, controls = objective.trajectory({name: x[None] for name, x in point.inputs.items()})
    found = controls[0], states[0], point.cost, point.violation
    return Plan(*found, bound, seconds, stopped, nodes, dict(stages or {}), rebuilt)


def point_of(problem: Trajectory, controls: Array) -> Point:
    """The point of a problem's inputs at controls (H, m), moved into their own sets; it may leave others."""
    objective = problem.unrolled.objective()
    inputs = {name: (low + high)[None] / 2 for name, (low, high) in objective.box.items()}
    inputs |= {name_of("control", t): np.asarray(u, dtype=np.float64)[None] for t, u in enumerate(controls)}
    snapped = objective.snap(inputs)
    cost, violation = objective.evaluate(snapped)
    return Point({name: x[0] for name, x in snapped.items()}, float(cost[0]), float(violation[0]))
