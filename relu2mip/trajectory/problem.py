"""Trajectory optimisation over learned dynamics.

minimise    cost(x[1] ... x[H], u[0] ... u[H - 1])
subject to  x[t + 1] = network(window of states and controls)       t = 0 ... H - 1
            x[0] given, or in a box; x[t], u[t], u[t] - u[t - 1] in their sets; x[H] in the terminal set
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.trajectory.costs import Cost
from relu2mip.trajectory.covered import require_free
from relu2mip.trajectory.scenarios import scenarios
from relu2mip.trajectory.sets import Box, Finite, Linear
from relu2mip.trajectory.statement import Statement
from relu2mip.trajectory.toml import contents, in_file
from relu2mip.trajectory.unroll import unroll, unrolled_as
from relu2mip.unrolled.unrolled import Unrolled


@dataclass(frozen=True, eq=False)
class Trajectory(Statement):
    """A planning problem. All arrays are in physical units; shapes with n states, m controls, horizon H, window k.

    net: the dynamics network, or the path of its ONNX file.
    horizon: number of steps H, at least 1, and no more than fit into memory.
    initial_state: x[0], (n,), or with a window the last k states, (k, n), oldest first; or a `Box` of x[0].
    controls: `Box`, `Finite` lists of values, or a list with one of these for each control. Required, and finite.
    predicts: "state" if the network gives x[t + 1], "change" if it gives x[t + 1] - x[t]. Default: what the network's
        file says (`relu2mip.predicts` in its metadata), else "state".
    states: `Box` of x[1] ... x[H], or None.
    cost: a cost of `relu2mip.costs`, or several, which are added; None asks for any feasible plan.
    window: how many past states and controls the network reads. Default: what its file says, else 1.
    inputs: what each network input reads, as a list of "states", "controls" (the window, oldest first), "state[-k]",
        "control[-k]", and names of `known` signals. Default: an input named in `known` reads that; of the others, one
        reads states then controls; of two, the first reads states. Inputs that nothing reads need no entry.
    output: the output that predicts, where there are several.
    normalisation: affine coordinates of the network.
    control_rate: `Box` of u[t] - u[t - 1].
    previous_controls: u[-1], (m,), or the last k - 1 + delay or more, (*, m), oldest first.
    constraints: `Linear` constraints.
    terminal: for x[H], a `Box`, a point (n,), a `Linear` constraint, or a list of those.
    state_names, control_names: for tables and plots. Default: what the network's file says.
    options: defaults for `solve` and `compile` (a problem file's [solve] table).
    delay: steps until a control takes effect: x[t + 1] follows from x[t] and u[t - delay].
    known: signals that are known beforehand (forecasts, parameters), by name: (H, k), (H,), or a number for all steps.
    period: seconds of a step, for pictures. Default: what the network's file says, else unknown.
    heading: a `Heading`, or the names of its two points, of a network that knows one direction only: what it reads is
        turned so that the direction at the initial state lies along x. Default: what its file says, else None.

    A `Box` may be given as a pair (lower, upper). What is given in another form is replaced by these when the problem
    is made.

    Raises `InvalidProblem` for anything that does not fit, naming the key, step and unit.

    >>> import relu2mip as r2m
    >>> from relu2mip.ir.samples import integrator
    >>> problem = r2m.Trajectory(
    ...     integrator(), horizon=3, initial_state=[1.0, 0.0], predicts="change",
    ...     controls=r2m.Box(-1, 1), states=r2m.Box(-2, 2), cost=r2m.costs.L1(state=1.0, control=0.1))
    >>> problem.n, problem.m
    (2, 1)
    """

    @classmethod
    def from_toml(cls, path: str | Path) -> Trajectory:
        """Read a problem file; see docs/problem-file.md. Raises `InvalidProblem` and `UnknownOption`."""
        with in_file(path):
            return cls.described(contents(path, "Trajectory"))

    @classmethod
    def described(cls, given: dict[str, Any]) -> Trajectory:
        """The problem of fields by name; `scenarios`, if any, are the arguments of `relu2mip.scenarios` besides it."""
        shared = given.pop("scenarios", None)
        made = cls(**given)
        made = made if shared is None else scenarios(made, **shared)
        require_free(made)
        return made

    @cached_property
    def unrolled(self) -> Unrolled:
        """The network over the horizon, with the boxes of the sets."""
        return unroll(self)

    def changed(
        self,
        *,
        initial_state: ArrayLike | Box | None = None,
        previous_controls: ArrayLike | None = None,
        reference: ArrayLike | None = None,
        states: Box | None = None,
        controls: Box | Finite | Sequence[Box | Finite] | None = None,
        terminal: Box | Linear | Sequence[Box | Linear] | ArrayLike | None = None,
        cost: Cost | None = None,
        known: Mapping[str, ArrayLike] | None = None,
    ) -> Trajectory:
        """The same problem with other values of what is given, as a receding horizon needs it at every step.

        reference: the cost's target, (n,) or (H, n), or of its keypoints; of a sum, of the part that weighs states.
        The unrolled network is shared where it stays what it is. Raises `InvalidProblem` as when a problem is made.

        >>> import relu2mip as r2m
        >>> from relu2mip.ir.samples import integrator
        >>> problem = r2m.Trajectory(
        ...     integrator(), horizon=3, initial_state=r2m.Box(-1, 1), predicts="change",
        ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(state=1.0))
        >>> problem.changed(initial_state=[0.5, 0.0], reference=[1.0, 0.0]).cost.target
        array([1., 0.])
        """
        if reference is not None:
            if cost is not None:
                raise InvalidProblem("reference: it is the target of the problem's cost; give it or a new cost")
            if self.cost is None:
                raise InvalidProblem("reference: the problem has no cost whose target it would be; give it one")
            cost = self.cost.aimed(reference)
        given: dict[str, Any] = {
            "initial_state": initial_state,
            "previous_controls": previous_controls,
            "states": states,
            "controls": controls,
            "terminal": terminal,
            "cost": cost,
            "known": known,
        }
        made = replace(self, **{name: value for name, value in given.items() if value is not None})
        now, before = (list(of.cost.networks()) if of.cost else [] for of in (made, self))
        same = self.heading is None or np.array_equal(made.dynamics.turn["state"], self.dynamics.turn["state"])
        if known is None and now == before and same:
            made.__dict__["unrolled"] = unrolled_as(made, self.unrolled)
        return made

    def rollout(
        self,
        controls: ArrayLike,
        initial_state: ArrayLike | None = None,
        run: Callable[[Mapping[str, Array]], Mapping[str, Array]] | None = None,
    ) -> Array:
        """States (H + 1, n) that follow from controls (H, m); batches (B, H, m) give (B, H + 1, n).

        `initial_state` is needed where the problem gives a box. Float64, or whatever `run` computes in.
        """
        u = numbers(controls, "controls")
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
        if self.known and u.shape[1] > self.horizon:
            raise InvalidProblem(f"controls have {u.shape[1]} steps; the known signals end after {self.horizon}")
        x = numbers(initial_state, "initial_state")
        try:
            x = np.broadcast_to(x.reshape((-1, self.window, self.n)), (u.shape[0], self.window, self.n))
        except ValueError:
            raise InvalidProblem(
                f"initial_state has shape {x.shape}; give ({self.window}, {self.n}), or one for each of {u.shape[0]}"
            ) from None
        past = self.known_controls[len(self.known_controls) - (self.window - 1 + self.delay) :]
        states = self.dynamics.rollout(x, np.broadcast_to(past, (u.shape[0], *past.shape)), u, self.signals, run)
        return states[0] if single else states
