"""Evaluating a form and pulling weights of its values back to its inputs, whatever computes: numpy, or torch.

`Engine` is the schedule of both; its methods are what each kind of value does to a batch. `Arrays` computes in numpy,
`relu2mip.normal_form.tensors` in torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from relu2mip.arrays import Array, Matrix, apply
from relu2mip.normal_form.values import Affine, Input, Max, Relu, Value

Batch = TypeVar("Batch")
"""A value on a batch, (B, size)."""


class Engine(ABC, Generic[Batch]):
    """The schedule; values are numbered as in the form."""

    def forward(self, values: Sequence[Value], given: Mapping[int, Batch], batch: int) -> list[Batch]:
        """Every value, from those of the inputs."""
        results: list[Batch] = []
        for i, value in enumerate(values):
            match value:
                case Input():
                    results.append(given[i])
                case Affine():
                    results.append(self.affine(value, results, batch))
                case Relu():
                    results.append(self.relu(results[value.input]))
                case Max():
                    results.append(self.largest(value, results[value.input]))
        return results

    def backward(
        self, values: Sequence[Value], results: Sequence[Batch], weights: Mapping[int, Batch]
    ) -> dict[int, Batch]:
        """The gradients of sum(weight * value), by value that it depends on."""
        gradients = dict(weights)
        for i in reversed(range(len(values))):
            if i not in gradients:
                continue
            match values[i]:
                case Affine() as value:
                    for k, matrix in zip(value.inputs, value.matrices, strict=True):
                        add(gradients, k, self.transposed(matrix, gradients[i]))
                case Relu() as value:
                    add(gradients, value.input, self.through_relu(results[value.input], gradients[i]))
                case Max() as value:
                    x = results[value.input]
                    add(gradients, value.input, self.through_largest(value, x, results[i], gradients[i]))
        return gradients

    @abstractmethod
    def taken(self, arrays: Mapping[int, Array]) -> dict[int, Batch]:
        """Arrays by value as this engine has them."""

    @abstractmethod
    def arrays(self, batches: Sequence[Batch]) -> list[Array]:
        """The same as arrays again."""

    @abstractmethod
    def affine(self, value: Affine, results: Sequence[Batch], batch: int) -> Batch:
        """An affine value from those before it."""

    @abstractmethod
    def relu(self, x: Batch) -> Batch:
        """max(x, 0)."""

    @abstractmethod
    def largest(self, value: Max, x: Batch) -> Batch:
        """The maxima of the groups."""

    @abstractmethod
    def transposed(self, matrix: Matrix, gradient: Batch) -> Batch:
        """The gradient of what a matrix reads."""

    @abstractmethod
    def through_relu(self, x: Batch, gradient: Batch) -> Batch:
        """The gradient of a pre-activation; 0 at the kink."""

    @abstractmethod
    def through_largest(self, value: Max, x: Batch, y: Batch, gradient: Batch) -> Batch:
        """The gradient of what maxima y read; the first largest member of a group has all of it."""


class Arrays(Engine[Array]):
    """In numpy."""

    def taken(self, arrays: Mapping[int, Array]) -> dict[int, Array]:
        """As they are."""
        return dict(arrays)

    def arrays(self, batches: Sequence[Array]) -> list[Array]:
        """As they are."""
        return list(batches)

    def affine(self, value: Affine, results: Sequence[Array], batch: int) -> Array:
        """Sum of A_k x_k, and b."""
        if not value.inputs:
            return np.broadcast_to(value.bias, (batch, value.size))
        total = apply(value.matrices[0], results[value.inputs[0]])
        for k, matrix in zip(value.inputs[1:], value.matrices[1:], strict=True):
            total += apply(matrix, results[k])
        total += value.bias
        return total

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""
        return np.maximum(x, 0.0)

    def largest(self, value: Max, x: Array) -> Array:
        """The maxima of the groups."""
        return np.asarray(np.maximum.reduceat(x[:, value.members], value.starts[:-1], axis=1))

    def transposed(self, matrix: Matrix, gradient: Array) -> Array:
        """The gradient of what a matrix reads."""
        if isinstance(matrix, np.ndarray):
            return np.asarray(gradient @ matrix)
        return apply(matrix.T.tocsr(), gradient)

    def through_relu(self, x: Array, gradient: Array) -> Array:
        """The gradient where x is positive."""
        return gradient * (x > 0)

    def through_largest(self, value: Max, x: Array, y: Array, gradient: Array) -> Array:
        """The gradient at the first largest members."""
        hits = (x[:, value.members] == y[:, value.group]).astype(np.float64)
        before = np.cumsum(hits, axis=1) - hits
        first = hits * (before == before[:, value.starts[:-1]][:, value.group])
        result = np.zeros_like(x)
        rows = np.arange(x.shape[0])[:, None]
        np.add.at(result, (rows, value.members[None, :]), first * gradient[:, value.group])
        return result


ARRAYS = Arrays()


def add(terms: dict[int, Any], i: int, term: Any) -> None:
    """Add a term to those of value i."""
    terms[i] = terms[i] + term if i in terms else term
