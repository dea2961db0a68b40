"""Sums of hinges fitted one by one: y = A (x, 1) + sum_k c_k relu(w_k (x, 1)), with vectors y, c_k and shared w_k.

A hinge is found by what Breiman calls the hinge finding algorithm: a plane w splits the data, each side has its own
linear least squares, and where the two fits cross is the next plane. For a vector y the two differ by a matrix D, and
the plane is the direction of D that changes the fit most. Each hinge is fitted to what those before it leave, from
several random planes; then all A and c_k are fitted anew, and each w_k in turn to what the others leave.

Source: Breiman, Hinging Hyperplanes for Regression, Classification, and Function Approximation, IEEE Transactions on
Information Theory 39(3), 1993. That the split may be sought from many starts and only steps that help be kept is after
Pucar and Sjoberg, On the hinge-finding algorithm for hinging hyperplanes, ibid. 44(3), 1998.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RIDGE = 1e-6
"""Of least squares, relative to the mean square of the columns."""


@dataclass(frozen=True)
class Hinges:
    """planes (n, d + 1): the w_k, offset last.  heights (n, m): the c_k.  affine (d + 1, m): A."""

    planes: Array
    heights: Array
    affine: Array

    def __call__(self, x: Array) -> Array:
        """The values at rows x (N, d), (N, m)."""
        x = augmented(x)
        return np.asarray(np.maximum(x @ self.planes.T, 0) @ self.heights + x @ self.affine)


def fit_hinges(x: Array, y: Array, units: Sequence[int], rng: np.random.Generator, starts: int = 8) -> list[Hinges]:
    """The fits with so many hinges, in increasing order. x (N, d), y (N, m)."""
    x, planes, found = augmented(x), np.zeros((0, x.shape[1] + 1)), {}
    for count in range(1, max(units) + 1):
        left = y - _design(x, planes) @ _refitted(x, planes, y)
        tried = (_find(x, left, _random_plane(x, rng)) for _ in range(starts))
        plane, _ = min(tried, key=lambda pair: pair[1])
        planes = np.vstack([planes, plane])
        if count in units:
            planes = _backfitted(x, y, planes)
            weights = _refitted(x, planes, y)
            found[count] = Hinges(planes, weights[x.shape[1] :], weights[: x.shape[1]])
    return [found[count] for count in sorted(found)]


def augmented(x: Array) -> Array:
    """Rows with a 1 at their end."""
    return np.hstack([x, np.ones((len(x), 1))])


def least_squares(a: Array, y: Array) -> Array:
    """The solution of a w = y by normal equations with a small ridge, (columns of a, columns of y)."""
    gram = a.T @ a
    scale = RIDGE * max(float(np.trace(gram)) / len(gram), 1e-12)
    return np.asarray(np.linalg.solve(gram + scale * np.eye(len(gram)), a.T @ y))


def _design(x: Array, planes: Array) -> Array:
    return np.hstack([x, np.maximum(x @ planes.T, 0)])


def _refitted(x: Array, planes: Array, y: Array) -> Array:
    return least_squares(_design(x, planes), y)


def _random_plane(x: Array, rng: np.random.Generator) -> Array:
    """A plane through a row, in a random direction."""
    direction = rng.normal(size=x.shape[1] - 1)
    return np.append(direction, -direction @ x[rng.integers(len(x)), :-1])


def _find(x: Array, y: Array, plane: Array, rounds: int = 12) -> tuple[Array, float]:
    """The best plane on the way of the hinge finding algorithm, scaled to length 1, and the squares it leaves."""
    best = plane, np.inf
    for _ in range(rounds):
        plane = plane / np.linalg.norm(plane[:-1])
        a = _design(x, plane[None])
        error = float(((y - a @ least_squares(a, y)) ** 2).sum())
        if not error < best[1]:
            break
        best = plane, error
        above = x @ plane > 0
        if min(above.sum(), (~above).sum()) <= x.shape[1]:
            break
        apart = least_squares(x[above], y[above]) - least_squares(x[~above], y[~above])
        values = x @ apart
        _, vectors = np.linalg.eigh(values.T @ values)
        plane = apart @ vectors[:, -1]
        if not np.linalg.norm(plane[:-1]) > 0:
            break
    return best


def _backfitted(x: Array, y: Array, planes: Array, rounds: int = 3) -> Array:
    """Each plane sought again from where it is, with the others held, while that helps."""
    planes = planes.copy()
    for k in [k for _ in range(rounds) for k in range(len(planes))]:
        weights = _refitted(x, planes, y)
        others = np.delete(np.arange(len(planes)), k)
        left = y - _design(x, planes[others]) @ np.delete(weights, x.shape[1] + k, axis=0)
        found, _ = _find(x, left, planes[k])
        tried = np.vstack([planes[:k], found, planes[k + 1 :]])
        if _squares(x, y, tried) < _squares(x, y, planes):
            planes = tried
    return planes


def _squares(x: Array, y: Array, planes: Array) -> float:
    return float(((y - _design(x, planes) @ _refitted(x, planes, y)) ** 2).sum())
