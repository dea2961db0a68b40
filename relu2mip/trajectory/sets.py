"""Sets of states and controls: boxes, finite lists of values, linear inequalities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import accept, numbers, optional, refuse, several, text, whole
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem

SIDES = "lower", "upper"


@dataclass(frozen=True, eq=False)
class Box:
    """lower <= x <= upper, componentwise; scalars broadcast, and an array (H, size) gives each step its own box.

    >>> Box(-1, 1).limits("controls", 3, 2)[0].shape
    (3, 2)
    """

    lower: ArrayLike
    upper: ArrayLike

    def __post_init__(self) -> None:
        accept(self, lower=numbers, upper=numbers)

    def limits(self, what: str, steps: int, size: int, first: int = 0, finite: bool = False) -> tuple[Array, Array]:
        """Lower and upper limits as (steps, size) arrays; `what` and the number of the `first` step are for errors.

        Raises `InvalidProblem` for limits of another shape, NaN, an empty box, or an infinite one where `finite`.
        """
        sides = []
        for side, values in zip(SIDES, (self.lower, self.upper), strict=True):
            array = np.asarray(values)
            if array.ndim > 2 or array.shape not in {(), (1,), (size,), (steps, size), (steps, 1)}:
                raise InvalidProblem(
                    f"{what}: {side} has shape {array.shape}; give a number, {size} of them, "
                    f"or an array ({steps}, {size})"
                )
            sides.append(np.array(np.broadcast_to(array, (steps, size))))
        lower, upper = sides
        for bad, why in (
            (np.isnan(lower) | np.isnan(upper), "is NaN"),
            (lower > upper, "is empty (lower above upper)"),
            ((lower == np.inf) | (upper == -np.inf), "is empty (an infinite limit on the wrong side)"),
            (finite & ~(np.isfinite(lower) & np.isfinite(upper)), "is infinite; give finite limits"),
        ):
            if bad.any():
                step, unit = (int(k) for k in np.argwhere(bad)[0])
                raise InvalidProblem(
                    f"{what}: the box [{lower[step, unit]:g}, {upper[step, unit]:g}] of unit {unit} "
                    f"at step {step + first} {why}"
                )
        return lower, upper


@dataclass(frozen=True, eq=False)
class Finite:
    """A finite list of values per control: `Finite([[-1, 1], [0, 1, 2]])`; one list, `Finite([-1, 1])`, serves all."""

    values: Sequence[float] | Sequence[Sequence[float]]

    def __post_init__(self) -> None:
        accept(self, values=_lists)

    def lists(self, what: str, size: int) -> list[Array]:
        """One sorted array of distinct finite values per control."""
        lists = [np.unique(np.asarray(v)) for v in self.values]
        if len(lists) == 1:
            lists = lists * size
        if len(lists) != size or any(v.size == 0 or not np.isfinite(v).all() for v in lists):
            raise InvalidProblem(
                f"{what}: give one list of finite values for each of the {size} controls, or one for all"
            )
        return lists


@dataclass(frozen=True, eq=False)
class Linear:
    """lower <= state @ x[t] + control @ u[t] <= upper at the given steps.

    state: (r, n) matrix; control: (r, m) matrix; either may be left out. Without `control` the rows hold for
    x[1] ... x[H], with it for the pairs (x[t], u[t]), t = 0 ... H - 1. `steps` picks some of those steps.
    """

    state: ArrayLike | None = None
    control: ArrayLike | None = None
    lower: ArrayLike = -np.inf
    upper: ArrayLike = np.inf
    steps: Sequence[int] | None = None
    name: str = "linear"

    def __post_init__(self) -> None:
        accept(self, name=text)
        try:
            accept(
                self,
                state=optional(numbers),
                control=optional(numbers),
                lower=numbers,
                upper=numbers,
                steps=optional(several(whole(0), (int, np.integer))),
            )
        except InvalidProblem as error:
            raise InvalidProblem(f"constraint {self.name!r}: {error}") from None

    def matrices(self, n: int, m: int) -> tuple[Array, Array, Array, Array]:
        """Checked (state (r, n), control (r, m), lower (r,), upper (r,))."""
        if self.state is None and self.control is None:
            raise InvalidProblem(f"constraint {self.name!r} has neither a state nor a control matrix")
        given = [np.atleast_2d(np.asarray(a, dtype=np.float64)) for a in (self.state, self.control) if a is not None]
        r = given[0].shape[0]
        state = np.zeros((r, n)) if self.state is None else given[0]
        control = np.zeros((r, m)) if self.control is None else given[-1]
        if state.shape != (r, n) or control.shape != (r, m) or not all(np.isfinite(a).all() for a in given):
            raise InvalidProblem(
                f"constraint {self.name!r}: state is {state.shape} and control {control.shape}; "
                f"give finite matrices (r, {n}) and (r, {m})"
            )
        try:
            lower, upper = (
                np.broadcast_to(np.asarray(a, dtype=np.float64), r).copy() for a in (self.lower, self.upper)
            )
        except ValueError:
            raise InvalidProblem(
                f"constraint {self.name!r}: lower and upper need {r} entries, as many as rows"
            ) from None
        if np.isnan(lower).any() or np.isnan(upper).any() or (lower > upper).any():
            raise InvalidProblem(f"constraint {self.name!r}: lower is above upper, or NaN")
        if (lower == np.inf).any() or (upper == -np.inf).any():
            raise InvalidProblem(f"constraint {self.name!r}: nothing is above lower = inf, or below upper = -inf")
        return state, control, lower, upper

    def chosen_steps(self, horizon: int) -> list[int]:
        """The steps it holds at, in order."""
        valid = range(1, horizon + 1) if self.control is None else range(horizon)
        chosen = list(valid) if self.steps is None else sorted(set(self.steps))
        if bad := [t for t in chosen if t not in valid]:
            raise InvalidProblem(
                f"constraint {self.name!r}: step {bad[0]} is outside {valid.start} ... {valid.stop - 1}"
            )
        return chosen


def box(value: Any, where: str) -> Box:
    """A `Box`, or a pair (lower, upper)."""
    if isinstance(value, Box):
        return value
    if (isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim)) and len(value) == 2:
        return Box(*(numbers(side, f"the {name} limit of {where}") for side, name in zip(value, SIDES, strict=True)))
    return refuse(value, where, "a Box(lower, upper), or a pair (lower, upper)")


def point_or_box(value: Any, where: str) -> Array | Box:
    """A `Box`, or the numbers of a point."""
    return value if isinstance(value, Box) else numbers(value, where, "numbers, or a Box")


def control_sets(value: Any, where: str) -> Box | Finite | tuple[Box | Finite, ...]:
    """A `Box`, a pair for one, `Finite` values, or a list with one of these for each control."""
    if isinstance(value, Box | Finite):
        return value
    if isinstance(value, tuple | list) and any(isinstance(part, Box | Finite) for part in value):
        return tuple(
            part if isinstance(part, Box | Finite) else box(part, f"{where}[{k}]") for k, part in enumerate(value)
        )
    try:
        return box(value, where)
    except InvalidProblem:
        refuse(
            value, where, "a Box, a pair (lower, upper), Finite values, or a list with one of these for each control"
        )


def terminal_set(value: Any, where: str, size: int) -> Box | Linear | tuple[Box | Linear, ...] | None:
    """A `Box` or `Linear`, several, a point, or a pair (lower, upper) of points; None where there is none."""
    if value is None or isinstance(value, Box | Linear):
        return value
    if isinstance(value, tuple | list) and any(isinstance(part, Box | Linear) for part in value):
        parts = several(lambda part, at: terminal_set(part, at, size), Linear)(value, where)
        return tuple(part for part in parts if part is not None)
    point = numbers(value, where, "a Box, a Linear constraint, a list of those, or a point")
    if point.shape in {(), (size,), (1, size)} and np.isfinite(point).all():
        return Box(point.reshape(-1) if point.ndim else point, point.reshape(-1) if point.ndim else point)
    if point.shape == (2, size) or (size == 1 and point.shape == (2,)):
        return box(point, where)
    return refuse(value, where, f"a point of {size} finite numbers, a Box, or a Linear constraint")


def _lists(value: Any, where: str) -> tuple[Array, ...]:
    """Lists of values; numbers alone are one list."""
    wanted = "lists of values, one for each control, or one list for all of them"
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        refuse(value, where, wanted)
    if (isinstance(value, np.ndarray) and not value.ndim) or not len(value):
        refuse(value, where, wanted)
    if all(not isinstance(entry, Sequence) and np.ndim(entry) == 0 for entry in value):
        return (numbers(value, where, wanted),)
    return tuple(numbers(entry, f"{where}[{k}]", "a list of values").reshape(-1) for k, entry in enumerate(value))
