"""A program that falls apart: parts that share no free column, solved one after the other, and put together exactly.

Two columns belong together where a row, a set, an indicator row, a maximum or a pair holds both. Columns that are fixed
join nothing, since they are numbers. The objective is a sum over columns, so its minimum is the sum of the minima. A
branch and bound on the whole would search the product of the parts' trees.

Parts without binaries or other alternatives are easy, and go along with the smallest of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from relu2mip.arrays import Index, Mask
from relu2mip.mip.model import MipModel
from relu2mip.mip.parts import Groups
from relu2mip.mip.selected import selected
from relu2mip.mip.solution import Solution, Stop


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a program: a program itself, with some of its columns. own: which of them are no other part's."""

    model: MipModel
    columns: Index
    own: Mask


def parts(model: MipModel) -> list[Part]:
    """The parts of a program, those with fewest binaries first; one where it does not fall apart.

    >>> from relu2mip.mip import ModelBuilder, NameBlock
    >>> builder = ModelBuilder()
    >>> x = builder.add_columns(NameBlock("x", np.arange(4)), 0, 3, integer=True)
    >>> pairs = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])
    >>> rows = builder.add_rows(NameBlock("sum", np.arange(2)), [(pairs, x)], upper=2)
    >>> [part.columns.tolist() for part in parts(builder.build())]
    [[0, 1], [2, 3]]
    """
    free = model.lower < model.upper
    links = sp.csr_array(sp.vstack(list(_links(model).values()), format="csr").multiply(free[None, :]) != 0)
    # A graph of columns and what holds them, which is as large as the links; pairs of columns may be far more.
    held: Any = [[None, links.T], [links, None]]
    count, label = connected_components(sp.block_array(held), directed=False)
    label = label[: model.columns]
    hard = np.zeros(count, dtype=bool)
    hard[label[_alternatives(model) & free]] = True
    if hard.sum() < 2:
        return [Part(model, np.arange(model.columns), np.ones(model.columns, dtype=bool))]
    size = np.bincount(label[model.integer & free], minlength=count)
    order = sorted(np.flatnonzero(hard).tolist(), key=lambda k: int(size[k]))
    into = np.full(count, order[0])
    into[order] = order
    # What is fixed, and what holds nothing else, is at home in the first part.
    column_home = np.where(free, into[label], order[0])
    row_home = np.asarray(links.multiply((column_home + 1)[None, :]).max(axis=1).todense()).ravel() - 1
    row_home = np.where(row_home < 0, order[0], row_home)
    return [_part(model, column_home == k, row_home == k) for k in order]


def solved_apart(found: Sequence[Part], model: MipModel, solve: Callable[[MipModel, int], Solution]) -> Solution:
    """The solution of a program from those of its parts; `solve` also gets how many parts are left, this one too."""
    words = []
    for k, part in enumerate(found):
        words.append(solve(part.model, len(found) - k))
        if words[-1].stop in (Stop.INFEASIBLE, Stop.UNBOUNDED, Stop.FAILED, Stop.INTERRUPTED):
            break
    worst = next((word for word in words if word.stop is not Stop.OPTIMAL), words[-1])
    whole = replace(
        worst,
        x=None,
        objective=np.nan,
        bound=-np.inf,
        nodes=sum(word.nodes for word in words),
        seconds=sum(word.seconds for word in words),
        lowered=tuple(dict.fromkeys(name for word in words for name in word.lowered)),
        message="; ".join(filter(None, (f"solved apart in {len(found)} parts", worst.message))),
    )
    if len(words) < len(found):
        return replace(whole, bound=np.inf if worst.stop is Stop.INFEASIBLE else -np.inf)
    bound = sum(word.bound for word in words) + model.offset
    if any(word.x is None for word in words):
        return replace(whole, bound=bound)
    x = model.lower.copy()
    for part, word in zip(found, words, strict=True):
        assert word.x is not None
        x[part.columns[part.own]] = word.x[part.own]
    return replace(whole, x=x, objective=model.objective(x), bound=bound)


def _links(model: MipModel) -> dict[str, Any]:
    """Which columns each row, set, indicator row, maximum and pair holds, as matrices of ones, by part of the model."""
    found = {"rows": _pattern(model.matrix)}
    if model.sos1 is not None:
        found["sos1"] = _of_groups(model.sos1, model.columns)
    if model.indicators is not None:
        found["indicators"] = _pattern(model.indicators.matrix) + _of_index(model.indicators.binary, model.columns)
    if model.maxima is not None:
        result = _of_index(model.maxima.result, model.columns)
        found["maxima"] = _of_groups(model.maxima.operands, model.columns) + result
    if model.pairs is not None:
        found["pairs"] = _of_index(model.pairs.first, model.columns) + _of_index(model.pairs.second, model.columns)
    return found


def _pattern(matrix: Any) -> Any:
    return sp.csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)


def _of_groups(groups: Groups, columns: int) -> Any:
    return sp.csr_array((np.ones(groups.members.size), groups.members, groups.starts), shape=(len(groups), columns))


def _of_index(index: Index, columns: int) -> Any:
    return sp.csr_array((np.ones(index.size), (np.arange(index.size), index)), shape=(index.size, columns))


def _alternatives(model: MipModel) -> Mask:
    """The columns that make a program more than a linear one."""
    found = model.integer.copy()
    if model.sos1 is not None:
        found[model.sos1.members] = True
    if model.maxima is not None:
        found[model.maxima.result] = True
    if model.pairs is not None:
        found[model.pairs.first] = True
    return found


def _part(model: MipModel, at_home: Mask, chosen: Mask) -> Part:
    """The part of columns that are at home in it, and of chosen rows, sets and so on, in the order of `_links`."""
    links = _links(model)
    ends = np.cumsum([part.shape[0] for part in links.values()])[:-1]
    numbers = {name: np.flatnonzero(part) for name, part in zip(links, np.split(chosen, ends), strict=True)}
    read = sum((links[name][k].sum(axis=0) for name, k in numbers.items()), np.zeros(model.columns)) > 0
    columns = np.flatnonzero(at_home | read)
    own = at_home[columns]
    made = selected(model, columns, **numbers)
    quadratic = None if made.quadratic is None else np.where(own, made.quadratic, 0.0)
    return Part(replace(made, cost=np.where(own, made.cost, 0.0), quadratic=quadratic, offset=0.0), columns, own)
