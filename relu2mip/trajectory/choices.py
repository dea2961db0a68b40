"""Sets of states that are not convex: at each step, at least one of several sets holds.

`AnyOf` is that; `Outside` keeps points out of a convex region, which is "beyond one of its faces". With binaries b_s
for the sets s, each rows A_s z in [l_s, u_s] over a state z, or a point on the way between two:

    big-m          sum_s b_s >= 1,   A_s z >= l_s - (l_s - min A_s z) (1 - b_s),   and the upper sides alike
    convex-hull    sum_s b_s  = 1,   z = sum_s z_s,   lower b_s <= z_s <= upper b_s,   A_s z_s in [l_s b_s, u_s b_s]

The constants are the least and largest values over the bounds of z. The hull has copies of z for each set and is the
convex hull of their union within these bounds (Balas, "Disjunctive programming", 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import accept, number, numbers, one_of, optional, positive, refuse, several, text, whole
from relu2mip.arrays import Array, Index
from relu2mip.errors import InvalidProblem
from relu2mip.trajectory.sets import Box, Linear

FORMULATIONS = "big-m", "convex-hull"


@dataclass(frozen=True, eq=False)
class Ball:
    """|p - centre| <= radius; kept out of by the polygon around it with so many faces, so by a little more."""

    centre: ArrayLike
    radius: float
    faces: int = 8

    def __post_init__(self) -> None:
        accept(self, centre=numbers, radius=positive, faces=whole(3))


@dataclass(frozen=True, eq=False)
class Polygon:
    """The convex hull of corners (k, 2)."""

    corners: ArrayLike

    def __post_init__(self) -> None:
        accept(self, corners=numbers)


@dataclass(frozen=True, eq=False)
class Alternatives:
    """A constraint, worked out for a problem: at each place, some rows of one of several sets hold.

    name: of the constraint.  sets: (matrix (r, n), lower (T, r), upper (T, r)) each.  step, share: (T,), places: the
    state x[step] + share (x[step + 1] - x[step]).  formulation: how it is written.
    """

    name: str
    sets: tuple[tuple[Array, Array, Array], ...]
    step: Index
    share: Array
    formulation: str = "big-m"

    @property
    def reached(self) -> Index:
        """The step that each place belongs to: its own, or the one it is on the way to."""
        return self.step + (self.share > 0)

    @property
    def chosen(self) -> str:
        """The name of the binaries, places outermost."""
        return f"{self.name}.chosen"


class AnyOf:
    """At each step, x[t] is in at least one of several sets of states: `Box`es, or `Linear` constraints of the state.

    steps: of x[1] ... x[H], at which it holds; all by default.  between: so many points on the straight line from each
    step's state before it are held to it, too.  formulation: "big-m" or "convex-hull".

    >>> import relu2mip as r2m
    >>> gap = r2m.AnyOf(r2m.Box(-1.0, -0.5), r2m.Box(0.5, 1.0))
    >>> (made,) = gap.alternatives(1, 3)
    >>> len(made.sets)
    2
    """

    def __init__(
        self,
        *sets: Box | Linear,
        steps: Sequence[int] | None = None,
        between: int = 0,
        formulation: str = "big-m",
        name: str = "any of",
    ) -> None:
        self.sets = several(_convex, (Box, Linear))(sets, "AnyOf")
        self.steps, self.between, self.formulation, self.name = steps, between, formulation, name
        accept(
            self,
            steps=optional(several(whole(0), (int, np.integer))),
            between=whole(0),
            formulation=one_of(*FORMULATIONS),
            name=text,
        )
        if not self.sets:
            raise InvalidProblem("AnyOf: give at least one set")

    def alternatives(self, n: int, horizon: int) -> list[Alternatives]:
        """The same for n states over a horizon; raises `InvalidProblem`."""
        step, share = _places(self.steps, self.between, horizon, self.name)
        made = []
        for part in self.sets:
            if isinstance(part, Box):
                lower, upper = part.limits(f"constraint {self.name!r}", horizon, n, 1)
                after = step + (share > 0) - 1
                made.append((np.eye(n), lower[after], upper[after]))
            else:
                matrix, _, lower, upper = part.matrices(n, 0)
                made.append((matrix, np.tile(lower, (step.size, 1)), np.tile(upper, (step.size, 1))))
        return [Alternatives(self.name, tuple(made), step, share, self.formulation)]


@dataclass(frozen=True, eq=False)
class Outside:
    """At each step, points stay out of a convex region: an obstacle, fixed or moving.

    region: a `Box`, a `Polygon` or a `Ball`, of the size of a point.  keypoints: (C, d), the points C x + d, laid end
    to end; by default the first states.  path: by how much the region is moved at each step 1 ... H, (H, size).
    margin: by how much more its faces are kept away from.  steps, between, formulation: as for `AnyOf`.

    >>> import relu2mip as r2m
    >>> wall = r2m.Outside(r2m.Box([1.0, -1.0], [2.0, 1.0]), margin=0.1)
    >>> (made,) = wall.alternatives(4, 3)
    >>> len(made.sets)
    4
    """

    region: Box | Polygon | Ball
    keypoints: tuple[ArrayLike, ArrayLike] | None = None
    path: ArrayLike | None = None
    margin: float = 0.0
    steps: Sequence[int] | None = None
    between: int = 0
    formulation: str = "big-m"
    name: str = "outside"
    _faces: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        accept(
            self,
            name=text,
            region=_region,
            margin=number,
            path=optional(numbers),
            steps=optional(several(whole(0), (int, np.integer))),
            between=whole(0),
            formulation=one_of(*FORMULATIONS),
        )
        if not np.isfinite(self.margin):
            raise InvalidProblem(f"constraint {self.name!r}: margin is {self.margin}; give a finite number")
        object.__setattr__(self, "_faces", _faces(self.region, self.name))

    def alternatives(self, n: int, horizon: int) -> list[Alternatives]:
        """The same for each point, for n states over a horizon; raises `InvalidProblem`."""
        normals, offsets = self._faces
        size = normals.shape[1]
        c, d = self.points(n)
        step, share = _places(self.steps, self.between, horizon, self.name)
        moved = np.zeros((horizon, size)) if self.path is None else np.asarray(self.path)
        if moved.shape != (horizon, size) or not np.isfinite(moved).all():
            raise InvalidProblem(f"constraint {self.name!r}: path has shape {moved.shape}; give ({horizon}, {size})")
        path = np.vstack([moved[:1], moved])
        there = path[step] + share[:, None] * (path[np.minimum(step + 1, horizon)] - path[step])
        made = []
        for k in range(0, len(c), size):
            rows, shift = c[k : k + size], d[k : k + size]
            sets = [
                (
                    (normal @ rows)[None],
                    (offset + self.margin - normal @ shift + there @ normal)[:, None],
                    np.full((step.size, 1), np.inf),
                )
                for normal, offset in zip(normals, offsets, strict=True)
            ]
            name = self.name if len(c) == size else f"{self.name}{k // size}"
            made.append(Alternatives(name, tuple(sets), step, share, self.formulation))
        return made

    def points(self, n: int) -> tuple[Array, Array]:
        """The map (C, d) from n states to the points, end to end; raises `InvalidProblem`."""
        size = self._faces[0].shape[1]
        if self.keypoints is None:
            if n < size:
                raise InvalidProblem(f"constraint {self.name!r}: its region has {size} entries, there are {n} states")
            return np.eye(size, n), np.zeros(size)
        c, d = (numbers(part, f"constraint {self.name!r}: keypoints") for part in self.keypoints)
        if c.ndim != 2 or c.shape[1] != n or d.shape != (len(c),) or len(c) % size or not np.isfinite(c).all():
            raise InvalidProblem(
                f"constraint {self.name!r}: keypoints have shapes {c.shape} and {d.shape}; give (k {size}, {n}) and "
                f"(k {size},) for k points of {size} entries"
            )
        return c, d


def _places(steps: Sequence[int] | None, between: int, horizon: int, name: str) -> tuple[Index, Array]:
    """Steps and shares of the way to the next: of each chosen step itself, and of points before it."""
    chosen = np.arange(1, horizon + 1) if steps is None else np.unique(np.array(steps, dtype=np.intp))
    if chosen.size and (chosen[0] < 1 or chosen[-1] > horizon):
        bad = chosen[0] if chosen[0] < 1 else chosen[-1]
        raise InvalidProblem(f"constraint {name!r}: step {bad} is outside 1 ... {horizon}")
    share = np.arange(1, between + 1) / (between + 1)
    step = np.concatenate([chosen, np.repeat(chosen - 1, between)])
    return step.astype(np.intp), np.concatenate([np.zeros(chosen.size), np.tile(share, chosen.size)])


def _faces(region: Box | Polygon | Ball, name: str) -> tuple[Array, Array]:
    """Unit normals (f, size) and offsets (f,) of the faces: beyond one where normal @ p >= offset."""
    where = f"constraint {name!r}"
    if isinstance(region, Box):
        lower, upper = (np.atleast_1d(np.asarray(side)) for side in (region.lower, region.upper))
        lower, upper = region.limits(where, 1, max(lower.size, upper.size))
        lower, upper = lower[0], upper[0]
        normals = np.concatenate([np.eye(lower.size), -np.eye(lower.size)])
        offsets = np.concatenate([upper, -lower])
        kept = np.isfinite(offsets)
        return normals[kept], offsets[kept]
    if isinstance(region, Ball):
        centre = numbers(region.centre, f"{where}: centre").reshape(-1)
        if centre.size != 2:
            raise InvalidProblem(f"{where}: the centre of a Ball has {centre.size} entries; give 2")
        angle = 2 * np.pi * np.arange(region.faces) / region.faces
        normals = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return normals, normals @ centre + region.radius
    corners = numbers(region.corners, f"{where}: corners")
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise InvalidProblem(f"{where}: corners have shape {corners.shape}; give at least 3 of them, (k, 2)")
    from scipy.spatial import ConvexHull, QhullError

    try:
        equations = np.unique(ConvexHull(corners).equations.round(12), axis=0)
    except QhullError:
        raise InvalidProblem(f"{where}: the corners lie on a line") from None
    return equations[:, :2], -equations[:, 2]


def _convex(value: Any, where: str) -> Box | Linear:
    if isinstance(value, Linear) and (value.control is not None or value.steps is not None):
        raise InvalidProblem(f"{where}: give Linear constraints of the state alone, without steps")
    return value if isinstance(value, Box | Linear) else refuse(value, where, "a Box, or a Linear constraint")


def _region(value: Any, where: str) -> Box | Polygon | Ball:
    if isinstance(value, Box | Polygon | Ball):
        return value
    return refuse(value, where, "a Box, a Polygon or a Ball")
