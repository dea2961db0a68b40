"""Builds a normal form value by value; matrices are stored compactly and places are numbered as they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from relu2mip.arrays import Array, Index, compact
from relu2mip.normal_form.form import NormalForm
from relu2mip.normal_form.values import Affine, Input, Max, Place, Relu, Value


class FormBuilder:
    """Collects values; each method returns the number of the value it adds.

    Layers are counted by nonlinear value: the first Relu or Max is `layer1.relu` or `layer1.max`, and affine values
    on the way to it are `layer1.affine`.
    """

    def __init__(self) -> None:
        self.values: list[Value] = []
        self._inputs: dict[str, int] = {}
        self._layer = 1
        self._affine = 0

    def size(self, value: int) -> int:
        """Entries of a value added before."""
        return self.values[value].size

    def append(self, value: Value) -> int:
        """Add a finished value."""
        self.values.append(value)
        return len(self.values) - 1

    def input(self, name: str, size: int, place: Place | None = None) -> int:
        """Add a vector of variables."""
        self._inputs[name] = self.append(Input(place or Place(name, np.arange(size)), size))
        return self._inputs[name]

    def affine(
        self,
        inputs: Sequence[int],
        matrices: Sequence[Any],
        bias: Array | None = None,
        place: Place | None = None,
        kept: bool = False,
    ) -> int:
        """Add sum_k A_k x_k + b; the same input may come twice (its matrices are summed)."""
        merged: dict[int, Any] = {}
        for k, matrix in zip(inputs, matrices, strict=True):
            merged[k] = matrix if k not in merged else merged[k] + matrix
        rows = merged[inputs[0]].shape[0] if merged else np.asarray(bias).size
        offset = np.zeros(rows) if bias is None else np.asarray(bias, dtype=np.float64)
        if place is None:
            self._affine += 1
            number = "" if self._affine == 1 else str(self._affine)
            place = Place(f"layer{self._layer}.affine{number}", np.arange(rows))
        stored = tuple(compact(matrix) for matrix in merged.values())
        return self.append(Affine(place, tuple(merged), stored, offset, kept))

    def relu(self, x: int, place: Place | None = None) -> int:
        """Add max(x, 0)."""
        return self.append(Relu(place or self._next("relu", self.size(x)), x, self.size(x)))

    def max(self, x: int, members: Index, starts: Index, place: Place | None = None) -> int:
        """Add maxima over groups of x."""
        place = place or self._next("max", starts.size - 1)
        return self.append(Max(place, x, np.asarray(members, dtype=np.intp), np.asarray(starts, dtype=np.intp)))

    def build(self, outputs: Mapping[str, int]) -> NormalForm:
        """The finished form."""
        return NormalForm(tuple(self.values), dict(self._inputs), dict(outputs))

    def _next(self, kind: str, size: int) -> Place:
        place = Place(f"layer{self._layer}.{kind}", np.arange(size))
        self._layer += 1
        self._affine = 0
        return place
