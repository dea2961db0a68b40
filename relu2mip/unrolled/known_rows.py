"""Rows that a bound method proved, over columns that every program of the problem has: its states, controls and costs.

They are kept by the names of the columns, since each program has its own. A program without one of the columns goes
without the rows that need it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array
from relu2mip.mip import MipModel, NameBlock
from relu2mip.mip.extend import with_rows


@dataclass(frozen=True, eq=False)
class KnownRows:
    """matrix @ x[names] >= lower, for plans that the bounds beside them hold for."""

    names: tuple[str, ...]
    matrix: Any
    lower: Array

    @classmethod
    def none(cls) -> KnownRows:
        """No rows."""
        return cls((), sp.csr_array((0, 0)), np.zeros(0))

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.lower.size)

    def written(self, model: MipModel) -> MipModel:
        """The model with the rows that it has the columns for."""
        if not self.size:
            return model
        places = {name: k for k, name in enumerate(model.column_names)}
        where = np.array([places.get(name, -1) for name in self.names], dtype=np.intp)
        whole = sp.csr_array(abs(self.matrix)) @ (where < 0).astype(float) == 0
        if not whole.any():
            return model
        chosen = sp.coo_array(self.matrix[np.flatnonzero(whole)][:, np.flatnonzero(where >= 0)])
        columns = where[where >= 0][chosen.col]
        shape = (int(whole.sum()), model.columns)
        matrix = sp.csr_array((chosen.data, (chosen.row, columns)), shape=shape)
        return with_rows(model, NameBlock("block", np.arange(shape[0])), matrix, lower=self.lower[whole])
