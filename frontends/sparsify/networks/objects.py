"""Maps over the axis of objects that hold for any number of them; torch.fx traces none of them."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn


class Split(nn.Module):
    """(B, window N n) to (B, N, window n): one row an object, its window oldest first.

    others: how many rows at the end are no objects.
    """

    def __init__(self, features: int, window: int = 1, others: int = 0) -> None:
        super().__init__()
        self.features, self.window, self.others = features, window, others

    def forward(self, x: Tensor) -> Tensor:
        """The rows of objects, and of others."""
        objects = x.shape[1] // (self.window * self.features)
        if self.window == 1:
            return x.reshape(-1, objects, self.features)
        return x.reshape(-1, self.window, objects, self.features).transpose(1, 2).flatten(2)


class Join(nn.Module):
    """(B, N, n) to (B, N n)."""

    def forward(self, x: Tensor) -> Tensor:
        """One row a sample."""
        return x.flatten(1)


class FixedReLU(nn.Module):
    """A ReLU that belongs to the architecture: no gate takes its place, and every entry counts as one."""

    def forward(self, x: Tensor) -> Tensor:
        """The positive part."""
        return x.relu()


class ObjectMap(nn.Module):
    """A matrix product in the exported graph, the same for every feature.

    Multiplies (..., objects, features) from the left by a matrix that depends on the number of objects alone.
    """

    @abstractmethod
    def matrix(self, rows: int) -> Tensor:
        """The matrix for an input of so many rows, in float32."""

    def forward(self, x: Tensor) -> Tensor:
        """The product, (..., other rows, features)."""
        return self.matrix(x.shape[-2]).to(x) @ x


class Senders(ObjectMap):
    """Object i to all pairs (i, j) with i != j, in lexicographic order."""

    def matrix(self, rows: int) -> Tensor:
        """(N (N - 1), N)."""
        return torch.eye(rows)[_pairs(rows)[:, 0]]


class Receivers(ObjectMap):
    """Object j to all pairs (i, j) with i != j, in lexicographic order."""

    def matrix(self, rows: int) -> Tensor:
        """(N (N - 1), N)."""
        return torch.eye(rows)[_pairs(rows)[:, 1]]


class Aggregate(ObjectMap):
    """The sum over all pairs (i, j) at their receiver j."""

    def matrix(self, rows: int) -> Tensor:
        """(N, N (N - 1))."""
        objects = _objects(rows)
        return torch.eye(objects)[:, _pairs(objects)[:, 1]]


class FromLast(ObjectMap):
    """All rows but the last, less the last. A network that reads these, and not the rows, needs no long floats."""

    def matrix(self, rows: int) -> Tensor:
        """(N, N + 1)."""
        return torch.cat([torch.eye(rows - 1), -torch.ones(rows - 1, 1)], dim=1)


class Differences(ObjectMap):
    """Object j less object i for all pairs (i, j)."""

    def matrix(self, rows: int) -> Tensor:
        """(N (N - 1), N)."""
        first, second = _pairs(rows).T
        return torch.eye(rows)[second] - torch.eye(rows)[first]


class Reactions(ObjectMap):
    """The sum over all pairs (i, j) at their sender i."""

    def matrix(self, rows: int) -> Tensor:
        """(N, N (N - 1))."""
        objects = _objects(rows)
        return torch.eye(objects)[:, _pairs(objects)[:, 0]]


class Opposites(ObjectMap):
    """Pair (j, i) in the place of pair (i, j)."""

    def matrix(self, rows: int) -> Tensor:
        """(N (N - 1), N (N - 1))."""
        first, second = _pairs(_objects(rows)).T
        return torch.logical_and(first[:, None] == second, second[:, None] == first).float()


def _objects(pairs: int) -> int:
    """Of how many objects there are so many ordered pairs."""
    return round((1 + math.sqrt(1 + 4 * pairs)) / 2)


def _pairs(objects: int) -> Tensor:
    """All ordered pairs of different objects, (N (N - 1), 2)."""
    return (1 - torch.eye(objects)).nonzero()
