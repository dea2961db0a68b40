"""Big-M and the facets that make it ideal for each unit, separated where they are violated.

ReLU y = max(x, 0) with x = w @ v + b over columns v in [L, U], and a = 1 where the unit is active. With p_i and q_i the
smallest and largest w_i v_i, every subset I of the columns gives a valid row

    y <= sum_{i in I} (w_i v_i - p_i (1 - a)) + (b + sum_{i not in I} q_i) a

and at a point (v, a, y) the one with the smallest right-hand side has I = {i: w_i v_i - p_i (1 - a) < q_i a}: linear
time, here for all units of a layer at once. These 2^n rows, those of big-M with the bounds of x, and 0 <= a <= 1 are
the convex hull of the unit's points over the box of v where x is within its bounds.

Written are the columns and rows of `big_m`, which is exact already. Rounds at the root add facets that the linear
relaxation violates (`relu2mip.lp.cuts`); with `callback` a backend that can separates at the nodes of its search too.
A facet has at most two entries more than the unit's row of w. Its constant is rounded up, so that it holds in exact
arithmetic. Maxima are those of big-M.

Ideal for each unit by itself: not for a layer, and not for two layers.

Source: Anderson, Huchette, Ma, Tjandraatmadja, Vielma, "Strong mixed-integer programming formulations for trained
neural networks" (Mathematical Programming, 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.formulations.big_m import BigM
from relu2mip.mip import Expression, ModelBuilder
from relu2mip.mip.separator import VIOLATED, CutOptions, Cuts
from relu2mip.normal_form import Place
from relu2mip.options import Part

EPS = 8 * np.finfo(np.float64).eps
"""More than the relative rounding error of a facet's constants, for one entry."""


@dataclass(frozen=True)
class Ideal(CutOptions, Part):
    """Big-M, and facets of each unit's convex hull in rounds at the root.

    rounds: most of them.  tolerance: they end when three together move the bound by less, relatively.  most: cuts in a
    round, 0 for no limit.  budget: seconds after which no round begins.  callback: look for facets at the nodes of the
    search too (Gurobi).
    """

    name: ClassVar[str] = "ideal"
    exact: ClassVar[bool] = True

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        y = BigM().relu(model, x, lower, upper, place)
        a = model.values[f"{place.prefix}.a"][-y.size :]
        model.add_separator(Facets.of(x, *model.limits(), a, y), self)
        return y

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, as big-M writes them."""
        return BigM().max(model, x, starts, lower, upper, place)


@dataclass(frozen=True, eq=False)
class Facets:
    """The facets of the units of one layer.

    weights: w of each unit over all columns, as CSR.  unit, low, high: of each of its nonzeros, the unit, and the
    smallest and largest product w_i v_i.
    """

    weights: Any
    bias: Array
    unit: Index
    low: Array
    high: Array
    a: Index
    y: Index

    @classmethod
    def of(cls, x: Expression, lower: Array, upper: Array, a: Index, y: Index) -> Facets:
        """For pre-activations over columns with these limits."""
        weights = x.matrix(lower.size)
        ends = weights.data * lower[weights.indices], weights.data * upper[weights.indices]
        unit = np.repeat(np.arange(x.size), np.diff(weights.indptr))
        return cls(weights, x.constant, unit, np.minimum(*ends), np.maximum(*ends), a, y)

    def separate(self, x: Array) -> Cuts:
        """The most violated facet of every unit that has one; see `Separator.separate`."""
        products, a = self.weights.data * x[self.weights.indices], x[self.a]
        inside, outside = products - self.low * (1 - a)[self.unit], self.high * a[self.unit]
        chosen = inside < outside
        violation = x[self.y] - self.bias * a - self._sum(np.where(chosen, inside, outside))
        constant = self._sum(np.where(chosen, self.low, 0.0))
        slope = self.bias + constant + self._sum(np.where(chosen, 0.0, self.high))
        squares = self._sum(np.where(chosen, self.weights.data**2, 0.0))
        distance = violation / np.sqrt(1.0 + slope**2 + squares)
        cut = np.flatnonzero(distance > VIOLATED)
        # y - sum_I w v - slope a <= -constant, over all columns of the point.
        kept = chosen & (distance > VIOLATED)[self.unit]
        row = np.empty(self.bias.size, dtype=np.intp)
        row[cut] = np.arange(cut.size)
        rows = np.concatenate([np.arange(cut.size), np.arange(cut.size), row[self.unit[kept]]])
        columns = np.concatenate([self.y[cut], self.a[cut], self.weights.indices[kept]])
        values = np.concatenate([np.ones(cut.size), -slope[cut], -self.weights.data[kept]])
        matrix = sp.csr_array((values, (rows, columns)), shape=(cut.size, x.size))
        matrix.eliminate_zeros()
        return Cuts(matrix, (self.rounding - constant)[cut], distance[cut], self.y[cut])

    @property
    def rounding(self) -> Array:
        """More than the rounding error of any facet's constants."""
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        return np.asarray(EPS * (1 + np.diff(self.weights.indptr)) * (np.abs(self.bias) + self._sum(size)))

    def _sum(self, entries: Array) -> Array:
        """The sum of each unit's entries."""
        return np.bincount(self.unit, entries, minlength=self.bias.size).astype(np.float64)
