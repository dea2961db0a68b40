"""The statement of a trajectory problem, checked where it is made: networks, sets, costs, and the limits of all."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import (
    accept,
    instance,
    mapping,
    names,
    numbers,
    one_of,
    optional,
    positive,
    refuse,
    several,
    text,
    whole,
)
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.ir.heading import Heading, rotation
from relu2mip.options import solve_options
from relu2mip.trajectory.choices import Alternatives, AnyOf, Outside
from relu2mip.trajectory.costs import Cost, Soft, cost
from relu2mip.trajectory.dynamics import Dynamics, Normalisation, batch_hint, layout
from relu2mip.trajectory.file_says import FROM_FILE, agreed, beyond, file_says, heading
from relu2mip.trajectory.known import known_signals, unread
from relu2mip.trajectory.network import network
from relu2mip.trajectory.sets import Box, Finite, Linear, box, control_sets, point_or_box, terminal_set
from relu2mip.trajectory.size import check_horizon

log = logging.getLogger(__name__)

KINDS = Linear, AnyOf, Outside, Soft
"""The kinds of constraints."""


@dataclass(frozen=True, eq=False)
class Statement:
    """The fields of a `Trajectory`, which documents them, and what follows from them without its unrolled network."""

    net: Graph
    horizon: int
    initial_state: ArrayLike | Box
    controls: Box | Finite | Sequence[Box | Finite]
    predicts: str = FROM_FILE
    states: Box | None = None
    cost: Cost | None = None
    window: int = FROM_FILE
    inputs: Mapping[str, Sequence[str]] | None = None
    output: str | None = None
    normalisation: Normalisation | None = None
    control_rate: Box | None = None
    previous_controls: ArrayLike | None = None
    constraints: Sequence[Linear | AnyOf | Outside | Soft] = ()
    terminal: Box | Linear | Sequence[Box | Linear] | ArrayLike | None = None
    state_names: Sequence[str] | None = None
    control_names: Sequence[str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    delay: int = 0
    known: Mapping[str, ArrayLike] = field(default_factory=dict)
    period: float | None = FROM_FILE
    heading: Heading | Sequence[str] | None = FROM_FILE

    def __post_init__(self) -> None:
        accept(self, net=network, horizon=whole(1))
        check_horizon(self.horizon)
        said = file_says(self.net)
        if isinstance(self.states, Soft):
            object.__setattr__(
                self, "constraints", (*several(_constraint, KINDS)(self.constraints, "constraints"), self.states)
            )
            object.__setattr__(self, "states", None)
        accept(
            self,
            initial_state=point_or_box,
            controls=control_sets,
            predicts=optional(one_of("state", "change")),
            states=optional(box),
            cost=optional(cost),
            window=optional(whole(1)),
            inputs=optional(layout),
            output=optional(text),
            normalisation=optional(instance(Normalisation, "a Normalisation")),
            control_rate=optional(box),
            previous_controls=optional(numbers),
            constraints=several(_constraint, (Linear, AnyOf, Outside, Soft)),
            state_names=optional(names),
            control_names=optional(names),
            options=solve_options,
            delay=whole(0),
            known=mapping,
            period=optional(positive),
            heading=optional(heading),
        )
        if soft := [part for part in self.constraints if isinstance(part, Soft)]:
            # A set that may be left at a price is part of the cost.
            hard = tuple(part for part in self.constraints if not isinstance(part, Soft))
            object.__setattr__(self, "constraints", hard)
            object.__setattr__(self, "cost", reduce(add, [*([self.cost] if self.cost is not None else []), *soft]))
        object.__setattr__(self, "predicts", agreed(self.predicts, said, "predicts", "state", self.net))
        object.__setattr__(self, "window", agreed(self.window, said, "window", 1, self.net))
        object.__setattr__(self, "period", agreed(self.period, said, "period", None, self.net))
        object.__setattr__(self, "heading", agreed(self.heading, said, "heading", None, self.net))
        object.__setattr__(self, "known", known_signals(self.net, self.known, self.horizon))
        for what, size in (("state_names", self.n), ("control_names", self.m)):
            given = getattr(self, what)
            if given is None and len(said.get(what, ())) == size:
                object.__setattr__(self, what, said[what])
            elif given is not None and len(given) != size:
                kind = what.partition("_")[0]
                raise InvalidProblem(f"{what} has {len(given)} names for {size} {kind}s")
        accept(self, terminal=lambda value, where: terminal_set(value, where, self.n))
        # Everything else is checked by computing it.
        _ = self.dynamics
        _ = self.initial_limits, self.state_limits, self.control_limits, self.known_controls, self.rate_limits
        if self.cost is not None:
            self.cost.validate(self.n, self.m, self.horizon)
        for constraint in self.all_constraints:
            constraint.matrices(self.n, self.m)
            constraint.chosen_steps(self.horizon)
        _ = self.alternatives
        for what, field_, values in (
            ("state", "initial_state", self.initial_limits),
            ("control", "controls", self.control_limits),
        ):
            seen = np.concatenate(values)
            if self.heading is not None:
                if what == "control":
                    continue  # the corners of a box are beyond it where it is turned
                seen = seen @ self.dynamics.turn[what].T
            if far := beyond(said, f"{what}_range", seen):
                log.warning("%s: %s; there it extrapolates", field_, far)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what follows from them is worked out again where a pickle of it is read."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @cached_property
    def dynamics(self) -> Dynamics:
        """One step of the system, turned by the heading."""
        if self.heading is None:
            return self._unturned
        assert isinstance(self.heading, Heading)
        states, controls = self.state_names, self.control_names
        if states is None or controls is None:
            missing = "state_names" if states is None else "control_names"
            raise InvalidProblem(f"heading: its points are names, and nothing is named; give {missing}")
        low, high = self.initial_limits
        if not np.array_equal(self.heading.points(low[-1:], states), self.heading.points(high[-1:], states)):
            raise InvalidProblem(
                f"heading: initial_state is a box in which {self.heading.start} and {self.heading.end} are not at one "
                "place each, so their direction is not known; give one initial state"
            )
        (angle,) = self.heading.angles(low[-1:], states)
        return replace(self._unturned, turn={"state": rotation(states, angle), "control": rotation(controls, angle)})

    @cached_property
    def _unturned(self) -> Dynamics:
        sizes = {name: np.shape(signal)[1] for name, signal in self.known.items()}
        how = self.net, self.predicts, self.window, self.normalisation, self.inputs, self.output, self.delay
        try:
            return Dynamics.of(*how, sizes)
        except InvalidProblem:
            if not (spare := unread(self.net)):
                raise
            # An input that nothing reads may have come along with the export.
            return Dynamics.of(*how, spare | sizes)

    @cached_property
    def signals(self) -> Mapping[str, Array]:
        """The known signals, (H, k) each, zeros for inputs that came along and nothing reads."""
        signals = {name: np.zeros((self.horizon, size)) for name, size in self._unturned.known.items()}
        return signals | {name: np.asarray(signal) for name, signal in self.known.items()}

    @property
    def n(self) -> int:
        """Number of states."""
        return self._unturned.n

    @property
    def m(self) -> int:
        """Number of controls."""
        return self._unturned.m

    @cached_property
    def initial_limits(self) -> tuple[Array, Array]:
        """Lower and upper limits of the known window of states, (k, n)."""
        if isinstance(self.initial_state, Box):
            return self.initial_state.limits("initial_state", self.window, self.n, 1 - self.window, finite=True)
        given = np.asarray(self.initial_state)
        if self.window == 1 and given.shape in {(self.n,), ()} and given.size == self.n:
            given = given.reshape(1, self.n)
        if given.shape != (self.window, self.n):
            want = f"({self.n},)" if self.window == 1 else f"({self.window}, {self.n}), oldest first"
            raise InvalidProblem(
                f"initial_state has shape {np.shape(self.initial_state)}; the network {self.net.name} predicts "
                f"{self.n} states: give finite numbers of shape {want}{batch_hint(self.net)}"
            )
        if not np.isfinite(given).all():
            step, unit = (int(k) for k in np.argwhere(~np.isfinite(given))[0])
            raise InvalidProblem(f"initial_state has {given[step, unit]:g} at entry {unit}; give finite numbers")
        return given, given

    @cached_property
    def state_limits(self) -> tuple[Array, Array]:
        """Limits of x[1] ... x[H], (H, n), a terminal box included; infinite where nothing is given."""
        box = self.states or Box(-np.inf, np.inf)
        lower, upper = box.limits("states", self.horizon, self.n, 1)
        for end in self._terminal_sets:
            if isinstance(end, Box):
                low, high = end.limits("terminal", 1, self.n, self.horizon)
                both = np.maximum(lower[-1:], low), np.minimum(upper[-1:], high)
                Box(*both).limits("terminal and states together", 1, self.n, self.horizon)
                lower[-1:], upper[-1:] = both
        return lower, upper

    @cached_property
    def control_limits(self) -> tuple[Array, Array]:
        """Limits of u[0] ... u[H - 1], (H, m): of a box, and the hull of finite values."""
        if isinstance(self.controls, Box):
            return self.controls.limits("controls", self.horizon, self.m, 0, finite=True)
        columns = []
        for k, values in enumerate(self.control_values):
            part: Any = Box(values[0], values[-1]) if values is not None else self.controls[k]  # type: ignore[index]
            low, high = part.limits(f"controls[{k}]", self.horizon, 1, 0, finite=True)
            columns.append((low[:, 0], high[:, 0]))
        lower, upper = (np.stack(side, axis=1) for side in zip(*columns, strict=True))
        return lower, upper

    @cached_property
    def control_values(self) -> tuple[Array | None, ...]:
        """For each control, the sorted values that it may take; None for those of a box."""
        if isinstance(self.controls, Box):
            return (None,) * self.m
        if isinstance(self.controls, Finite):
            return tuple(self.controls.lists("controls", self.m))
        if len(self.controls) != self.m:
            raise InvalidProblem(f"controls has {len(self.controls)} sets for {self.m} controls; give one for each")
        return tuple(
            part.lists(f"controls[{k}]", 1)[0] if isinstance(part, Finite) else None
            for k, part in enumerate(self.controls)
        )

    @property
    def discrete(self) -> bool:
        """Whether any control takes values of a list."""
        return any(values is not None for values in self.control_values)

    @cached_property
    def rate_limits(self) -> tuple[Array, Array] | None:
        """Limits of u[t] - u[t - 1] for t = 0 ... H - 1, (H, m)."""
        if self.control_rate is None:
            return None
        return self.control_rate.limits("control_rate", self.horizon, self.m, 0)

    @cached_property
    def known_controls(self) -> Array:
        """The controls before step 0, (*, m), oldest first: at least window - 1 + delay of them."""
        needed = self.window - 1 + self.delay
        given = np.zeros((0, self.m)) if self.previous_controls is None else np.asarray(self.previous_controls)
        given = given.reshape(1, self.m) if given.shape in {(self.m,), ()} and given.size == self.m else given
        if given.ndim != 2 or given.shape[1] != self.m or given.shape[0] < needed or not np.isfinite(given).all():
            raise InvalidProblem(
                f"previous_controls has shape {given.shape}; a window of {self.window}"
                f"{f' and a delay of {self.delay}' if self.delay else ''} needs "
                f"{needed} finite past controls of size {self.m}, oldest first"
            )
        return given

    @property
    def previous_control(self) -> Array | None:
        """u[-1] where it is known."""
        return self.known_controls[-1] if self.known_controls.size else None

    @property
    def all_constraints(self) -> tuple[Linear, ...]:
        """The linear constraints, linear terminal sets included."""
        ends = [end for end in self._terminal_sets if isinstance(end, Linear)]
        for end in ends:
            if end.control is not None or end.steps is not None:
                raise InvalidProblem("terminal: give a Linear constraint of the state alone, which holds at step H")
        last = [Linear(end.state, None, end.lower, end.upper, [self.horizon], "terminal") for end in ends]
        if len(last) > 1:
            last = [replace(end, name=f"terminal{k}") for k, end in enumerate(last, 1)]
        return (*(part for part in self.constraints if isinstance(part, Linear)), *last)

    @cached_property
    def alternatives(self) -> tuple[Alternatives, ...]:
        """The sets that are not convex, worked out."""
        chosen = [part for part in self.constraints if isinstance(part, AnyOf | Outside)]
        return tuple(made for part in chosen for made in part.alternatives(self.n, self.horizon))

    @property
    def _terminal_sets(self) -> tuple[Box | Linear, ...]:
        if self.terminal is None:
            return ()
        return self.terminal if isinstance(self.terminal, tuple) else (self.terminal,)

    def evaluate_cost(self, states: ArrayLike, controls: ArrayLike) -> Any:
        """The cost of states (H + 1, n) and controls (H, m), a float; of batches of them, an array (B,)."""
        x, u = numbers(states, "states"), numbers(controls, "controls")
        single = u.ndim == 2
        if single:
            x, u = x[None], u[None]
        if u.ndim != 3 or u.shape[2] != self.m:
            raise InvalidProblem(
                f"controls have shape {np.shape(controls)}; give (steps, {self.m}) or a batch of those"
            )
        if x.shape != (len(u), u.shape[1] + 1, self.n):
            raise InvalidProblem(
                f"states have shape {np.shape(states)}, beside controls of shape {np.shape(controls)}; "
                f"give ({u.shape[1] + 1}, {self.n}), or as many of those"
            )
        total = np.zeros(u.shape[0]) if self.cost is None else self.cost.evaluate(x, u, self.previous_control)
        return float(total[0]) if single else total


def _constraint(value: Any, where: str) -> Linear | AnyOf | Outside | Soft:
    if isinstance(value, KINDS):
        return value
    return refuse(value, where, "Linear constraints, or AnyOf, Outside or Soft")
