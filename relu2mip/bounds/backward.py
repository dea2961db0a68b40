"""The schedule of a backward pass, whatever it computes with: numpy for bounds, torch for gradients.

A pass has terms C_k @ value_k, whose sum it bounds from below. From the last value to the first, a term is replaced by
what bounds it in terms of earlier values, until only inputs are left, which are bounded over their boxes. At each kept
value (a state between steps), the terms met are also bounded over what is known there, and the best bound counts; an
input that nothing before it reads is bounded once and for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import numpy as np

from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu

Rows = TypeVar("Rows")
"""Coefficients (rows, size) and bounds (rows,)."""

Total = TypeVar("Total")
"""The sums of the constants of the rows, so far."""


class Backward(ABC, Generic[Rows, Total]):
    """Passes through a form; `window` is how many layers of ReLUs or maxima they go back, 0 for all of them."""

    def __init__(self, form: NormalForm, window: int = 0) -> None:
        self.form, self.window = form, window
        self.depth = np.cumsum([isinstance(value, Relu | Max) for value in form.values])
        self._first_reader = [min(readers, default=len(form.values)) for readers in form.readers]

    def minimum(self, terms: dict[int, Rows], start: int, slopes: Mapping[int, Rows] | None = None) -> Rows:
        """Lower bounds of sum_k C_k @ value_k, one a row, for coefficients C_k (rows, size_k) of values up to start.

        slopes: the lower slopes of each nonlinear value, (rows, inputs); None: `through` chooses.  `terms` is used up.
        """
        total, best = self.nothing(next(iter(terms.values()))), None
        last = self.earliest_depth(start)
        for j in range(start, -1, -1):
            value = self.form.values[j]
            if j not in terms or isinstance(value, Input):
                continue
            if self.depth[j] < last or self.stopped():
                break
            if isinstance(value, Affine):
                if value.kept and j < start:
                    total = self._absorb(terms, j, total)
                    best = self.larger(best, self.bound(self._over_boxes(terms, total)))
                c = terms.pop(j)
                total = self.plus_bias(total, c, j)
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    _add(terms, k, self.times(c, matrix))
            else:
                total, c = self.through(total, terms.pop(j), j, slopes)
                _add(terms, value.input, c)
        return self.larger(best, self.bound(self._over_boxes(terms, total)))

    def earliest_depth(self, start: int) -> int:
        """How deep values must be for a pass from `start` to go through them."""
        return int(self.depth[start]) - self.window if self.window else -1

    def stopped(self) -> bool:
        """Whether to bound what is left over boxes at once."""
        return False

    @abstractmethod
    def nothing(self, rows: Rows) -> Total:
        """The sum before anything is added."""

    @abstractmethod
    def plus_bias(self, total: Total, c: Rows, j: int) -> Total:
        """The sum with c @ bias of affine value j added."""

    @abstractmethod
    def times(self, c: Rows, matrix: Any) -> Rows:
        """Coefficients of what an affine value reads."""

    @abstractmethod
    def through(self, total: Total, c: Rows, j: int, slopes: Mapping[int, Rows] | None) -> tuple[Total, Rows]:
        """The sum and the coefficients of what nonlinear value j reads, whose relaxation replaces it."""

    @abstractmethod
    def plus_box(self, total: Total, c: Rows, k: int) -> Total:
        """The sum with the minimum of c @ value k over the box of that value added."""

    @abstractmethod
    def bound(self, total: Total) -> Rows:
        """The bound that a sum stands for."""

    @abstractmethod
    def larger(self, best: Rows | None, bound: Rows) -> Rows:
        """Row by row the better bound."""

    def _absorb(self, terms: dict[int, Rows], j: int, total: Total) -> Total:
        for k in [k for k in terms if isinstance(self.form.values[k], Input) and self._first_reader[k] > j]:
            total = self.plus_box(total, terms.pop(k), k)
        return total

    def _over_boxes(self, terms: dict[int, Rows], total: Total) -> Total:
        for k, c in terms.items():
            total = self.plus_box(total, c, k)
        return total


def _add(terms: dict[int, Any], k: int, c: Any) -> None:
    terms[k] = terms[k] + c if k in terms else c
