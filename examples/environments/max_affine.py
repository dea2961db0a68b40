"""Differences of two maxima of affine functions: y = max_i a_i (x, 1) - max_j b_j (x, 1), for a number y.

Least squares given which function is the largest at each row, and again who is the largest, until no step along the
way to the solution helps; from several random partitions of the data, the best kept. A maximum of K affine functions
takes K - 1 ReLUs: max(p, q) = p + relu(q - p).

Source: Magnani and Boyd, Convex Piecewise-Linear Fitting, Optimization and Engineering 10(1), 2009, where y is one
maximum; Ghosh, Pananjady, Guntuboyina and Ramchandran, Max-Affine Regression, IEEE Transactions on Information Theory
68(3), 2022, show when this alternation finds the truth. Any piecewise-linear function is a difference of two maxima.
"""

from dataclasses import dataclass

import numpy as np

from environments.hinges import Array, augmented, least_squares


@dataclass(frozen=True)
class MaxAffine:
    """above (I, d + 1): the a_i, below (J, d + 1): the b_j, offset last."""

    above: Array
    below: Array

    def __call__(self, x: Array) -> Array:
        """The values at rows x (N, d), (N,)."""
        x = augmented(x)
        return np.asarray((x @ self.above.T).max(axis=1) - (x @ self.below.T).max(axis=1))


def fit_max_affine(x: Array, y: Array, units: int, rng: np.random.Generator, starts: int = 6) -> MaxAffine:
    """The best fit found with so many ReLUs. x (N, d), y (N,)."""
    x = augmented(x)
    above, below = (units + 1) // 2 + 1, units // 2 + 1
    fits = (_alternated(x, y, _start(x, y, above, below, rng), above) for _ in range(starts))
    best, _ = min(fits, key=lambda pair: pair[1])
    return MaxAffine(best[:above], best[above:])


def _start(x: Array, y: Array, above: int, below: int, rng: np.random.Generator) -> Array:
    """Each function fitted to the rows nearest to a random row; those of the second maximum to what is left."""
    parts, left = [], y
    for count, sign in ((above, 1.0), (below, -1.0)):
        centres = x[rng.choice(len(x), count, replace=False)]
        nearest = ((x[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
        whole = least_squares(x, sign * left[:, None])[:, 0]
        rows = [nearest == k for k in range(count)]
        local = [least_squares(x[r], sign * left[r, None])[:, 0] if r.sum() > 2 * x.shape[1] else whole for r in rows]
        parts.append(np.array(local))
        left = left - sign * (x @ parts[-1].T).max(axis=1)
    return np.vstack(parts)


def _alternated(x: Array, y: Array, weights: Array, above: int, rounds: int = 60) -> tuple[Array, float]:
    """Weights after alternating from some, and the mean square they leave."""
    error = _error(x, y, weights, above)
    for _ in range(rounds):
        towards = _solved(x, y, weights, above) - weights
        tried = [weights + share * towards for share in (1.0, 0.5, 0.25, 0.1)]
        errors = [_error(x, y, one, above) for one in tried]
        k = int(np.argmin(errors))
        if errors[k] >= error * (1 - 1e-5):
            break
        weights, error = tried[k], errors[k]
    return weights, error


def _solved(x: Array, y: Array, weights: Array, above: int) -> Array:
    """Least squares of all functions at once, each where it is the largest."""
    values, width = x @ weights.T, x.shape[1]
    first, second = values[:, :above].argmax(axis=1), above + values[:, above:].argmax(axis=1)
    design = np.zeros((len(x), len(weights) * width))
    columns = np.arange(width)
    rows = np.arange(len(x))[:, None]
    design[rows, first[:, None] * width + columns] = x
    design[rows, second[:, None] * width + columns] = -x
    gram = design.T @ design
    ridge = 1e-6 * np.trace(gram) / len(gram)
    # Of a function that is the largest nowhere nothing is known: it stays as it is.
    right = design.T @ y + ridge * weights.ravel()
    return np.asarray(np.linalg.solve(gram + ridge * np.eye(len(gram)), right).reshape(weights.shape))


def _error(x: Array, y: Array, weights: Array, above: int) -> float:
    values = x @ weights.T
    return float(((values[:, :above].max(axis=1) - values[:, above:].max(axis=1) - y) ** 2).mean())
