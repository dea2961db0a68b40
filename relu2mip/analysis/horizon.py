"""Which states of a plan can depend on which controls and earlier states, proven over a whole horizon.

The same enclosures as over a box (`relu2mip.analysis.enclosure`), on the unrolled form of a problem: every state and
control between its bounds is a seed, and the Jacobian is that of the total effect, through all steps between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from relu2mip.accept import instance
from relu2mip.analysis.enclosure import enclosures
from relu2mip.arrays import Array, Mask
from relu2mip.bounds import Grade, compute_bounds
from relu2mip.errors import InvalidOption
from relu2mip.options import parse
from relu2mip.registry import bound_methods
from relu2mip.trajectory.names import name_of
from relu2mip.trajectory.problem import Trajectory


@dataclass(frozen=True, eq=False)
class Dependencies:
    """The effect of states and controls on later states, within the sets of a problem.

    state_lower, state_upper (H + 1, n, H + 1, n): an enclosure of the derivatives of state i at step t by state j at
    step s, at [t, i, s, j], through all steps between; 1 on the diagonal.  control_lower, control_upper (H + 1, n, H,
    m): the same by controls.  state_absent, control_absent: which are proven to be 0.  grade: of that.
    """

    state_lower: Array
    state_upper: Array
    state_absent: Mask
    control_lower: Array
    control_upper: Array
    control_absent: Mask
    grade: Grade
    state_names: tuple[str, ...]
    control_names: tuple[str, ...]

    @property
    def horizon(self) -> int:
        """Number of steps."""
        return int(self.control_absent.shape[2])

    def delay(self) -> Array:
        """Steps until each control can act on each state, (n, m); infinite where none within the horizon does.

        The fewest over all steps that the control may be given at.
        """
        horizon = self.horizon
        found = np.full((self.control_absent.shape[1], self.control_absent.shape[3]), np.inf)
        for t in range(1, horizon + 1):
            for s in range(t):
                found = np.where(~self.control_absent[t, :, s], np.minimum(found, t - s), found)
        return found

    def to_networkx(self) -> Any:
        """A `networkx.DiGraph` of the effects of one step: from states and controls at t to states at t + 1."""
        import networkx

        graph = networkx.DiGraph()
        for kind, names, absent in (
            ("state", self.state_names, self.state_absent),
            ("control", self.control_names, self.control_absent),
        ):
            for t, i, s, j in np.argwhere(~absent).tolist():
                if t == s + 1:
                    graph.add_edge((s, names[j]), (t, self.state_names[i]), kind=kind)
        return graph


def certified_dependencies(problem: Trajectory, bounds: str = "crown") -> Dependencies:
    """The dependence of each state of a problem's plans on each control and each earlier state.

    bounds: bound methods that prove the phases of units.

    Raises `InvalidProblem` for what is no `Trajectory`, and `UnboundedUnit`, `UnknownOption`, `InvalidOption`.

    >>> import relu2mip as r2m
    >>> from relu2mip.ir.samples import integrator
    >>> problem = r2m.Trajectory(
    ...     integrator(), horizon=3, initial_state=[1.0, 0.0], predicts="change",
    ...     controls=r2m.Box(-1, 1), states=r2m.Box(-2, 2))
    >>> certified_dependencies(problem).delay().tolist()
    [[2.0], [1.0]]
    """
    instance(Trajectory, "a Trajectory (Trajectory.from_toml reads a file)")(problem, "problem")
    unrolled = problem.unrolled
    found = compute_bounds(unrolled, parse(bounds, bound_methods, "bounds"))
    if found.cutoff is not None:
        raise InvalidOption(f"bounds {bounds!r} hold only for good plans; take those of all plans, such as crown")
    horizon, n, m = problem.horizon, problem.n, problem.m
    outputs = unrolled.form.outputs
    states = [outputs[name_of("state", t)] for t in range(horizon + 1)]
    controls = [outputs[name_of("control", t)] for t in range(horizon)]
    every = enclosures(unrolled.form, found.lower, found.upper, [*states, *controls])

    def parts(side: str) -> tuple[Any, Any]:
        whole = np.stack([getattr(every[i], side) for i in states])
        by_state, by_control = np.split(whole, [n * len(states)], axis=2)
        return by_state.reshape(horizon + 1, n, horizon + 1, n), by_control.reshape(horizon + 1, n, horizon, m)

    (low, control_low), (high, control_high), (reached, control_reached) = map(parts, ("lower", "upper", "reached"))
    return Dependencies(
        state_lower=low,
        state_upper=high,
        state_absent=~reached,
        control_lower=control_low,
        control_upper=control_high,
        control_absent=~control_reached,
        grade=found.grade,
        state_names=tuple(problem.state_names or (f"state {i}" for i in range(n))),
        control_names=tuple(problem.control_names or (f"control {i}" for i in range(m))),
    )
