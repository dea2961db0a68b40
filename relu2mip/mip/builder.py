"""Writes a model block by block: every method takes a whole vector of columns or rows."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.arrays import Array, Index, Mask, Matrix, triplets
from relu2mip.mip.aids import Aids
from relu2mip.mip.disjunction import Disjunction
from relu2mip.mip.expression import Expression, Tied
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import NameBlock, Names
from relu2mip.mip.parts import Groups, Indicators, Maxima, Pairs
from relu2mip.mip.separator import NO_CUTS, CutOptions, Separator

Terms: TypeAlias = "Sequence[tuple[Matrix | Array | float, Index]]"


class ModelBuilder:
    """Writes a `MipModel` by blocks: every method takes a whole vector of columns or rows.

    >>> import numpy as np
    >>> model = ModelBuilder()
    >>> x = model.add_columns(NameBlock("x", np.arange(2)), 0.0, 1.0)
    >>> rows = model.add_rows(NameBlock("sum", np.arange(1)), [(np.ones((1, 2)), x)], lower=1.5)
    >>> model.minimise([(np.ones(2), x)])
    >>> model.build()
    <MipModel: 2 columns (0 integer), 1 rows, 2 nonzeros>
    """

    def __init__(self) -> None:
        self._lower: list[Array] = []
        self._upper: list[Array] = []
        self._integer: list[Mask] = []
        self._column_names: list[NameBlock] = []
        self._size = 0
        self._triplets: list[tuple[Index, Index, Array]] = []
        self._row_lower: list[Array] = []
        self._row_upper: list[Array] = []
        self._row_names: list[NameBlock] = []
        self._rows = 0
        self._costs: list[tuple[Index, Array]] = []
        self._squares: list[tuple[Index, Array]] = []
        self._binaries = 0
        self._nonzeros = 0
        self._sos1: list[tuple[Index, NameBlock]] = []
        self._indicators: list[tuple[Index, Mask, list[tuple[Index, Index, Array]], Array, Array, NameBlock]] = []
        self._maxima: list[tuple[Index, Index, Index, Array, NameBlock]] = []
        self._pairs: list[tuple[Index, Index, NameBlock]] = []
        self._separators: list[Separator] = []
        self._cutting = NO_CUTS
        self.offset = 0.0
        self.values: dict[str, Index] = {}
        self.disjunctions: list[Disjunction] = []
        self.determined: list[tuple[Index, Index]] = []
        self.defined: list[Tied] = []
        self.held: list[Tied] = []

    def narrowed(self, lower: Array, upper: Array) -> ModelBuilder:
        """A copy to write on further, with these bounds of the columns so far."""
        new = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, list | dict):
                setattr(new, name, copy(value))
        new._lower, new._upper = [lower], [upper]
        return new

    @property
    def size(self) -> tuple[int, int, int, int]:
        """Columns, integer columns, rows and nonzeros so far."""
        return self._size, self._binaries, self._rows, self._nonzeros

    def limits(self) -> tuple[Array, Array]:
        """Lower and upper bounds of all columns so far."""
        return _join(self._lower), _join(self._upper)

    def add_columns(self, name: NameBlock, lower: ArrayLike, upper: ArrayLike, integer: bool = False) -> Index:
        """Add one column per name; bounds are scalars or vectors. Returns their positions."""
        size = int(name.numbers.size)
        self._lower.append(_spread(lower, size))
        self._upper.append(_spread(upper, size))
        self._integer.append(np.full(size, integer))
        self._column_names.append(name)
        columns = np.arange(self._size, self._size + size)
        self._size += size
        self._binaries += size if integer else 0
        known = self.values.get(name.vector)
        self.values[name.vector] = columns if known is None else np.concatenate([known, columns])
        return columns

    def add_rows(self, name: NameBlock, terms: Terms, lower: ArrayLike = -np.inf, upper: ArrayLike = np.inf) -> Index:
        """Add lower <= sum_k A_k x[columns_k] <= upper, one row per name; returns their positions.

        A_k is a matrix, or a vector or scalar that stands for a diagonal matrix.
        """
        size = int(name.numbers.size)
        for i, j, v in _entries(terms, size):
            self._triplets.append((i + self._rows, j, v))
            self._nonzeros += v.size
        self._row_lower.append(_spread(lower, size))
        self._row_upper.append(_spread(upper, size))
        self._row_names.append(name)
        rows = np.arange(self._rows, self._rows + size)
        self._rows += size
        return rows

    def determine(self, columns: Index, rows: Index) -> None:
        """Say that each of these rows alone gives its column from earlier ones, as an equality or an upper side.

        A basis in which they do is the one that linear programs start from.
        """
        self.determined.append((columns, rows))

    def define(self, name: NameBlock, columns: Index, x: Expression) -> Index:
        """Add rows x[columns] = x, remembered in `defined` for what reads the parts of a cost; returns their positions.

        For a square of the objective: columns that are the expressions to be squared.
        """
        self.defined.append(Tied(columns, x))
        return self.add_rows(name, [(1.0, columns), *x.scaled(-1.0).terms], x.constant, x.constant)

    def hold(self, name: NameBlock, columns: Index, x: Expression) -> Index:
        """Add rows x[columns] >= x, remembered in `held`; a column may be held above several. Returns their positions.

        For a maximum of affine functions in the objective: a minimised column, held above each of them.
        """
        self.held.append(Tied(columns, x))
        return self.add_rows(name, [(1.0, columns), *x.scaled(-1.0).terms], lower=x.constant)

    def add_sos1(self, name: NameBlock, members: Index) -> None:
        """Add one SOS1 set per name: row g of `members` (sets, columns) holds its columns."""
        self._sos1.append((members, name))

    def add_indicators(
        self,
        name: NameBlock,
        binary: Index,
        active: bool,
        terms: Terms,
        lower: ArrayLike = -np.inf,
        upper: ArrayLike = np.inf,
    ) -> None:
        """Add rows, one per name, each holding where its binary column equals `active`."""
        size = int(name.numbers.size)
        entries = _entries(terms, size)
        flags = np.full(size, active)
        self._indicators.append((binary, flags, entries, _spread(lower, size), _spread(upper, size), name))

    def add_maxima(
        self, name: NameBlock, result: Index, operands: Index, starts: Index, constant: ArrayLike = -np.inf
    ) -> None:
        """Make column result[k] the largest of columns operands[starts[k] : starts[k + 1]] and constant k."""
        self._maxima.append((result, operands, starts, _spread(constant, result.size), name))

    def add_pairs(self, name: NameBlock, first: Index, second: Index) -> None:
        """Let one of the columns first[k] and second[k] be zero."""
        self._pairs.append((first, second, name))

    def add_separator(self, separator: Separator, options: CutOptions) -> None:
        """Add a family of rows to be separated; the options of the last one hold for all."""
        self._separators.append(separator)
        self._cutting = options

    def minimise(self, terms: Sequence[tuple[ArrayLike, Index]], offset: float = 0.0) -> None:
        """Add sum_k c_k @ x[columns_k] + offset to the objective."""
        self._costs += [(columns, _spread(c, columns.size)) for c, columns in terms]
        self.offset += offset

    def minimise_squares(self, weights: ArrayLike, columns: Index) -> None:
        """Add weights @ x[columns]**2 to the objective."""
        self._squares.append((columns, _spread(weights, columns.size)))

    def minimise_expression(self, weights: Array, expression: Expression) -> None:
        """Add weights @ expression to the objective."""
        for matrix, columns in expression.terms:
            self._costs.append((columns, weights * matrix if matrix.ndim == 1 else np.asarray(weights @ matrix)))
        self.offset += float(weights @ expression.constant)

    def build(self) -> MipModel:
        """The finished model."""
        shape = (self._rows, self._size)
        sos1 = None
        if self._sos1:
            sizes = np.concatenate([np.full(m.shape[0], m.shape[1]) for m, _ in self._sos1])
            starts = np.concatenate([[0], np.cumsum(sizes)])
            sos1 = Groups(
                np.concatenate([m.ravel() for m, _ in self._sos1]),
                starts,
                Names(tuple(n for _, n in self._sos1)),
            )
        return MipModel(
            lower=_join(self._lower),
            upper=_join(self._upper),
            integer=np.concatenate([np.zeros(0, dtype=bool), *self._integer]),
            cost=self._vector(self._costs),
            matrix=_matrix(self._triplets, shape),
            row_lower=_join(self._row_lower),
            row_upper=_join(self._row_upper),
            column_names=Names(tuple(self._column_names)),
            row_names=Names(tuple(self._row_names)),
            offset=self.offset,
            quadratic=self._vector(self._squares) if self._squares else None,
            sos1=sos1,
            indicators=self._build_indicators(),
            maxima=self._build_maxima(),
            pairs=self._build_pairs(),
            values=dict(self.values),
        )

    @property
    def aids(self) -> Aids:
        """The separators that were added, and how to use them."""
        return Aids(separators=tuple(self._separators), cutting=self._cutting)

    def _vector(self, parts: list[tuple[Index, Array]]) -> Array:
        total = np.zeros(self._size)
        for columns, values in parts:
            np.add.at(total, columns, values)
        return total

    def _build_indicators(self) -> Indicators | None:
        if not self._indicators:
            return None
        entries, rows = [], 0
        for binary, _, block, *_ in self._indicators:
            entries += [(i + rows, j, v) for i, j, v in block]
            rows += binary.size
        return Indicators(
            binary=np.concatenate([part[0] for part in self._indicators]),
            active=np.concatenate([part[1] for part in self._indicators]),
            matrix=_matrix(entries, (rows, self._size)),
            lower=_join([part[3] for part in self._indicators]),
            upper=_join([part[4] for part in self._indicators]),
            names=Names(tuple(part[5] for part in self._indicators)),
        )

    def _build_maxima(self) -> Maxima | None:
        if not self._maxima:
            return None
        results, operands, starts, constants, names = zip(*self._maxima, strict=True)
        sizes = np.concatenate([np.diff(s) for s in starts])
        groups = Groups(np.concatenate(operands), np.concatenate([[0], np.cumsum(sizes)]), Names(names))
        return Maxima(np.concatenate(results), groups, np.concatenate(constants))

    def _build_pairs(self) -> Pairs | None:
        if not self._pairs:
            return None
        first, second, names = zip(*self._pairs, strict=True)
        return Pairs(np.concatenate(first), np.concatenate(second), Names(names))


def _spread(values: ArrayLike, size: int) -> Array:
    return np.array(np.broadcast_to(np.asarray(values, dtype=np.float64), size))


def _join(parts: list[Array]) -> Array:
    return np.concatenate([np.zeros(0), *parts])


def _entries(terms: Terms, size: int) -> list[tuple[Index, Index, Array]]:
    entries = []
    for matrix, columns in terms:
        if np.ndim(matrix) < 2 and not sp.issparse(matrix):
            diagonal = _spread(matrix, size)
            rows = np.flatnonzero(diagonal)
            entries.append((rows, columns[rows], diagonal[rows]))
        else:
            rows, local, values = triplets(matrix)
            entries.append((rows, columns[local], values))
    return entries


def _matrix(entries: list[tuple[Index, Index, Array]], shape: tuple[int, int]) -> Any:
    rows = np.concatenate([np.zeros(0, dtype=np.intp), *(i for i, _, _ in entries)])
    columns = np.concatenate([np.zeros(0, dtype=np.intp), *(j for _, j, _ in entries)])
    values = np.concatenate([np.zeros(0), *(v for _, _, v in entries)])
    matrix = sp.csr_array((values, (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix
