"""The mixed-integer program as arrays.

    minimise    cost @ x + quadratic @ x**2 + offset
    subject to  row_lower <= matrix @ x <= row_upper
                lower <= x <= upper,  x[integer] integral
                at most one nonzero in each SOS1 set
                x[binary_k] = active_k  =>  indicator row k
                x[result_k] = the largest of its operands and its constant
                x[first_k] * x[second_k] = 0

A model always minimises; a problem that maximises negates its objective and its answer negates it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from relu2mip.arrays import Array, Index, Mask
from relu2mip.mip.names import Names
from relu2mip.mip.parts import Groups, Indicators, Maxima, Pairs


@dataclass(frozen=True, eq=False)
class MipModel:
    """The program; see the module's text.

    `quadratic` holds the coefficients of the squared columns (at least 0), or is None. `values` is the map back: the
    columns of a named vector of the network or problem ("t03.state", "t03.layer2.relu.y", ...). `start` is a point for
    a MIP start, NaN where nothing is proposed.
    """

    lower: Array
    upper: Array
    integer: Mask
    cost: Array
    matrix: Any
    row_lower: Array
    row_upper: Array
    column_names: Names
    row_names: Names
    offset: float = 0.0
    quadratic: Array | None = None
    sos1: Groups | None = None
    indicators: Indicators | None = None
    maxima: Maxima | None = None
    pairs: Pairs | None = None
    start: Array | None = None
    values: Mapping[str, Index] | None = None

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.lower.size)

    @property
    def rows(self) -> int:
        """Number of linear rows."""
        return int(self.row_lower.size)

    @property
    def binaries(self) -> int:
        """Number of integral columns."""
        return int(np.count_nonzero(self.integer))

    @property
    def nonzeros(self) -> int:
        """Nonzeros of the row matrix."""
        return int(self.matrix.nnz)

    def objective(self, x: Array) -> float:
        """The objective at a point."""
        squares = 0.0 if self.quadratic is None else float(self.quadratic @ x**2)
        return float(self.cost @ x) + squares + self.offset

    def with_start(self, start: Array | None) -> MipModel:
        """The same model with another MIP start."""
        return replace(self, start=start)

    def __repr__(self) -> str:
        extra = "".join(
            f", {len(g)} {what}"
            for g, what in (
                (self.sos1, "SOS1 sets"),
                (self.indicators and self.indicators.names, "indicator rows"),
                (self.maxima, "maxima"),
                (self.pairs, "complementary pairs"),
            )
            if g
        )
        squares = "" if self.quadratic is None else ", quadratic"
        return (
            f"<MipModel: {self.columns} columns ({self.binaries} integer), {self.rows} rows, "
            f"{self.nonzeros} nonzeros{extra}{squares}>"
        )
