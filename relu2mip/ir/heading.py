"""The direction in the plane that a network takes for granted.

Physics knows no preferred direction, but a network of few units does: it cannot say how an object turns by every angle.
It can say what happens near one angle, and a plan of a few steps needs no more. So a problem turns everything by the
angle that the object has at its first state:

    x[t + 1] = R' f(R x[t], R u[t]),      R: the rotation by minus the angle of the heading at x[0]

R is known before planning, and the network stays piecewise linear. Sets, costs and plans stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem


@dataclass(frozen=True)
class Heading:
    """The direction from one point to another. A point is a name: "key_0" stands for the states key_0_x and key_0_y.

    >>> Heading("tail", "nose").angles([[0.0, 0.0, 0.0, 2.0]], ["tail_x", "tail_y", "nose_x", "nose_y"]).tolist()
    [1.5707963267948966]
    """

    start: str
    end: str

    def points(self, states: Array, names: Sequence[str]) -> Array:
        """Where both points are at states (N, n), (N, 2, 2); raises `InvalidProblem` where there are no such states."""
        columns = dict(zip(names, range(len(names)), strict=True))
        for point in (self.start, self.end):
            if not {f"{point}_x", f"{point}_y"} <= set(columns):
                raise InvalidProblem(
                    f"heading: there are no states {point}_x and {point}_y; there are {', '.join(names) or 'no names'}"
                )
        return states[:, [[columns[f"{point}_{axis}"] for axis in "xy"] for point in (self.start, self.end)]]

    def angles(self, states: ArrayLike, names: Sequence[str]) -> Array:
        """The angles (N,) at states (N, n), rad; raises `InvalidProblem` where the points are not there, or are one."""
        start, end = self.points(np.asarray(states, dtype=np.float64), names).swapaxes(0, 1)
        along = end - start
        if not along.any(axis=1).all():
            row = int(np.flatnonzero(~along.any(axis=1))[0])
            raise InvalidProblem(f"heading: {self.start} and {self.end} are at one place in state {row}")
        return np.asarray(np.arctan2(along[:, 1], along[:, 0]))


def turned(values: ArrayLike, names: Sequence[str], angles: ArrayLike) -> Array:
    """Points and vectors in the plane, (N, size), each row turned by minus its angle.

    names: `P_x` and `P_y` are one vector. Raises `InvalidProblem` for a name that is neither.

    >>> turned([[3.0, 4.0]], ["push_x", "push_y"], [np.pi / 2]).round(9).tolist()
    [[4.0, -3.0]]
    """
    given, columns = np.asarray(values, dtype=np.float64), dict(zip(names, range(len(names)), strict=True))
    cosine, sine = np.cos(angles)[..., None], np.sin(angles)[..., None]
    xs, ys = [], []
    for name, column in columns.items():
        other = f"{name[:-1]}{'y' if name.endswith('x') else 'x'}"
        if name[-2:] not in ("_x", "_y") or other not in columns:
            raise InvalidProblem(
                f"heading: {name} is no vector in the plane, which is two entries with names in _x and _y; nothing "
                "says how it turns. Leave out heading, or the entry"
            )
        if name.endswith("_x"):
            xs.append(column)
            ys.append(columns[other])
    result = np.empty_like(given)
    result[:, xs] = cosine * given[:, xs] + sine * given[:, ys]
    result[:, ys] = cosine * given[:, ys] - sine * given[:, xs]
    return result


def rotation(names: Sequence[str], angle: float) -> Array:
    """The matrix that turns a vector by minus an angle, (size, size); see `turned`."""
    return turned(np.eye(len(names)), names, np.full(len(names), angle)).T
