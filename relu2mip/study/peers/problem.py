"""The problems that other tools are given, in plain arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import CapabilityMissing
from relu2mip.trajectory.box_problem import BoxProblem
from relu2mip.trajectory.costs import L1, Quadratic
from relu2mip.trajectory.problem import Trajectory
from relu2mip.trajectory.sets import Box


class Outcome(NamedTuple):
    """What a solver says: objective of its incumbent (inf without one), proven bound, seconds, nodes and sizes."""

    objective: float
    bound: float
    seconds: float
    nodes: int = 0
    columns: int = 0
    binaries: int = 0
    rows: int = 0


@dataclass(frozen=True, eq=False)
class PeerProblem:
    """Steer `x[t+1] = f(x[t], u[t])`, or `x[t] + f(x[t], u[t])` where it predicts a `change`, at least cost.

    The cost sums `|x[t] - target[t]| @ state_weight[t]` over t = 1 … H, both (H, n), and `|u[t]| @ control_weight[t]`,
    (H, m), over t = 0 … H-1; squares in place of the absolute values where it is quadratic. The network reads the
    concatenated (x, u) as its one input.
    """

    network: Path
    horizon: int
    change: bool
    initial_state: Array
    state_lower: Array
    state_upper: Array
    control_lower: Array
    control_upper: Array
    target: Array
    state_weight: Array
    control_weight: Array
    quadratic: bool = False

    @property
    def input_lower(self) -> Array:
        """Lower end of the box of network inputs (x, u)."""
        return np.concatenate([self.state_lower, self.control_lower])

    @property
    def input_upper(self) -> Array:
        """Upper end of the box of network inputs (x, u)."""
        return np.concatenate([self.state_upper, self.control_upper])

    @property
    def first_step(self) -> PeerProblem:
        """The same with a horizon of one step."""
        arrays = {name: getattr(self, name)[:1] for name in ("target", "state_weight", "control_weight")}
        return replace(self, horizon=1, **arrays)

    @classmethod
    def of(cls, problem: Trajectory | BoxProblem, network: str | Path) -> PeerProblem:
        """The problem in these terms; raises `CapabilityMissing` for what they have no words for."""
        if isinstance(problem, BoxProblem):
            raise CapabilityMissing("other tools are given trajectories; exclude them from box problems")
        cost, steps = problem.cost, problem.horizon
        strange = {
            "an initial state in a box": isinstance(problem.initial_state, Box),
            "discrete controls": problem.discrete,
            "a window": problem.window != 1 or problem.delay != 0 or bool(problem.known),
            "coordinates": problem.normalisation is not None or problem.inputs is not None,
            "a heading": problem.heading is not None,
            "constraints": bool(problem.all_constraints or problem.alternatives or problem.rate_limits),
            "a cost other than L1 or Quadratic": not isinstance(cost, L1 | Quadratic),
        }
        low, high = problem.state_limits
        strange["limits of states that change from step to step"] = bool(((low != low[0]) | (high != high[0])).any())
        strange["states without limits"] = not (np.isfinite(low).all() and np.isfinite(high).all())
        if found := [what for what, is_so in strange.items() if is_so]:
            raise CapabilityMissing(f"other tools are not given {', '.join(found)}; exclude them from this problem")
        assert isinstance(cost, L1 | Quadratic)
        control_low, control_high = problem.control_limits
        return cls(
            network=Path(network),
            horizon=steps,
            change=problem.predicts == "change",
            initial_state=problem.initial_limits[0][0],
            state_lower=low[0],
            state_upper=high[0],
            control_lower=control_low[0],
            control_upper=control_high[0],
            target=np.broadcast_to(np.asarray(cost.target, dtype=float), (steps, problem.n)),
            state_weight=_weights(cost, problem.n, steps),
            control_weight=_control_weights(cost, problem.m, steps),
            quadratic=isinstance(cost, Quadratic),
        )


def _weights(cost: Any, n: int, steps: int) -> Array:
    weights = np.array(np.broadcast_to(np.asarray(_plain(cost.state, n), dtype=float), (steps, n)))
    weights[-1] += np.broadcast_to(np.asarray(_plain(cost.terminal, n), dtype=float), (n,))
    return weights


def _control_weights(cost: Any, m: int, steps: int) -> Array:
    if cost.control_rate is not None or cost.keypoints is not None or np.any(cost.control_target):
        raise CapabilityMissing("other tools are not given rates, keypoints or targets of controls in the cost")
    return np.broadcast_to(np.asarray(_plain(cost.control, m), dtype=float), (steps, m))


def _plain(weights: Any, size: int) -> Any:
    if weights is None:
        return 0.0
    if np.ndim(weights) == 2 and np.shape(weights) == (size, size) and size > 1:
        raise CapabilityMissing("other tools are not given matrices as weights")
    return weights


def unproven(bound: Any) -> float:
    """A bound as a number: -inf where the solver has none."""
    return -math.inf if bound is None or not abs(bound) < 1e20 else float(bound)
