"""Write a model in its units, and its solutions back: a solver's tolerances are absolute, ours are relative to ranges.

With x = c + s y (`relu2mip.mip.units`):

    r_i (A s y)_i  in  r_i [lower_i - (A c)_i, upper_i - (A c)_i]        k (cost @ s y + ...)  for the objective

A c is summed in extended precision, so that an offset leaves no digit of what varies behind. Powers of two change no
digit, so models, points and bounds mean the same before and after. A constant of the objective that exceeds the range
of the rest is left out: a relative gap would be relative to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Matrix
from relu2mip.mip.groups import group_of
from relu2mip.mip.model import MipModel
from relu2mip.mip.separator import Cuts
from relu2mip.mip.solution import Solution
from relu2mip.mip.units import Units, objective_over, over


def rescaled(model: MipModel, units: Units) -> MipModel:
    """The model over y.

    >>> import numpy as np
    >>> from relu2mip.mip import ModelBuilder, NameBlock
    >>> builder = ModelBuilder()
    >>> x = builder.add_columns(NameBlock("x", np.arange(2)), [99999.0, 0.0], [100001.0, 1e-6])
    >>> _ = builder.add_rows(NameBlock("r", np.arange(1)), [(np.array([[1.0, 1e6]]), x)], upper=1e5)
    >>> model = builder.build()
    >>> new = rescaled(model, Units.of(model))
    >>> new.lower, new.matrix.toarray(), new.row_upper
    (array([-1.,  0.]), array([[2.        , 0.95367432]]), array([0.]))
    """
    linear, square = objective_over(model, units.centre, units.size)
    row_lower, row_upper = _sides(model.matrix, model.row_lower, model.row_upper, units.centre, units.row)
    indicators = model.indicators
    if indicators is not None:
        lower, upper = _sides(indicators.matrix, indicators.lower, indicators.upper, units.centre, units.indicator)
        matrix = over(indicators.matrix, units.size, units.indicator)
        indicators = replace(indicators, matrix=matrix, lower=lower, upper=upper)
    maxima = model.maxima
    if maxima is not None:
        at = maxima.result
        maxima = replace(maxima, constant=(maxima.constant - units.centre[at]) / units.size[at])
    return replace(
        model,
        lower=units.inside(model.lower),
        upper=units.inside(model.upper),
        cost=linear * units.cost,
        matrix=over(model.matrix, units.size, units.row),
        row_lower=row_lower,
        row_upper=row_upper,
        offset=_kept(model, units) * units.cost,
        quadratic=None if model.quadratic is None else square * units.cost,
        indicators=indicators,
        maxima=maxima,
        start=None if model.start is None else units.inside(model.start),
    )


def restored(found: Solution, model: MipModel, units: Units) -> Solution:
    """A solution of the rescaled model as one of the model."""
    x = None if found.x is None else units.outside(found.x)
    objective = np.nan if x is None else model.objective(x)
    return replace(found, x=x, objective=objective, bound=objective_of(model, units)(found.bound))


def objective_of(model: MipModel, units: Units) -> Callable[[float], float]:
    """The objective of the model for one of the rescaled model."""
    away = _constant(model, units) - _kept(model, units)
    return lambda objective: objective / units.cost + away


@dataclass(frozen=True, eq=False)
class Rescaling:
    """The rescaled model as a `relu2mip.mip.aids.Reduction`."""

    units: Units

    def apply(self, x: Array) -> Array:
        """A point as y."""
        return self.units.inside(x)

    def invert(self, x: Array) -> Array:
        """The point that y stands for."""
        return self.units.outside(x)

    def cut(self, cuts: Cuts) -> Cuts:
        """Rows over x as rows over y, in their units."""
        factor = self.units.factor(cuts.matrix)
        upper = np.asarray((cuts.upper - _product(cuts.matrix, self.units.centre)) * factor, dtype=np.float64)
        return replace(cuts, matrix=over(cuts.matrix, self.units.size, factor), upper=upper)


def _sides(matrix: Matrix, lower: Array, upper: Array, centre: Array, factor: Array) -> tuple[Array, Array]:
    shift = _product(matrix, centre)
    low, high = (np.asarray((side - shift) * factor, dtype=np.float64) for side in (lower, upper))
    return low, high


def _constant(model: MipModel, units: Units) -> float:
    """The objective at the centres."""
    square = 0.0 if model.quadratic is None else _sum(model.quadratic * units.centre**2)
    return model.offset + _sum(model.cost * units.centre) + square


def _kept(model: MipModel, units: Units) -> float:
    """The constant that the rescaled objective keeps."""
    constant = _constant(model, units)
    return constant if abs(constant) <= units.range else 0.0


def _product(matrix: Matrix, x: Array) -> np.ndarray:
    """Matrix @ x in extended precision."""
    matrix = sp.csr_array(matrix)
    total = np.zeros(matrix.shape[0], dtype=np.longdouble)
    np.add.at(total, group_of(matrix.indptr), matrix.data.astype(np.longdouble) * x[matrix.indices])
    return total


def _sum(values: Array) -> float:
    return float(np.sum(values.astype(np.longdouble)))
