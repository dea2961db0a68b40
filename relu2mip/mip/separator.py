"""Rows that a model does not hold yet, found where a point violates them: in rounds at the root, or during a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.errors import InvalidOption
from relu2mip.options import settle

VIOLATED = 1e-6
"""Least distance of a point from a cut's half-space; solvers leave about as much of a row unsatisfied."""


@dataclass(frozen=True)
class CutOptions:
    """How cuts are added before the model goes to a solver, and whether the solver looks for more.

    rounds: most rounds at the root, 0 for none.  tolerance: rounds end when `PATIENCE` of them together move the bound
    by less, relative to max(1e-9, |bound|).  most: cuts in a round, the most distant first; 0 for no limit.  budget:
    seconds after which no round begins.  callback: separate at the nodes of the search too.
    """

    rounds: int = 50
    tolerance: float = 1e-3
    most: int = 0
    budget: float = 10.0
    callback: bool = False

    def __post_init__(self) -> None:
        settle(self)
        if self.rounds < 0 or self.most < 0:
            raise InvalidOption(f"rounds is {self.rounds} and most is {self.most}; both must be at least 0")
        if not 0 <= self.tolerance < 1:
            raise InvalidOption(f"tolerance is {self.tolerance}; give a relative movement of the bound in [0, 1)")
        if not self.budget > 0:
            raise InvalidOption(f"budget is {self.budget}; give a positive number of seconds")


NO_CUTS = CutOptions(rounds=0)


@dataclass(frozen=True, eq=False)
class Cuts:
    """Rows matrix @ x <= upper, at most one for each unit.

    distance: of the point from each half-space.  columns: the column that each row is about, after which it is named.
    """

    matrix: Any
    upper: Array
    distance: Array
    columns: Index

    def __len__(self) -> int:
        return int(self.upper.size)

    def select(self, rows: Index) -> Cuts:
        """Some of the rows."""
        return Cuts(self.matrix[rows], self.upper[rows], self.distance[rows], self.columns[rows])

    def furthest(self, most: int) -> Cuts:
        """The `most` rows that the point is furthest from, in their order; 0 is all of them."""
        if not most or len(self) <= most:
            return self
        return self.select(np.sort(np.argsort(-self.distance, kind="stable")[:most]))


class Separator(Protocol):
    """A family of rows that every solution of the model satisfies."""

    def separate(self, x: Array) -> Cuts:
        """Rows of the family that a point of all columns violates by more than `VIOLATED`, as wide as the point."""
        ...
