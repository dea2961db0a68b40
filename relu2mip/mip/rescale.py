"""Scale columns and rows by powers of two, solve, and scale the point back.

The units of a hidden layer have no scale of their own: relu(s x) = s relu(x) for s > 0, so a network may multiply a
unit by 10^5 and divide by it in the next layer. A solver's tolerances are absolute, though, and HiGHS drops
coefficients below 10^-9, so of such a network it proves bounds that are wrong. Here every continuous column is divided
by the size of its bounds, and every row by its largest coefficient:

    x = s y,   s_j = 2^round(log2 max(|l_j|, |u_j|))          r_i (A s y)_i in r_i [lower_i, upper_i]

Powers of two change no digit, so models, points and bounds are the same before and after. Integral columns and those
without finite bounds stay as they are; columns that a maximum ties take the scale of the largest of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from relu2mip.arrays import Array, Matrix
from relu2mip.mip.groups import group_of
from relu2mip.mip.heuristic import Heuristic
from relu2mip.mip.model import MipModel
from relu2mip.mip.separator import Cuts, Separator
from relu2mip.mip.solution import Solution
from relu2mip.options import SolveOptions

RESCALED = "columns and rows scaled by powers of two"

SPREAD = 1e9
"""Largest over smallest coefficient from which `auto` scales: beyond, rows lose coefficients or drown in tolerances."""

NEGLIGIBLE = 1e-12
"""Size up to which a column, or a coefficient times its column relative to max(1, the row's largest), is rounding."""


class Solver(Protocol):
    """What is asked of a backend here."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def solve(self, model: MipModel, options: SolveOptions) -> Solution:
        """See `Backend.solve`."""
        ...


@dataclass(frozen=True)
class RescalingSolver:
    """A backend that gets every model in scaled units."""

    backend: Solver

    @property
    def name(self) -> str:
        """That of the backend."""
        return self.backend.name

    def solve(self, model: MipModel, options: SolveOptions) -> Solution:
        """The backend's solution, in the units of the model."""
        scale = column_scale(model)
        solution = self.backend.solve(rescaled(model, scale), options)
        return solution if solution.x is None else replace(solution, x=solution.x * scale)


def spread(model: MipModel) -> float:
    """Largest over smallest nonzero coefficient of the rows."""
    sizes = np.abs(model.matrix.data)
    sizes = sizes[sizes > 0]
    return float(sizes.max() / sizes.min()) if sizes.size else 1.0


def needs_rescaling(model: MipModel) -> bool:
    """Whether the coefficients that count differ by more than `SPREAD`."""
    row, sizes = group_of(model.matrix.indptr), np.abs(model.matrix.data)
    shares, largest = sizes * column_scale(model)[model.matrix.indices], np.zeros(model.rows)
    np.maximum.at(largest, row, shares)
    sizes = sizes[shares > NEGLIGIBLE * np.maximum(1.0, largest[row])]
    return bool(sizes.size and sizes.max() > SPREAD * sizes.min())


def column_scale(model: MipModel) -> Array:
    """The units of the scaled columns: a power of two for each."""
    size = np.maximum(np.abs(model.lower), np.abs(model.upper))
    fixed = model.integer | ~np.isfinite(size)
    size = np.where(fixed | (size <= NEGLIGIBLE), 1.0, size)
    if model.maxima is not None:
        of = group_of(model.maxima.operands.starts)
        ties = model.maxima.operands.members, model.maxima.result[of]
        graph = sp.coo_array((np.ones(of.size), ties), shape=(size.size, size.size))
        _, component = connected_components(graph, directed=False)
        largest, is_fixed = np.zeros(size.size), np.zeros(size.size, dtype=bool)
        np.maximum.at(largest, component, size)
        np.logical_or.at(is_fixed, component, fixed)
        size = np.where(is_fixed[component], 1.0, largest[component])
    return _power_of_two(size)


def rescaled(model: MipModel, scale: Array) -> MipModel:
    """The model over y = x / scale, with its rows scaled to a largest coefficient of about 1.

    >>> import numpy as np
    >>> from relu2mip.mip import ModelBuilder, NameBlock
    >>> model = ModelBuilder()
    >>> x = model.add_columns(NameBlock("x", np.arange(2)), 0.0, [1000.0, 0.001])
    >>> _ = model.add_rows(NameBlock("r", np.arange(1)), [(np.array([[1.0, 1e6]]), x)], upper=1e3)
    >>> new = rescaled(model.build(), column_scale(model.build()))
    >>> new.upper, new.matrix.toarray(), new.row_upper
    (array([0.9765625, 1.024    ]), array([[1.        , 0.95367432]]), array([0.9765625]))
    """
    matrix, row = _scaled_rows(model.matrix, scale)
    indicators = model.indicators
    if indicators is not None:
        inner, factor = _scaled_rows(indicators.matrix, scale)
        indicators = replace(indicators, matrix=inner, lower=indicators.lower * factor, upper=indicators.upper * factor)
    maxima = model.maxima
    if maxima is not None:
        maxima = replace(maxima, constant=maxima.constant / scale[maxima.result])
    return replace(
        model,
        lower=model.lower / scale,
        upper=model.upper / scale,
        cost=model.cost * scale,
        matrix=matrix,
        row_lower=model.row_lower * row,
        row_upper=model.row_upper * row,
        quadratic=None if model.quadratic is None else model.quadratic * scale**2,
        indicators=indicators,
        maxima=maxima,
        start=None if model.start is None else model.start / scale,
        separators=tuple(_ScaledSeparator(separator, scale) for separator in model.separators),
        heuristic=None if model.heuristic is None else _ScaledHeuristic(model.heuristic, model, scale),
    )


@dataclass(frozen=True, eq=False)
class _ScaledSeparator:
    """A separator at points of the scaled model."""

    separator: Separator
    scale: Array

    def separate(self, x: Array) -> Cuts:
        cuts = self.separator.separate(x * self.scale)
        matrix, row = _scaled_rows(cuts.matrix, self.scale)
        return replace(cuts, matrix=matrix, upper=cuts.upper * row)


@dataclass(frozen=True, eq=False)
class _ScaledHeuristic:
    """A heuristic of a model at points of the scaled one."""

    heuristic: Heuristic
    model: MipModel
    scale: Array

    def find(self, model: MipModel, seconds: float) -> Array | None:
        x = self.heuristic.find(self.model, seconds)
        return None if x is None else x / self.scale

    def improve(self, model: MipModel, x: Array, seconds: float) -> Array | None:
        better = self.heuristic.improve(self.model, x * self.scale, seconds)
        return None if better is None else better / self.scale


def _scaled_rows(matrix: Matrix, scale: Array) -> tuple[sp.csr_array, Array]:
    """The rows over scaled columns, and what each was multiplied by."""
    scaled = sp.csr_array(matrix @ sp.diags_array(scale))
    largest = abs(scaled).max(axis=1).toarray().ravel() if scaled.shape[1] else np.zeros(scaled.shape[0])
    row = 1.0 / _power_of_two(np.where(largest > 0, largest, 1.0))
    return sp.csr_array(sp.diags_array(row) @ scaled), row


def _power_of_two(size: Array) -> Array:
    return np.exp2(np.round(np.log2(size)))
