"""A program of some columns, rows, sets and so on of another; what is chosen reads no other columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Index
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import DerivedBlock, Names
from relu2mip.mip.parts import Groups, Indicators, Maxima, Pairs

NONE: Index = np.zeros(0, dtype=np.intp)


def selected(
    model: MipModel,
    columns: Index,
    rows: Index,
    sos1: Index = NONE,
    indicators: Index = NONE,
    maxima: Index = NONE,
    pairs: Index = NONE,
) -> MipModel:
    """The program of these columns and these numbers of each of its parts, under the same names."""
    new = np.full(model.columns, -1)
    new[columns] = np.arange(columns.size)
    parts: dict[str, Any] = {
        "sos1": model.sos1 and _groups(model.sos1, sos1, new),
        "indicators": model.indicators and _indicators(model.indicators, indicators, columns, new),
        "maxima": model.maxima and _maxima(model.maxima, maxima, new),
        "pairs": model.pairs and _pairs(model.pairs, pairs, new),
    }
    return replace(
        model,
        lower=model.lower[columns],
        upper=model.upper[columns],
        integer=model.integer[columns],
        cost=model.cost[columns],
        matrix=sp.csr_array(model.matrix[rows][:, columns]),
        row_lower=model.row_lower[rows],
        row_upper=model.row_upper[rows],
        column_names=_names(model.column_names, columns),
        row_names=_names(model.row_names, rows),
        quadratic=None if model.quadratic is None else model.quadratic[columns],
        start=None if model.start is None else model.start[columns],
        values=None,
        **parts,
    )


def _names(names: Sequence[str], numbers: Index) -> Names:
    return Names((DerivedBlock(names, numbers, ""),))


def _groups(old: Groups, numbers: Index, new: Index) -> Groups | None:
    if not numbers.size:
        return None
    members = [old.members[old.starts[g] : old.starts[g + 1]] for g in numbers]
    starts = np.cumsum([0, *(m.size for m in members)])
    return Groups(new[np.concatenate(members)], starts, _names(old.names, numbers))


def _indicators(old: Indicators, numbers: Index, columns: Index, new: Index) -> Indicators | None:
    if not numbers.size:
        return None
    matrix = sp.csr_array(old.matrix[numbers][:, columns])
    sides = old.active[numbers], matrix, old.lower[numbers], old.upper[numbers]
    return Indicators(new[old.binary[numbers]], *sides, _names(old.names, numbers))


def _maxima(old: Maxima, numbers: Index, new: Index) -> Maxima | None:
    operands = _groups(old.operands, numbers, new)
    return None if operands is None else Maxima(new[old.result[numbers]], operands, old.constant[numbers])


def _pairs(old: Pairs, numbers: Index, new: Index) -> Pairs | None:
    if not numbers.size:
        return None
    return Pairs(new[old.first[numbers]], new[old.second[numbers]], _names(old.names, numbers))
