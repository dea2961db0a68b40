"""Training data: transitions of a system, or samples of a function, checked when they are made.

Both are frozen and hold float32 arrays; `load_data` reads them from files. Rows of one rollout stand together and in
order. Without `rollout` every transition is one of its own, so that windows and simulations of several steps are not
possible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relu2mip.errors import InvalidData, InvalidOption
from relu2mip.frontends.sparsify.expressions import named
from relu2mip.ir.heading import Heading, turned

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Transitions:
    """Transitions of a controlled system.

    state (N, n), control (N, m), next_state (N, n), rollout (N,): number of the rollout of each row.
    state_names, control_names: one for each column; made up where not given.  moved (N,): whether anything that matters
    moves in a row, such as an object that may or may not be touched; None where there is nothing to tell apart. Errors
    are then reported for rows with motion and rows at rest.  heading: that the rows were turned by; see `facing`.

    Raises `InvalidData` where shapes do not fit, an entry is not finite, a column does not vary, a rollout's next
    state is not the state of its next row, or no row moves.
    """

    state: Floats
    control: Floats
    next_state: Floats
    rollout: NDArray[np.int64]
    state_names: tuple[str, ...] = ()
    control_names: tuple[str, ...] = ()
    moved: NDArray[np.bool_] | None = None
    heading: Heading | None = None

    @classmethod
    def of(
        cls,
        state: ArrayLike,
        control: ArrayLike,
        next_state: ArrayLike,
        rollout: ArrayLike | None = None,
        state_names: Sequence[str] = (),
        control_names: Sequence[str] = (),
        moved: ArrayLike | None = None,
    ) -> Transitions:
        """Transitions from arrays; vectors are columns."""
        states, controls = _matrix("state", state), _matrix("control", control)
        names = _names("state", state_names, states), _names("control", control_names, controls)
        following = _matrix("next_state", next_state)
        rows = len(states)
        if following.shape != states.shape or len(controls) != rows:
            shapes = f"state {states.shape}, control {controls.shape}, next_state {following.shape}"
            raise InvalidData(f"shapes do not fit: {shapes}; give (N, n), (N, m) and (N, n)")
        _check_variation(states, names[0])
        _check_variation(controls, names[1])
        numbers = np.arange(rows) if rollout is None else _whole_numbers("rollout", rollout, rows)
        if len(np.unique(numbers)) != 1 + np.count_nonzero(np.diff(numbers)):
            raise InvalidData("the rows of a rollout are not all together; sort the rows by rollout")
        inside = np.flatnonzero(numbers[1:] == numbers[:-1])
        spread = states.std(axis=0)
        broken = np.abs(following[inside] - states[inside + 1]) > 1e-3 * spread + 1e-5 * np.abs(states[inside + 1])
        if broken.any():
            row, column = (int(k[0]) for k in np.nonzero(broken))
            at = inside[row]
            raise InvalidData(
                f"next_state of row {at} is not the state of row {at + 1} ({names[0][column]}), "
                f"though both are of rollout {numbers[at]}; start a new rollout where the system was reset"
            )
        return cls(states, controls, following, numbers, *names, None if moved is None else _motion(moved, rows))

    @classmethod
    def of_trajectories(
        cls,
        state: ArrayLike,
        control: ArrayLike,
        length: ArrayLike | None = None,
        state_names: Sequence[str] = (),
        control_names: Sequence[str] = (),
        moved: ArrayLike | None = None,
    ) -> Transitions:
        """Transitions from R trajectories, of each the first `length`.

        state (R, T + 1, n), control (R, T, m), moved (R, T).
        """
        states, controls = np.asarray(state), np.asarray(control)
        if states.ndim != 3 or controls.ndim != 3 or states.shape[:2] != (len(controls), controls.shape[1] + 1):
            raise InvalidData(
                f"trajectories: state has shape {states.shape} and control {controls.shape}; "
                "give (R, T + 1, n) and (R, T, m)"
            )
        count, steps = controls.shape[:2]
        lengths = np.full(count, steps) if length is None else _whole_numbers("length", length, count)
        if (lengths < 1).any() or (lengths > steps).any():
            raise InvalidData(f"length has entries outside 1 ... {steps}, the number of controls given")
        valid = np.arange(steps) < lengths[:, None]
        rollout = np.broadcast_to(np.arange(count)[:, None], valid.shape)
        rows = states[:, :-1][valid], controls[valid], states[:, 1:][valid], rollout[valid]
        if moved is not None:
            moved = np.asarray(moved)
            if moved.shape != valid.shape:
                raise InvalidData(f"moved has shape {moved.shape}; give (R, T), one entry for each control")
            moved = moved[valid]
        return cls.of(*rows, state_names, control_names, moved)

    def with_motion(self, states: Sequence[str], tolerance: float) -> Transitions:
        """The same, a row being one with motion where one of the named states changes by more than a tolerance.

        states: names, or points: "key_0" stands for key_0_x and key_0_y.  tolerance: in the units of the states.

        Raises `InvalidData` where no row moves, `UnknownOption` for another name, `InvalidOption` for a tolerance that
        is negative, or no names.

            >>> data = Transitions.of([0.0, 1.0, 1.0], [1.0, 0.5, 2.0], [1.0, 1.0, 3.0], state_names=["x"])
            >>> data.with_motion(["x"], tolerance=0.1).moved
            array([ True, False,  True])
        """
        columns = named(states, self.state_names, "motion")
        if not columns or not tolerance >= 0:
            raise InvalidOption(f"motion: states is {list(states)} and tolerance {tolerance}; give names and 0 or more")
        change = np.abs(self.next_state[:, columns].astype(np.float64) - self.state[:, columns]).max(axis=1)
        if not (change > tolerance).any():
            raise InvalidData(
                f"no row moves: {', '.join(states)} change by {change.max():.3g} at most, and tolerance is "
                f"{tolerance:g}; lower it, or record transitions with motion"
            )
        return replace(self, moved=change > tolerance)

    def facing(self, heading: Sequence[str], steps: int = 10, every: int = 0) -> Transitions:
        """The same as rollouts of at most `steps` rows, each turned so that the heading at its first row is 0.

        A network fitted to these knows what happens within so many steps of a known direction, and needs far fewer
        units for it. Its file says so, and a `Trajectory` turns what the network reads. All states and controls have to
        be vectors in the plane, with names in _x and _y.

        heading: the names of two points, see `Heading`.  every: a new rollout begins after so many rows, 0 for `steps`.
        With fewer they overlap: the same rows are seen from several directions, which makes better models.

        Raises `InvalidOption` for numbers out of range or other than two names, and what `Heading.angles` and `turned`
        raise.

            >>> names = {"state_names": ["a_x", "a_y", "b_x", "b_y"], "control_names": ["push_x", "push_y"]}
            >>> state, following = [[0, 0, 0, 2], [1, 1, 1, 3]], [[1, 1, 1, 3], [2, 2, 2, 4]]
            >>> data = Transitions.of(state, [[1, 0], [0, 1]], following, **names)
            >>> data.facing(["a", "b"]).control.round(6).tolist()
            [[0.0, -1.0], [1.0, 0.0]]
        """
        if steps < 1 or not 0 <= every <= steps:
            raise InvalidOption(f"heading: steps is {steps} and every {every}; give at least 1, and from 0 to steps")
        if isinstance(heading, str) or len(heading) != 2:
            raise InvalidOption(f"heading is {heading!r}; give the names of two points")
        if self.heading is not None:
            raise InvalidOption("heading: these rows are turned already; turn those that were recorded")
        chosen = Heading(*heading)
        every = every or steps
        begins = np.append(0, 1 + np.flatnonzero(np.diff(self.rollout)))
        sizes = np.diff(np.append(begins, len(self.rollout)))
        counts = np.maximum(1, -(-(sizes - steps + every) // every))
        starts = np.repeat(begins, counts) + every * _within(counts)
        lengths = np.minimum(steps, np.repeat(begins + sizes, counts) - starts)
        rollout = np.repeat(np.arange(len(starts)), lengths)
        rows = starts[rollout] + _within(lengths)
        angles = chosen.angles(self.state[starts], self.state_names)[rollout]

        def seen(values: Floats, names: Sequence[str]) -> Floats:
            return turned(values[rows], names, angles).astype(np.float32)

        return replace(
            self,
            state=seen(self.state, self.state_names),
            control=seen(self.control, self.control_names),
            next_state=seen(self.next_state, self.state_names),
            rollout=rollout,
            moved=None if self.moved is None else self.moved[rows],
            heading=chosen,
        )

    @property
    def digest(self) -> str:
        """A hash of the arrays."""
        motion = () if self.moved is None else (self.moved,)
        return _digest(self.state, self.control, self.next_state, self.rollout, *motion)


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of a function: input (N, n), output (N, m).

    Raises `InvalidData` where shapes do not fit, an entry is not finite, or a column does not vary.
    """

    input: Floats
    output: Floats
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        input: ArrayLike,  # noqa: A002
        output: ArrayLike,
        input_names: Sequence[str] = (),
        output_names: Sequence[str] = (),
    ) -> Samples:
        """Samples from arrays; vectors are columns."""
        x, y = _matrix("input", input), _matrix("output", output)
        names = _names("input", input_names, x), _names("output", output_names, y)
        if len(x) != len(y):
            raise InvalidData(f"input has {len(x)} rows and output {len(y)}; give one row a sample")
        _check_variation(x, names[0])
        _check_variation(y, names[1])
        return cls(x, y, *names)

    @property
    def digest(self) -> str:
        """A hash of the arrays."""
        return _digest(self.input, self.output)


def _within(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, ... count - 1 for each count, end to end."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _matrix(name: str, values: ArrayLike) -> Floats:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidData(f"{name} is not an array of numbers: {error}") from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or 0 in array.shape:
        raise InvalidData(f"{name} has shape {array.shape}; give one row a sample, (N, columns)")
    if not np.isfinite(array).all():
        row, column = (int(k[0]) for k in np.nonzero(~np.isfinite(array)))
        raise InvalidData(f"{name} has {array[row, column]} in row {row}, column {column}; remove such rows")
    return array.astype(np.float32)


def _whole_numbers(name: str, values: ArrayLike, rows: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.shape != (rows,) or not np.issubdtype(array.dtype, np.integer):
        raise InvalidData(f"{name} has shape {array.shape} and type {array.dtype}; give {rows} whole numbers")
    return array.astype(np.int64)


def _motion(values: ArrayLike, rows: int) -> NDArray[np.bool_]:
    array = np.asarray(values)
    if array.shape != (rows,) or not (array.dtype == bool or np.isin(array, (0, 1)).all()):
        raise InvalidData(f"moved has shape {array.shape} and type {array.dtype}; give {rows} entries, true or false")
    if not array.any():
        raise InvalidData("moved is false in every row; leave it out, or record transitions with motion")
    return array.astype(bool)


def _names(what: str, given: Sequence[str], array: Floats) -> tuple[str, ...]:
    if given and len(given) != array.shape[1]:
        raise InvalidData(f"{len(given)} {what} names are given for {array.shape[1]} columns")
    return tuple(given) or tuple(f"{what}[{k}]" for k in range(array.shape[1]))


def _check_variation(array: Floats, names: Sequence[str]) -> None:
    constant = np.flatnonzero(array.max(axis=0) == array.min(axis=0))
    if constant.size:
        k = constant[0]
        raise InvalidData(f"{names[k]} is {array[0, k]:g} in every row; leave out columns without variation")


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
