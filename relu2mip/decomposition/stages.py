"""Which rows of a program belong to which step: what hangs together once the values between steps are taken out.

States and controls tie the steps of a horizon; nothing else does. Without their columns the rows fall apart into
pieces. A piece that reads x[t] and u[t] and gives x[t + 1] belongs to step t, whatever the formulation wrote there;
rows over states and controls alone belong to the last step that they read. Rows that tie several steps, such as limits
on the rate of a control, so belong to the last of them and share the earlier columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from relu2mip.arrays import Array, Index
from relu2mip.mip import MipModel, NameBlock
from relu2mip.mip.names import Names


@dataclass(frozen=True, eq=False)
class Stages:
    """A program with linear cost by steps.

    kept: the columns of each value between steps by name ("state@3", "control@0").  ends: the last step that each
    belongs to: x[t] ends step t - 1, u[t] is part of step t.  of_row: the step of each row.  count: of steps.
    """

    model: MipModel
    kept: Mapping[str, Index]
    ends: Mapping[str, int]
    of_row: Index
    count: int

    @classmethod
    def of(cls, model: MipModel, kept: Mapping[str, Index], ends: Mapping[str, int]) -> Stages:
        """See the module's text; what only some solvers take (SOS1 sets and the like) is left out, which relaxes."""
        step = np.full(model.columns, -1)
        for name, columns in kept.items():
            step[columns] = np.maximum(step[columns], ends[name])
        matrix = sp.coo_array(model.matrix)
        row, column = (np.asarray(part, dtype=np.intp) for part in (matrix.row, matrix.col))
        inside = step[column] < 0
        ties = (np.ones(int(inside.sum())), (row[inside], model.rows + column[inside]))
        size = model.rows + model.columns
        pieces = connected_components(sp.coo_array(ties, shape=(size, size)), directed=False)[1][: model.rows]
        last = np.zeros(int(pieces.max(initial=-1)) + 1, dtype=np.intp)
        np.maximum.at(last, pieces[row[~inside]], step[column[~inside]])
        count = max(ends.values(), default=0) + 1
        return cls(model, kept, ends, last[pieces], count)

    def part(self, first: int, last: int) -> tuple[MipModel, Index]:
        """The program of steps first ... last - 1 without a cost, and its columns in the whole one."""
        model = self.model
        rows = np.flatnonzero((self.of_row >= first) & (self.of_row < last))
        chosen = sp.csr_array(model.matrix[rows])
        columns = np.unique(chosen.indices).astype(np.intp)
        part = MipModel(
            lower=model.lower[columns],
            upper=model.upper[columns],
            integer=model.integer[columns],
            cost=np.zeros(columns.size),
            matrix=sp.csr_array(chosen[:, columns]),
            row_lower=model.row_lower[rows],
            row_upper=model.row_upper[rows],
            column_names=Names((NameBlock("column", columns),)),
            row_names=Names((NameBlock("row", rows),)),
        )
        return part, columns

    def around(self, name: str, steps: int) -> tuple[int, int]:
        """The first step and the one after the last of so many, half of them up to the end of a value's own."""
        first = min(max(0, self.ends[name] + 1 - (steps + 1) // 2), max(0, self.count - steps))
        return first, min(self.count, first + steps)

    def spread(self, columns: Index, values: Array) -> Array:
        """Numbers of some columns over all columns, zero elsewhere."""
        whole = np.zeros(self.model.columns)
        whole[columns] = values
        return whole
