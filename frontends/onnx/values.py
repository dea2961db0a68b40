"""A tensor of the file while it is read: a constant array, or a variable held by a node."""

from __future__ import annotations

import math
from collections.abc import Collection
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


@dataclass(frozen=True)
class Condition:
    """Where a variable is above 0, entry by entry: what comparisons of variables are until they select something.

    Equality at 0 makes no difference where what is selected is continuous, which is asked of it (`switch`).
    """

    above: Variable

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the variable."""
        return self.above.shape


@dataclass(frozen=True)
class TensorSequence:
    """Tensors in a row, whose number is known."""

    items: tuple[Value, ...]


Tensor: TypeAlias = Value | Condition | TensorSequence
"""Anything that a name of the file may stand for."""


def listed(converted: Tensor | Collection[Tensor | None]) -> list[Tensor | None]:
    """The outputs of a converter, which may give a single one by itself."""
    single = isinstance(converted, Variable | Condition | TensorSequence | np.ndarray)
    return [converted] if single else list(converted)  # type: ignore[list-item, arg-type]


def varies(value: Tensor | None) -> bool:
    """Whether a value depends on the network's inputs."""
    if isinstance(value, TensorSequence):
        return any(isinstance(item, Variable) for item in value.items)
    return isinstance(value, Variable | Condition)


def is_float(array: Constant) -> bool:
    """Whether an array holds floating-point numbers, types that numpy lacks (bfloat16) included."""
    return bool(np.issubdtype(array.dtype, np.floating)) or "float" in array.dtype.name


def in_float64(array: Constant) -> Constant:
    """Floating-point arrays in float64, exactly; others as they are."""
    if array.dtype == np.float64 or not is_float(array):
        return array
    with np.errstate(invalid="ignore"):  # NaN is found and named later
        return array.astype(np.float64)
