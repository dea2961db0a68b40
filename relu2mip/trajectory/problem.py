"""Trajectory optimisation over learned dynamics: the problem, checked where it is made.

minimise    cost(x[1] ... x[H], u[0] ... u[H - 1])
subject to  x[t + 1] = network(window of states and controls)       t = 0 ... H - 1
            x[0] given, or in a box; x[t], u[t], u[t] - u[t - 1] in their sets; x[H] in the terminal set
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.normal_form.unrolled import Unrolled
from relu2mip.trajectory.costs import Cost
from relu2mip.trajectory.dynamics import Dynamics, Normalisation
from relu2mip.trajectory.sets import Box, Finite, Linear
from relu2mip.trajectory.size import check_horizon


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A planning problem. All arrays are in physical units; shapes with n states, m controls, horizon H, window k.

    net: the dynamics network.
    horizon: number of steps H, at least 1, and no more than fit into memory.
    initial_state: x[0], (n,), or with a window the last k states, (k, n), oldest first; or a `Box` of x[0].
    predicts: "state" if the network gives x[t + 1], "change" if it gives x[t + 1] - x[t].
    controls: `Box`, or `Finite` lists of values. Required, and finite.
    states: `Box` of x[1] ... x[H], or None.
    cost: a cost of `relu2mip.costs`, or a sum of them; None asks for any feasible plan.
    window: how many past states and controls the network reads.
    inputs: what each network input reads, as a list of "states", "controls" (the window, oldest first), "state[-k]",
        "control[-k]". Default: one input reads states then controls; of two, the first reads states.
    output: the output that predicts, where there are several.
    normalisation: affine coordinates of the network.
    control_rate: `Box` of u[t] - u[t - 1].
    previous_controls: u[-1], (m,), or with a window the last k - 1 or more, (*, m), oldest first.
    constraints: `Linear` constraints.  terminal: `Box` or `Linear` for x[H].
    state_names, control_names: for tables and plots.
    options: defaults for `solve` and `compile` (a problem file's [solve] table).

    Raises `InvalidProblem` for anything that does not fit, naming the key, step and unit.

    >>> import relu2mip as r2m
    >>> from relu2mip.samples import integrator
    >>> problem = r2m.Trajectory(
    ...     integrator(), horizon=3, initial_state=[1.0, 0.0], predicts="change",
    ...     controls=r2m.Box(-1, 1), states=r2m.Box(-2, 2), cost=r2m.costs.L1(state=1.0, control=0.1))
    >>> problem.n, problem.m
    (2, 1)
    """

    net: Graph
    horizon: int
    initial_state: ArrayLike | Box
    controls: Box | Finite
    predicts: str = "state"
    states: Box | None = None
    cost: Cost | None = None
    window: int = 1
    inputs: Mapping[str, Sequence[str]] | None = None
    output: str | None = None
    normalisation: Normalisation | None = None
    control_rate: Box | None = None
    previous_controls: ArrayLike | None = None
    constraints: Sequence[Linear] = ()
    terminal: Box | Linear | None = None
    state_names: Sequence[str] | None = None
    control_names: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.horizon, bool) or not isinstance(self.horizon, int | np.integer) or self.horizon < 1:
            raise InvalidProblem(f"horizon is {self.horizon!r}; give a whole number of steps, at least 1")
        check_horizon(int(self.horizon))
        if self.predicts not in {"state", "change"}:
            raise InvalidProblem(f'predicts is {self.predicts!r}; give "state" or "change"')
        for names, size, what in (
            (self.state_names, self.n, "state"),
            (self.control_names, self.m, "control"),
        ):
            if names is not None and len(names) != size:
                raise InvalidProblem(f"{what}_names has {len(names)} names for {size} {what}s")
        # Everything else is checked by computing it.
        _ = self.initial_limits, self.state_limits, self.control_limits, self.known_controls, self.rate_limits
        if self.cost is not None:
            self.cost.validate(self.n, self.m, self.horizon)
        for constraint in self.all_constraints:
            constraint.matrices(self.n, self.m)
            constraint.chosen_steps(self.horizon)

    @classmethod
    def from_toml(cls, path: str | Path) -> Trajectory:
        """Read a problem file; see docs/problem-file.md. Raises `InvalidProblem` and `UnknownOption`."""
        from relu2mip.trajectory.toml import read

        problem = read(path)
        if not isinstance(problem, cls):
            raise InvalidProblem(f"{path} describes a {type(problem).__name__}, not a trajectory; use its from_toml")
        return problem

    @cached_property
    def dynamics(self) -> Dynamics:
        """One step of the system."""
        return Dynamics.of(self.net, self.predicts, self.window, self.normalisation, self.inputs, self.output)

    @property
    def n(self) -> int:
        """Number of states."""
        return self.dynamics.n

    @property
    def m(self) -> int:
        """Number of controls."""
        return self.dynamics.m

    @cached_property
    def initial_limits(self) -> tuple[Array, Array]:
        """Lower and upper limits of the known window of states, (k, n)."""
        if isinstance(self.initial_state, Box):
            return self.initial_state.limits("initial_state", self.window, self.n, 1 - self.window, finite=True)
        given = np.asarray(self.initial_state, dtype=np.float64)
        if given.shape == (self.n,) and self.window == 1:
            given = given[None, :]
        if given.shape != (self.window, self.n) or not np.isfinite(given).all():
            want = f"({self.n},)" if self.window == 1 else f"({self.window}, {self.n}), oldest first"
            raise InvalidProblem(
                f"initial_state has shape {np.shape(self.initial_state)}; the network {self.net.name} predicts "
                f"{self.n} states: give finite numbers of shape {want}"
            )
        return given, given

    @cached_property
    def state_limits(self) -> tuple[Array, Array]:
        """Limits of x[1] ... x[H], (H, n), a terminal box included; infinite where nothing is given."""
        box = self.states or Box(-np.inf, np.inf)
        lower, upper = box.limits("states", self.horizon, self.n, 1)
        if isinstance(self.terminal, Box):
            low, high = self.terminal.limits("terminal", 1, self.n, self.horizon)
            both = np.maximum(lower[-1:], low), np.minimum(upper[-1:], high)
            Box(*both).limits("terminal and states together", 1, self.n, self.horizon)
            lower[-1:], upper[-1:] = both
        return lower, upper

    @cached_property
    def control_limits(self) -> tuple[Array, Array]:
        """Limits of u[0] ... u[H - 1], (H, m): the box, or the hull of the finite values."""
        if isinstance(self.controls, Finite):
            lists = self.controls.lists("controls", self.m)
            ends = np.array([[v[0] for v in lists], [v[-1] for v in lists]])
            return np.tile(ends[0], (self.horizon, 1)), np.tile(ends[1], (self.horizon, 1))
        if not isinstance(self.controls, Box):
            raise InvalidProblem(f"controls is {self.controls!r}; give a Box or Finite values")
        return self.controls.limits("controls", self.horizon, self.m, 0, finite=True)

    @cached_property
    def rate_limits(self) -> tuple[Array, Array] | None:
        """Limits of u[t] - u[t - 1] for t = 0 ... H - 1, (H, m)."""
        if self.control_rate is None:
            return None
        return self.control_rate.limits("control_rate", self.horizon, self.m, 0)

    @cached_property
    def known_controls(self) -> Array:
        """The controls before step 0, (*, m), oldest first: at least window - 1 of them."""
        needed = self.window - 1
        given = np.zeros((0, self.m)) if self.previous_controls is None else np.asarray(self.previous_controls, float)
        given = given[None, :] if given.shape == (self.m,) else given
        if given.ndim != 2 or given.shape[1] != self.m or given.shape[0] < needed or not np.isfinite(given).all():
            raise InvalidProblem(
                f"previous_controls has shape {given.shape}; a window of {self.window} needs "
                f"{needed} finite past controls of size {self.m}, oldest first"
            )
        return given

    @property
    def previous_control(self) -> Array | None:
        """u[-1] where it is known."""
        return self.known_controls[-1] if self.known_controls.size else None

    @property
    def all_constraints(self) -> tuple[Linear, ...]:
        """The linear constraints, a linear terminal set included."""
        if not isinstance(self.terminal, Linear):
            return tuple(self.constraints)
        end = self.terminal
        if end.control is not None:
            raise InvalidProblem("terminal: give a Linear constraint of the state alone")
        return (*self.constraints, Linear(end.state, None, end.lower, end.upper, [self.horizon], "terminal"))

    @cached_property
    def unrolled(self) -> Unrolled:
        """The network over the horizon, with the boxes of the sets."""
        from relu2mip.trajectory.unroll import unroll

        return unroll(self)

    def rollout(
        self,
        controls: ArrayLike,
        initial_state: ArrayLike | None = None,
        run: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None = None,
    ) -> Array:
        """States (H + 1, n) that follow from controls (H, m); batches (B, H, m) give (B, H + 1, n).

        `initial_state` is needed where the problem gives a box. Float64, or whatever `run` computes in.
        """
        u = np.asarray(controls, dtype=np.float64)
        single = u.ndim == 2
        u = u[None] if single else u
        if u.ndim != 3 or u.shape[2] != self.m:
            raise InvalidProblem(
                f"controls have shape {np.shape(controls)}; give (steps, {self.m}) or a batch of those"
            )
        if initial_state is None:
            if isinstance(self.initial_state, Box):
                raise InvalidProblem("this problem gives a box of initial states; pass initial_state to rollout")
            initial_state = self.initial_limits[0]
        x = np.asarray(initial_state, dtype=np.float64)
        x = np.broadcast_to(x.reshape((-1, self.window, self.n)), (u.shape[0], self.window, self.n))
        past = self.known_controls[self.known_controls.shape[0] - (self.window - 1) :]
        states = self.dynamics.rollout(x, np.broadcast_to(past, (u.shape[0], *past.shape)), u, run)
        return states[0] if single else states

    def evaluate_cost(self, states: ArrayLike, controls: ArrayLike) -> Any:
        """The cost of states (H + 1, n) and controls (H, m), a float; of batches of them, an array (B,)."""
        x, u = np.asarray(states, dtype=np.float64), np.asarray(controls, dtype=np.float64)
        single = u.ndim == 2
        if single:
            x, u = x[None], u[None]
        total = np.zeros(u.shape[0]) if self.cost is None else self.cost.evaluate(x, u, self.previous_control)
        return float(total[0]) if single else total
