"""The kinds of value of a normal form, each a flat vector whose units have a place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from relu2mip.arrays import Array, Index, Matrix, nonzeros


@dataclass(frozen=True, eq=False)
class Place:
    """Where the units of a value are: `t03.layer2.relu`, with the numbers of its units in the original layer."""

    layer: str
    units: Index
    step: int | None = None
    digits: int = 2

    @property
    def prefix(self) -> str:
        """The place without a unit number: `t03.layer2.relu`, or `layer2.relu` without a horizon."""
        return self.layer if self.step is None else f"t{self.step:0{self.digits}d}.{self.layer}"

    def name(self, unit: int) -> str:
        """The full name of the unit at a position of the vector: `t03.layer2.relu[17]`."""
        return f"{self.prefix}[{self.units[unit]}]"

    def select(self, positions: Index) -> Place:
        """The place of a sub-vector."""
        return Place(self.layer, self.units[positions], self.step, self.digits)


@dataclass(frozen=True, eq=False)
class Input:
    """A vector of variables."""

    place: Place
    size: int

    @property
    def reads(self) -> tuple[int, ...]:
        """No value."""
        return ()


@dataclass(frozen=True, eq=False)
class Affine:
    """y = sum_k A_k x_k + b. A `kept` value (a state between steps) is never substituted away."""

    place: Place
    inputs: tuple[int, ...]
    matrices: tuple[Matrix, ...]
    bias: Array
    kept: bool = False

    @property
    def size(self) -> int:
        """Entries of the vector."""
        return int(self.bias.size)

    @property
    def reads(self) -> tuple[int, ...]:
        """The values it reads."""
        return self.inputs

    @cached_property
    def nonzeros(self) -> int:
        """Nonzeros of all its matrices."""
        return sum(nonzeros(matrix) for matrix in self.matrices)


@dataclass(frozen=True, eq=False)
class Relu:
    """y = max(x, 0), elementwise."""

    place: Place
    input: int
    size: int

    @property
    def reads(self) -> tuple[int, ...]:
        """The value it reads."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Max:
    """Maxima over groups of entries of one value; a group has at least one member."""

    place: Place
    input: int
    members: Index
    starts: Index

    @property
    def size(self) -> int:
        """Number of groups."""
        return int(self.starts.size - 1)

    @property
    def reads(self) -> tuple[int, ...]:
        """The value it reads."""
        return (self.input,)

    @cached_property
    def group(self) -> Index:
        """The group of each member."""
        return np.repeat(np.arange(self.size), np.diff(self.starts))


Value: TypeAlias = Input | Affine | Relu | Max
