"""How far places along trajectories are from sets that are not convex, many trajectories and constraints at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.trajectory.choices import Alternatives

TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Clearance:
    """Constraints (A,) whose places (T,) are the same, as rows that no place may exceed.

    A place z is in set s of constraint a where rows[k, s, a] @ z <= limits[:, k, s, a] for all k; rows are relative to
    their range. Constraints with fewer sets, and sets with fewer rows, have some of theirs twice.

    members: the numbers of the constraints.  step, share: as of `Alternatives`.  rows: (K, S, A, n).
    limits: (T, K, S, A).
    """

    members: Index
    step: Index
    share: Array
    rows: Array
    limits: Array

    @classmethod
    def of(cls, constraints: Sequence[Alternatives], size: Array) -> list[Clearance]:
        """All constraints of a problem, those with the same places together; size: half-widths of the states (n,)."""
        groups: dict[tuple[bytes, bytes], list[int]] = {}
        for k, made in enumerate(constraints):
            groups.setdefault((made.step.tobytes(), made.share.tobytes()), []).append(k)
        return [cls._group(np.array(found), [constraints[k] for k in found], size) for found in groups.values()]

    @classmethod
    def _group(cls, members: Index, constraints: list[Alternatives], size: Array) -> Clearance:
        sides = [[_sides(*one, size) for one in made.sets] for made in constraints]
        sets, deep = max(map(len, sides)), max(len(rows) for made in sides for rows, _ in made)
        first = constraints[0]
        rows = np.empty((deep, sets, len(members), size.size))
        limits = np.empty((first.step.size, deep, sets, len(members)))
        for a, made in enumerate(sides):
            for s in range(sets):
                of_set, upto = made[s % len(made)]
                again = np.arange(deep) % len(of_set)
                rows[:, s, a], limits[:, :, s, a] = of_set[again], upto[:, again]
        return cls(members, first.step, first.share, rows, limits)

    @property
    def reached(self) -> Index:
        """See `Alternatives`."""
        return self.step + (self.share > 0)

    def excess(self, states: Array) -> Array:
        """How far each place of states (B, H + 1, n) is from the nearest set, at most 0 inside, (B, T, A)."""
        worst = self._values(states).max(axis=2) if len(self.rows) > 1 else self._values(states)[:, :, 0]
        return np.asarray(worst.min(axis=2))

    def slopes(self, states: Array) -> tuple[Index, Index, Array]:
        """Where `excess` is positive its gradient by the place: batch and place of each entry, and (entries, n)."""
        values = self._values(states)
        worst = values.max(axis=2)
        batch, place, constraint = np.nonzero(worst.min(axis=2) > 0)
        nearest = worst[batch, place, :, constraint].argmin(axis=1)
        row = values[batch, place, :, nearest, constraint].argmax(axis=1)
        return batch, place, self.rows[row, nearest, constraint]

    def nearest(self, states: Array) -> Index:
        """The set nearest to each place along one trajectory (H + 1, n), (T, A)."""
        return np.asarray(self._values(states[None])[0].max(axis=1).argmin(axis=1))

    def _values(self, states: Array) -> Array:
        """By how much each row is exceeded, (B, T, K, S, A)."""
        here, there = states[:, self.step], states[:, np.minimum(self.step + 1, states.shape[1] - 1)]
        z = here + self.share[:, None] * (there - here) if self.share.any() else here
        return (
            np.asarray((z @ self.rows.reshape(-1, z.shape[-1]).T).reshape(*z.shape[:2], *self.rows.shape[:3]))
            - self.limits
        )


def _sides(matrix: Array, lower: Array, upper: Array, size: Array) -> tuple[Array, Array]:
    """A set's sides that are limited at any place, as rows (K, n) that are at most (T, K)."""
    scale = np.maximum(np.abs(matrix) @ size, TINY)
    rows = np.concatenate([matrix, -matrix]) / np.tile(scale, 2)[:, None]
    limits = np.concatenate([upper, -lower], axis=1) / np.tile(scale, 2)
    kept = np.isfinite(limits).any(axis=0)
    kept[0] |= not kept.any()
    return rows[kept], limits[:, kept]
