"""A problem's objective from below, and its rows, over the outputs of its form: what a cell can be judged by.

The problem writes itself on columns v that stand for the outputs, and its costs say which pieces they wrote
(`ModelBuilder.hold`, `ModelBuilder.define`). A column s held above functions  p_k @ v + q_k  costs at least their
largest, so at least any average of them, of which its lower bound is one:

    weight s  >=  weight (sum_k a_k (p_k @ v + q_k) + a_0 floor),     a >= 0,  sum_k a_k + a_0 = 1 ;

a squared column e = r @ v + t costs at least its tangent anywhere. Together with what is linear already, each choice of
averages and tangents is a linear function below the objective, whose minimum over a zonotope is a sum of absolute
values. The better of two choices (every s at its floor unless one row alone can exceed it; every row weighed by how far
it can) is improved by Frank-Wolfe steps, towards the rows and tangents that are largest where the function is least.

Rows over v alone are constraints. Of a column without pieces only its bounds are known, and other rows are left out:
both only loosen.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from relu2mip.arrays import Array, Index, Mask
from relu2mip.bounds.crown import ROUNDING
from relu2mip.bounds.zonotopes import Zonotopes
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.mip.expression import Tied, joined
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.unrolled import Unrolled

ITERATIONS = 4
"""Most Frank-Wolfe steps; twice as many needed hardly fewer cells."""

STEPS = (0.05, 0.12, 0.25, 0.5, 1.0)
"""Lengths that are tried of each."""


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear functions offset + weights @ v below the objective, one a cell: (B,) and (B, K).

    On the zonotopes of the cells they are constant + slope @ e, e in [-1, 1]^S.
    """

    offset: Array
    weights: Array
    constant: Array
    slope: Array

    @classmethod
    def of(cls, offset: Array, weights: Array, cells: Zonotopes) -> Linear:
        """On these cells."""
        constant = offset + (weights * cells.centre).sum(axis=1)
        return cls(offset, weights, constant, np.matmul(weights[:, None, :], cells.generators)[:, 0])

    @cached_property
    def least(self) -> Array:
        """The minimum over each cell, rounded down."""
        radius = np.abs(self.slope).sum(axis=1)
        size = np.abs(self.offset) + np.abs(self.constant) + radius
        return np.asarray(self.constant - radius - ROUNDING * self.weights.shape[1] * size)

    def towards(self, other: Linear, step: float) -> Linear:
        """A convex combination of the two."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Linear(*((1 - step) * mine + step * its for mine, its in pairs))

    def or_better(self, other: Linear) -> Linear:
        """Cell by cell the one with the larger minimum."""
        better = other.least > self.least
        if not better.any():
            return self
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Linear(*(np.where(better if a.ndim == 1 else better[:, None], b, a) for a, b in pairs))


@dataclass(frozen=True, eq=False)
class Minorant:
    """The objective and the rows of a problem over the outputs v of its form, (K,).

    cost, offset: the linear part.  pieces, piece_constants: rows p_k, q_k, those of a column end to end from `starts`;
    owner: which column each belongs to; weights, floors: of the columns.  squares, square_constants, square_weights:
    rows r, t.  rows, row_lower, row_upper, row_names: constraints.
    """

    cost: Array
    offset: float
    pieces: Array
    piece_constants: Array
    owner: Index
    starts: Index
    weights: Array
    floors: Array
    squares: Array
    square_constants: Array
    square_weights: Array
    rows: Array
    row_lower: Array
    row_upper: Array
    row_names: list[str]

    @classmethod
    def of(cls, unrolled: Unrolled, bounds: Bounds) -> Minorant:
        """Of what a problem writes, for the outputs of a form (that of `unrolled`, or a rewrite) in order."""
        builder, form = ModelBuilder(), bounds.form
        columns = {
            i: builder.add_columns(NameBlock.of(form.values[i].place), bounds.lower[i], bounds.upper[i])
            for i in dict.fromkeys(form.outputs.values())
        }
        size = builder.size[0]
        unrolled.write(builder, {name: Expression.of(columns[i]) for name, i in form.outputs.items()})
        return _pieces(builder, size)

    def below(self, cells: Zonotopes) -> Linear:
        """Linear functions below the objective, one a cell; -inf where a part of it has no lower bound."""
        if not np.isfinite(self.offset):
            none = np.zeros_like(cells.centre)
            return Linear(
                np.full(len(none), -np.inf), none, np.full(len(none), -np.inf), np.zeros(cells.generators.shape[::2])
            )
        return _Average(self, cells).best()

    def excluded(self, cells: Zonotopes) -> Mask:
        """Which of the constraints cannot be met in which cell, (B, rows)."""
        centre = cells.centre @ self.rows.T
        radius = np.abs(np.matmul(self.rows, cells.generators)).sum(axis=2)
        radius += ROUNDING * (np.abs(cells.centre) @ np.abs(self.rows).T + radius)
        return np.asarray((centre - radius > self.row_upper) | (centre + radius < self.row_lower))


class _Average:
    """The search for averages and tangents over one batch of cells."""

    def __init__(self, minorant: Minorant, cells: Zonotopes) -> None:
        self.minorant, self.cells = minorant, cells
        low, high = cells.box
        plus, minus = np.maximum(minorant.pieces.T, 0.0), np.minimum(minorant.pieces.T, 0.0)
        self.most = high @ plus + low @ minus + minorant.piece_constants
        self.floors = np.maximum(minorant.floors, self._largest(low @ plus + high @ minus + minorant.piece_constants))

    def best(self) -> Linear:
        above = np.maximum(self.most - self._spread(self.floors), 0.0)
        total = self._spread(self._sums(above))
        share = above / np.where(total > 0, total, 1.0)
        alone = np.where(above >= total, share, 0.0)
        found = self._function(alone, self.cells.centre).or_better(self._function(share, self.cells.centre))
        for _ in range(ITERATIONS):
            v = self.cells.centre - np.matmul(self.cells.generators, np.sign(found.slope)[:, :, None])[:, :, 0]
            values = v @ self.minorant.pieces.T + self.minorant.piece_constants
            largest = np.maximum(self._largest(values), self.floors)
            hit = (values >= self._spread(largest)).astype(np.float64)
            there = self._function(hit / np.maximum(self._spread(self._sums(hit)), 1.0), v)
            here = found
            for step in STEPS:
                found = found.or_better(here.towards(there, step))
            if found is here:
                break
        return found

    def _function(self, share: Array, v: Array) -> Linear:
        """The function with these shares of the pieces (the rest is the floor's), and the tangents at v."""
        m = self.minorant
        pieces = share * m.weights[m.owner]
        rest = (1.0 - self._sums(share)) * self.floors
        tangent = v @ m.squares.T + m.square_constants
        steep = 2.0 * tangent * m.square_weights
        offset = m.offset + pieces @ m.piece_constants + rest @ m.weights
        offset = offset + steep @ m.square_constants - tangent**2 @ m.square_weights
        return Linear.of(offset, m.cost + pieces @ m.pieces + steep @ m.squares, self.cells)

    def _largest(self, pieces: Array) -> Array:
        """The largest piece of each column."""
        starts = self.minorant.starts
        return np.maximum.reduceat(pieces, starts, axis=1) if starts.size else np.zeros((len(pieces), 0))

    def _sums(self, pieces: Array) -> Array:
        """The sum of the pieces of each column."""
        starts = self.minorant.starts
        return np.add.reduceat(pieces, starts, axis=1) if starts.size else np.zeros((len(pieces), 0))

    def _spread(self, columns: Array) -> Array:
        """A number of each column, for each of its pieces."""
        return columns[:, self.minorant.owner]


def _pieces(builder: ModelBuilder, size: int) -> Minorant:
    """The parts of an objective and of its constraints in a model whose first `size` columns are the outputs."""
    model = builder.build()
    quadratic = np.zeros(model.columns) if model.quadratic is None else model.quadratic
    outputs = np.arange(model.columns) < size

    def over_outputs(ties: list[Tied], counted: Mask) -> tuple[Index, Array, Array]:
        columns, matrix, constants = joined(ties, model.columns)
        kept = np.flatnonzero(counted[columns] & (abs(matrix) @ (~outputs).astype(float) == 0))
        return columns[kept], matrix[kept][:, :size].toarray(), constants[kept]

    defined, squares, square_constants = over_outputs(builder.defined, quadratic > 0)
    defined, first = np.unique(defined, return_index=True)
    squares, square_constants = squares[first], square_constants[first]
    held, pieces, piece_constants = over_outputs(builder.held, (model.cost > 0) & (quadratic == 0))
    order = np.argsort(held, kind="stable")
    owners, owner = np.unique(held[order], return_inverse=True)

    linear = model.cost[:size] + model.cost[defined] @ squares
    offset = model.offset + float(model.cost[defined] @ square_constants)
    known = outputs.copy()
    known[defined] = known[owners] = True
    cost, square = np.where(known, 0.0, model.cost), np.where(known, 0.0, quadratic)
    ends = np.where(cost > 0, model.lower, model.upper)
    offset += float((cost[cost != 0] * ends[cost != 0]).sum() + square @ np.clip(0.0, model.lower, model.upper) ** 2)

    direct = np.flatnonzero(quadratic[:size] > 0)
    alone = np.flatnonzero(abs(model.matrix) @ (~outputs).astype(float) == 0)
    return Minorant(
        cost=linear,
        offset=offset,
        pieces=pieces[order],
        piece_constants=piece_constants[order],
        owner=owner,
        starts=np.searchsorted(owner, np.arange(owners.size)),
        weights=model.cost[owners],
        floors=model.lower[owners],
        squares=np.concatenate([squares, np.eye(size)[direct]]),
        square_constants=np.concatenate([square_constants, np.zeros(direct.size)]),
        square_weights=np.concatenate([quadratic[defined], quadratic[direct]]),
        rows=model.matrix[alone][:, :size].toarray(),
        row_lower=model.row_lower[alone],
        row_upper=model.row_upper[alone],
        row_names=[model.row_names[k] for k in alone.tolist()],
    )
