"""Affine maps as arrays, and the three of them that stand around the core of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """x -> weight x + bias, for vectors x; weight (rows, columns), bias (rows,)."""

    weight: Doubles
    bias: Doubles

    @classmethod
    def identity(cls, columns: int, rows: Sequence[int] | None = None) -> Affine:
        """The identity, or some of its rows."""
        weight = np.eye(columns)[range(columns) if rows is None else list(rows)]
        return cls(weight, np.zeros(len(weight)))

    def __call__(self, x: ArrayLike) -> Doubles:
        """The map of every row of x, (N, columns) to (N, rows)."""
        result: Doubles = np.asarray(x, dtype=np.float64) @ self.weight.T + self.bias
        return result

    def divided(self, offset: ArrayLike, scale: ArrayLike) -> Affine:
        """(weight x + bias - offset) / scale."""
        offset, scale = np.asarray(offset, dtype=np.float64), np.asarray(scale, dtype=np.float64)
        return Affine(self.weight / scale[:, None], (self.bias - offset) / scale)


@dataclass(frozen=True, eq=False)
class Encoding:
    """What stands around the core of a network: output = out core(into inputs) + past inputs.

    inputs: those of the network one after another, in physical units; output: physical too.
    past: what is known of the output without learning; None for nothing.
    """

    into: Affine
    out: Affine
    past: Affine | None = None
