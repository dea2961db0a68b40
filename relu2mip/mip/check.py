"""How far a point is from satisfying a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.mip.model import MipModel
from relu2mip.mip.units import Units


@dataclass(frozen=True)
class Violation:
    """The worst violations of one kind: `absolute` in the units of rows or columns, `scaled`, and whose that is."""

    kind: str
    name: str
    absolute: float
    scaled: float

    def __str__(self) -> str:
        return f"{self.kind} {self.name} by {self.absolute:.2g} (scaled {self.scaled:.2g})"


@dataclass(frozen=True)
class Violations:
    """The worst violation of every kind that is violated at all, worst scaled one first.

    Scaled is relative to the range of what is violated (`relu2mip.mip.units`), whatever its units: of the column, or of
    the terms of the row; integrality is not scaled. Solvers promise about 1e-6 of this, of a pair about 1e-6 for the
    product.
    """

    worst: tuple[Violation, ...]

    @property
    def rows(self) -> float:
        """Worst absolute violation of a row."""
        return self._of("row")

    @property
    def bounds(self) -> float:
        """Worst absolute violation of a column's bounds."""
        return self._of("bound of column")

    @property
    def integrality(self) -> float:
        """Worst distance of an integral column from an integer."""
        return self._of("integrality of column")

    @property
    def sos1(self) -> float:
        """Worst absolute value of a second nonzero in an SOS1 set."""
        return self._of("SOS1 set")

    @property
    def indicators(self) -> float:
        """Worst absolute violation of an indicator row whose binary is active."""
        return self._of("indicator row")

    @property
    def maxima(self) -> float:
        """Worst distance of a column from the maximum it is to be."""
        return self._of("maximum")

    @property
    def pairs(self) -> float:
        """Worst absolute value of the smaller column of a complementary pair."""
        return self._of("complementary pair")

    @property
    def largest(self) -> float:
        """Worst scaled violation of any kind."""
        return max((violation.scaled for violation in self.worst), default=0.0)

    def feasible(self, tolerance: float = 1e-6) -> bool:
        """Whether every scaled violation is within the tolerance."""
        return self.largest <= tolerance

    def _of(self, kind: str) -> float:
        return max((violation.absolute for violation in self.worst if violation.kind == kind), default=0.0)

    def __str__(self) -> str:
        return "violated: " + "; ".join(map(str, self.worst)) if self.worst else "no violation"


def violations(model: MipModel, x: Array, units: Units | None = None) -> Violations:
    """The violations by a point of all columns; a value that is not finite violates its bounds infinitely.

    units: those of the model, where they are known already.

    >>> import numpy as np
    >>> from relu2mip.mip import ModelBuilder, NameBlock
    >>> model = ModelBuilder()
    >>> x = model.add_columns(NameBlock("x", np.arange(2)), 0.0, 1.0, integer=True)
    >>> _ = model.add_rows(NameBlock("sum", np.arange(1)), [(np.ones((1, 2)), x)], upper=1.0)
    >>> print(violations(model.build(), np.array([1.0, 0.25])))
    violated: row sum[0] by 0.25 (scaled 0.25); integrality of column x[1] by 0.25 (scaled 0.25)
    """
    columns = model.column_names
    if not np.isfinite(x).all():
        return Violations((Violation("bound of column", columns[int(np.argmin(np.isfinite(x)))], np.inf, np.inf),))
    units = Units.of(model) if units is None else units
    rows, outside = _excess(model.matrix @ x, model.row_lower, model.row_upper), _excess(x, model.lower, model.upper)
    found = [
        _worst("row", model.row_names, rows, rows * units.row),
        _worst("bound of column", columns, outside, outside / units.size),
    ]
    distance = np.where(model.integer, np.abs(x - np.round(x)), 0.0)
    found.append(_worst("integrality of column", columns, distance, distance))
    if (sets := model.sos1) is not None and len(sets):
        second, scaled = (_second_largest(np.abs(v[sets.members]), sets.starts) for v in (x, x / units.size))
        found.append(_worst("SOS1 set", sets.names, second, scaled))
    if (inner := model.indicators) is not None and inner.binary.size:
        holds = np.round(x[inner.binary]) == inner.active
        broken = _excess(inner.matrix @ x, inner.lower, inner.upper) * holds
        found.append(_worst("indicator row", inner.names, broken, broken * units.indicator))
    if (maxima := model.maxima) is not None and len(maxima):
        largest = np.maximum.reduceat(x[maxima.operands.members], maxima.operands.starts[:-1])
        away = np.abs(x[maxima.result] - np.maximum(largest, maxima.constant))
        found.append(_worst("maximum", maxima.operands.names, away, away / units.size[maxima.result]))
    if (pairs := model.pairs) is not None and len(pairs):
        smaller, scaled = (np.minimum(v[pairs.first], v[pairs.second]) for v in (np.abs(x), np.abs(x) / units.size))
        found.append(_worst("complementary pair", pairs.names, smaller, scaled))
    kept = [violation for violation in found if violation is not None]
    return Violations(tuple(sorted(kept, key=lambda violation: -violation.scaled)))


def feasible(model: MipModel, x: Array, tolerance: float = 1e-6) -> bool:
    """Whether a point satisfies the model to a scaled tolerance."""
    return violations(model, x).feasible(tolerance)


def _excess(value: Array, lower: Array, upper: Array) -> Array:
    return np.maximum(np.maximum(lower - value, value - upper), 0.0)


def _second_largest(values: Array, starts: Index) -> Array:
    sets = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    order = np.lexsort((values, sets))
    position = np.maximum(starts[1:] - 2, 0)
    return np.where(np.diff(starts) >= 2, values[order][np.minimum(position, values.size - 1)], 0.0)


def _worst(kind: str, names: Sequence[str], absolute: Array, scaled: Array) -> Violation | None:
    if not scaled.size or not scaled.max() > 0:
        return None
    worst = int(np.argmax(scaled))
    return Violation(kind, names[worst], float(absolute.max()), float(scaled[worst]))
