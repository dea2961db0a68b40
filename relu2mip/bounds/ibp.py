"""Interval propagation: each value's box from the boxes of what it reads, in one pass.

For y = A x + b with x in the box of centre c and radius r (componentwise),

    A c + b - |A| r  <=  y  <=  A c + b + |A| r ,

widened by the rounding error of the sums. Exact for one affine value over a box; it forgets every dependence between
units, so over a horizon it grows step by step until the state boxes cut it.

Source: Moore, Interval Analysis, 1966; for networks Gowal et al. 2018, "On the Effectiveness of Interval Bound
Propagation for Training Verifiably Robust Models".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array, Matrix
from relu2mip.errors import UnboundedUnit
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu
from relu2mip.options import Part
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.intersect import intersect
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled


@dataclass(frozen=True)
class Ibp(Part):
    """Interval bound propagation; no options."""

    name: ClassVar[str] = "ibp"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """One pass over the form; raises `UnboundedUnit` for an input without a finite box."""
        lower, upper = propagate(bounds.form, list(bounds.lower), list(bounds.upper))
        return Tightened(tuple(lower), tuple(upper))


def propagate(form: NormalForm, lower: list[Array], upper: list[Array]) -> tuple[list[Array], list[Array]]:
    """Tighten lists of bounds in place, in topological order; returns them."""
    magnitudes: dict[int, Matrix] = {}
    for i in range(len(form.values)):
        box = propagate_value(form, i, lower, upper, magnitudes)
        lower[i], upper[i] = intersect(form, i, lower, upper, box)
    return lower, upper


def propagate_value(
    form: NormalForm, i: int, lower: list[Array], upper: list[Array], magnitudes: dict[int, Matrix]
) -> tuple[Array, Array]:
    """The interval of one value from those of what it reads; `magnitudes` caches |A| of shared matrices."""
    value = form.values[i]
    match value:
        case Input():
            _require_finite(value, lower[i], upper[i])
            return lower[i], upper[i]
        case Affine():
            return _affine(value, lower, upper, magnitudes)
        case Relu():
            return np.maximum(lower[value.input], 0.0), np.maximum(upper[value.input], 0.0)
        case Max():
            x, starts = value.members, value.starts[:-1]
            low, high = lower[value.input][x], upper[value.input][x]
            return np.maximum.reduceat(low, starts), np.maximum.reduceat(high, starts)


def _affine(
    value: Affine, lower: list[Array], upper: list[Array], magnitudes: dict[int, Matrix]
) -> tuple[Array, Array]:
    centre, spread = value.bias.copy(), np.zeros((value.size, 2))
    spread[:, 1] = np.abs(value.bias)
    terms = 1
    for k, matrix in zip(value.inputs, value.matrices, strict=True):
        if id(matrix) not in magnitudes:
            magnitudes[id(matrix)] = abs(matrix)
        middle, radius = (lower[k] + upper[k]) / 2, (upper[k] - lower[k]) / 2
        centre += matrix @ middle
        spread += magnitudes[id(matrix)] @ np.stack([radius, np.abs(middle) + radius], axis=1)
        terms += matrix.shape[1]
    # spread[:, 1] bounds the sum of absolute values, so this covers the rounding of both sums; nothing was added up
    # where it is zero or the value is a constant.
    slack = 4 * terms * np.finfo(np.float64).eps * spread[:, 1] if value.inputs else 0.0
    return centre - spread[:, 0] - slack, centre + spread[:, 0] + slack


def _require_finite(value: Input, lower: Array, upper: Array) -> None:
    bad = ~(np.isfinite(lower) & np.isfinite(upper))
    if bad.any():
        unit = int(np.flatnonzero(bad)[0])
        raise UnboundedUnit(
            f"input {value.place.name(unit)} has the box [{lower[unit]:g}, {upper[unit]:g}]; give it finite limits"
        )
