"""Parts of a model beside linear rows: SOS1 sets, indicator rows, maxima of columns, complementary pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from relu2mip.arrays import Array, Index, Mask
from relu2mip.mip.names import Names


@dataclass(frozen=True, eq=False)
class Groups:
    """Sets of columns, laid end to end: set g is members[starts[g] : starts[g + 1]]."""

    members: Index
    starts: Index
    names: Names

    def __len__(self) -> int:
        return int(self.starts.size - 1)


@dataclass(frozen=True, eq=False)
class Indicators:
    """Rows that hold where a binary has a value: x[binary_k] = active_k => lower_k <= (matrix @ x)_k <= upper_k."""

    binary: Index
    active: Mask
    matrix: Any
    lower: Array
    upper: Array
    names: Names


@dataclass(frozen=True, eq=False)
class Maxima:
    """Columns that are maxima: x[result_k] = max(x[i] for i in set k of operands, constant_k); -inf is no constant."""

    result: Index
    operands: Groups
    constant: Array

    def __len__(self) -> int:
        return len(self.operands)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Complementary pairs of columns: x[first_k] * x[second_k] = 0."""

    first: Index
    second: Index
    names: Names

    def __len__(self) -> int:
        return int(self.first.size)
