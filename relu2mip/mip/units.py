"""The units of a model's columns, rows and objective: what a violation, a bound or a gap is measured in.

The unit of a column is half the width of its bounds, which are proven ranges, so that x = centre + size * y has |y| of
about 1 whatever x is measured in:

    s_j = 2^round(log2 half-width),   c_j = the middle where that is further than `FAR` half-widths from 0, else 0

The unit of a row is its typical coefficient over y, that of the objective its largest. Sizes are powers of two, so that
scaling changes no digit. Integral columns keep their values. Columns of a maximum share size and centre; members of
SOS1 sets and pairs, for which 0 means something, are not moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from relu2mip.arrays import Array, Index, Mask, Matrix
from relu2mip.mip.groups import group_of
from relu2mip.mip.model import MipModel
from relu2mip.mip.parts import Maxima

FAR = 4.0
"""How many half-widths from 0 a column's middle must lie for the column to be moved."""

RESOLVED = 2.0**-36
"""Smallest half-width relative to a column's middle; less is lost in rounding."""

SPREAD = 2.0**-6
"""The typical coefficient of a row, its largest and smallest in the geometric mean, is at least this of the largest."""

EXACT = 2.0**-22
"""The unit of a row is at least this share of its largest term: rounding must stay far below a tolerance."""

COUNTED = 2.0**-20
"""Coefficients smaller than this share of a row's largest do not count for its unit."""


FLOOR = 1e-6
"""Smallest objective, as a share of its range, that a gap is relative to: at 0 a relative gap means nothing."""

TINY = 1e-300

ROUNDING = 2.0**-48
"""Differences of the objective below this share of its terms are lost in their sum."""

SQUARES = 1e-9
"""The same of squares in a solver's units: tangent cuts come no nearer to them."""


@dataclass(frozen=True, eq=False)
class Units:
    """centre, size: of each column.  fixed: which have no width.  row, indicator: what each row is multiplied by.

    cost: what the objective is multiplied by.  range: the largest difference that the objective can make within the
    bounds of the columns, in the model's own units; infinite where those of a column in it are.  resolution: the
    largest difference of it that is lost in rounding.
    """

    centre: Array
    size: Array
    fixed: Mask
    row: Array
    indicator: Array
    cost: float
    range: float
    resolution: float

    @classmethod
    def of(cls, model: MipModel) -> Units:
        """The units of a model, worked out once.

        >>> import numpy as np
        >>> from relu2mip.mip import ModelBuilder, NameBlock
        >>> model = ModelBuilder()
        >>> _ = model.add_columns(NameBlock("x", np.arange(2)), [99999.0, 0.0], [100001.0, 1e-6])
        >>> units = Units.of(model.build())
        >>> units.centre, units.size
        (array([100000.,      0.]), array([1.00000000e+00, 4.76837158e-07]))
        """
        if (known := _known.get(model)) is not None:
            return known
        centre, size, fixed = _columns(model)
        row = _factor(model.matrix, centre, size, fixed)
        inner = model.indicators
        indicator = np.ones(0) if inner is None else _factor(inner.matrix, centre, size, fixed)
        linear, square = objective_over(model, centre, size)
        largest = max(np.abs(linear).max(initial=0.0), square.max(initial=0.0))
        cost = 1.0 / float(_power_of_two(largest or 1.0))
        low, high = (model.lower - centre) / size, (model.upper - centre) / size
        lost = ROUNDING * _terms(model, centre, size)
        if model.quadratic is not None:
            reach = np.maximum(np.abs(low), np.abs(high))
            held = (square > 0) & np.isfinite(reach)
            lost += SQUARES * float(square[held] @ reach[held] ** 2)
        _known[model] = cls(centre, size, fixed, row, indicator, cost, _range(model, linear, square, low, high), lost)
        return _known[model]

    def gap(self, objective: float, bound: float) -> float:
        """|objective - bound| relative to |objective|, but to no more than the range and no less than `FLOOR` of it."""
        away = abs(objective - bound)
        if not 0 < self.range < np.inf:
            return away / max(TINY, abs(objective))
        return away / max(TINY, min(max(abs(objective), FLOOR * self.range), self.range)) if away > 0 else 0.0

    def slack(self, objective: float, gap: float) -> float:
        """How far below an objective a bound may be at this gap."""
        return gap / self.gap(objective, objective - 1.0)

    def factor(self, matrix: Matrix) -> Array:
        """The factors of further rows over the columns."""
        return _factor(matrix, self.centre, self.size, self.fixed)

    def inside(self, x: Array) -> Array:
        """A point of the model (NaN where it says nothing) as y."""
        return (x - self.centre) / self.size

    def outside(self, y: Array) -> Array:
        """The point x of the model that y stands for."""
        return self.centre + self.size * y


_known: WeakKeyDictionary[MipModel, Units] = WeakKeyDictionary()


def _columns(model: MipModel) -> tuple[Array, Array, Mask]:
    """Centre and size of every column, and which are fixed."""
    low, high = model.lower, model.upper
    finite = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):
        middle, half = np.where(finite, low / 2 + high / 2, 0.0), np.where(finite, high / 2 - low / 2, 0.0)
    if model.maxima is not None:
        middle, half = _tied(model.maxima, low, high, middle, half)
    fixed = finite & (half <= 0)
    size = np.maximum(half, RESOLVED * np.abs(middle))
    if not (known := finite & (size > 0)).all():
        size = np.where(known, size, _reach(model, np.where(finite, size, 0.0)))
    still = model.integer.copy()
    if model.maxima is not None:
        still = _any_in_component(model.maxima, still)
    size = np.where(still, 1.0, _power_of_two(size))
    still |= ~finite
    if model.sos1 is not None:
        still[model.sos1.members] = True
    if model.pairs is not None:
        still[model.pairs.first] = still[model.pairs.second] = True
    if model.maxima is not None:
        still = _any_in_component(model.maxima, still)
    moved = ~still & (np.abs(middle) > FAR * half)
    return np.where(moved, middle, 0.0), size, fixed


def _reach(model: MipModel, size: Array) -> Array:
    """For each column the largest change that the other columns of its rows ask of it; 1 where they ask none."""
    matrix = abs(model.matrix).tocoo()
    weight = matrix.data * size[matrix.col]
    reach, largest = np.zeros(size.size), np.zeros(model.rows)
    np.maximum.at(largest, matrix.row, weight)
    used = (matrix.data > 0) & (weight < largest[matrix.row])
    np.maximum.at(reach, matrix.col[used], largest[matrix.row[used]] / matrix.data[used])
    return np.where(reach > 0, reach, 1.0)


def _tied(maxima: Maxima, low: Array, high: Array, middle: Array, half: Array) -> tuple[Array, Array]:
    """Middle and half-width of the hull of the columns that a maximum ties; 0 where that is not finite."""
    component, tied = _components(maxima, low.size)
    count = int(component.max(initial=-1)) + 1
    least, most = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(least, component, low)
    np.maximum.at(most, component, high)
    known = np.isfinite(least) & np.isfinite(most)
    centre = np.where(known, np.where(known, least, 0) / 2 + np.where(known, most, 0) / 2, 0.0)
    width = np.where(known, np.where(known, most, 0) / 2 - np.where(known, least, 0) / 2, 1.0)
    return np.where(tied, centre[component], middle), np.where(tied, width[component], half)


def _any_in_component(maxima: Maxima, flags: Mask) -> Mask:
    component, _ = _components(maxima, flags.size)
    of_any = np.zeros(int(component.max(initial=-1)) + 1, dtype=bool)
    np.logical_or.at(of_any, component, flags)
    return np.asarray(of_any[component])


def _components(maxima: Maxima, columns: int) -> tuple[Index, Mask]:
    """The component of each column in the graph of operands and results, and which columns have neighbours there."""
    of = group_of(maxima.operands.starts)
    ends = maxima.operands.members, maxima.result[of]
    graph = sp.coo_array((np.ones(of.size), ends), shape=(columns, columns))
    component = np.asarray(connected_components(graph, directed=False)[1], dtype=np.intp)
    tied = np.zeros(columns, dtype=bool)
    tied[ends[0]] = tied[maxima.result] = True
    return component, tied


def objective_over(model: MipModel, centre: Array, size: Array) -> tuple[Array, Array]:
    """Linear and square coefficients of the objective over y, in the units of the objective."""
    if model.quadratic is None:
        return model.cost * size, np.zeros(model.columns)
    return (model.cost + 2 * model.quadratic * centre) * size, model.quadratic * size**2


def _range(model: MipModel, linear: Array, square: Array, low: Array, high: Array) -> float:
    """How far apart two values of the objective can be within the bounds; infinite where those of a column are.

    linear, square: its coefficients over y, low, high: the bounds of y. There terms that cancel are gone.
    """
    finite = np.isfinite(low) & np.isfinite(high)
    used = model.cost != 0 if model.quadratic is None else (model.cost != 0) | (model.quadratic != 0)
    if (used & ~finite).any():
        return np.inf
    b, a, low, high = linear[used], square[used], low[used], high[used]
    vertex = np.clip(np.divide(-b, 2 * a, out=low.copy(), where=a > 0), low, high)
    values = np.stack([b * y + a * y**2 for y in (low, high, vertex)])
    return float(np.ptp(values, axis=0).sum())


def _terms(model: MipModel, centre: Array, size: Array) -> float:
    """The sum of the absolute terms of the objective, about."""
    reach = np.abs(centre) + size
    square = 0.0 if model.quadratic is None else float(model.quadratic @ reach**2)
    return abs(model.offset) + float(np.abs(model.cost) @ reach) + square


def over(matrix: Matrix, size: Array, factor: Array | None = None) -> sp.csr_array:
    """The rows over columns in units of `size`, each multiplied by its factor."""
    scaled = sp.csr_array(matrix @ sp.diags_array(size))
    return scaled if factor is None else sp.csr_array(sp.diags_array(factor) @ scaled)


def _factor(matrix: Matrix, centre: Array, size: Array, fixed: Mask) -> Array:
    """The factor of each row with which its typical coefficient over y is about 1, a power of two."""
    matrix = sp.csr_array(matrix)
    row, entries = group_of(matrix.indptr), np.abs(matrix.data)
    sizes = entries * np.where(fixed, 0.0, size)[matrix.indices]
    terms = entries * (np.abs(centre) + FAR * size)[matrix.indices]
    largest, term = np.zeros(matrix.shape[0]), np.zeros(matrix.shape[0])
    np.maximum.at(largest, row, sizes)
    np.maximum.at(term, row, terms)
    smallest = largest.copy()
    counted = sizes > COUNTED * largest[row]
    np.minimum.at(smallest, row[counted], sizes[counted])
    typical = np.maximum(np.maximum(np.sqrt(largest * smallest), SPREAD * largest), EXACT * term)
    return np.asarray(1.0 / _power_of_two(np.where(typical > 0, typical, 1.0)))


def _power_of_two(size: Array | float) -> Array:
    return np.asarray(np.exp2(np.round(np.log2(size))))
