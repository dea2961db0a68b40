"""What a tensor of the file is while it is read: a constant array, or a variable held by a node."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Constant: TypeAlias = NDArray[Any]
"""A constant of the file. Floating-point ones are float64; integers, booleans and strings keep their type."""


@dataclass(frozen=True)
class Variable:
    """The flat vector of node number `node`, seen with a shape; `shared`: it has several readers."""

    node: int
    shape: tuple[int, ...]
    shared: bool = False

    @property
    def size(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    def reshaped(self, shape: tuple[int, ...]) -> Variable:
        """The same entries in the same order, seen with another shape."""
        return replace(self, shape=shape)


Value: TypeAlias = Variable | Constant


def is_float(array: Constant) -> bool:
    """Whether an array holds floating-point numbers, types that numpy lacks (bfloat16) included."""
    return bool(np.issubdtype(array.dtype, np.floating)) or "float" in array.dtype.name


def in_float64(array: Constant) -> Constant:
    """Floating-point arrays in float64, exactly; others as they are."""
    if array.dtype == np.float64 or not is_float(array):
        return array
    with np.errstate(invalid="ignore"):  # NaN is found and named later
        return array.astype(np.float64)
