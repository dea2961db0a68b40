"""Maps over the axis of objects that hold for any number of them; torch.fx traces none of them."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn


class Split(nn.Module):
    """(B, window N n) to (B, N, window n): one row an object, its window oldest first."""

    def __init__(self, features: int, window: int) -> None:
        super().__init__()
        self.features, self.window = features, window

    def forward(self, x: Tensor) -> Tensor:
        """The rows of objects."""
        objects = x.shape[1] // (self.window * self.features)
        if self.window == 1:
            return x.reshape(-1, objects, self.features)
        return x.reshape(-1, self.window, objects, self.features).transpose(1, 2).flatten(2)


class Join(nn.Module):
    """(B, N, n) to (B, N n)."""

    def forward(self, x: Tensor) -> Tensor:
        """One row a sample."""
        return x.flatten(1)


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
        objects = round((1 + (1 + 4 * rows) ** 0.5) / 2)
        return torch.eye(objects)[:, _pairs(objects)[:, 1]]


def _pairs(objects: int) -> Tensor:
    """All ordered pairs of different objects, (N (N - 1), 2)."""
    return (1 - torch.eye(objects)).nonzero()
