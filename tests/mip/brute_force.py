"""The optimum of a small model by enumeration.

Every integral point, every choice of nonzeros in its SOS1 sets and pairs, every choice of the largest of its maxima.
"""

from itertools import product

import numpy as np
import scipy.optimize

from relu2mip.mip import MipModel
from relu2mip.mip.check import feasible


def optimum(model: MipModel) -> float:
    """The smallest objective, inf where nothing is feasible. Integral columns must be bounded."""
    ranges = [
        range(int(np.ceil(low)), int(np.floor(up)) + 1)
        for low, up in zip(model.lower[model.integer], model.upper[model.integer], strict=True)
    ]
    sets = [] if model.sos1 is None else np.split(model.sos1.members, model.sos1.starts[1:-1])
    if model.pairs is not None:
        sets += list(np.stack([model.pairs.first, model.pairs.second], axis=1))
    best = np.inf
    for integers in product(*ranges):
        lower, upper = model.lower.copy(), model.upper.copy()
        lower[model.integer] = upper[model.integer] = integers
        matrix, row_lower, row_upper = model.matrix.toarray(), model.row_lower, model.row_upper
        if model.indicators is not None:
            held = model.indicators
            on = lower[held.binary] == held.active
            matrix = np.vstack([matrix, held.matrix.toarray()[on]])
            row_lower, row_upper = np.r_[row_lower, held.lower[on]], np.r_[row_upper, held.upper[on]]
        for largest, kept in product(_largest(model), product(*(range(members.size) for members in sets))):
            low, up = lower.copy(), upper.copy()
            for members, keep in zip(sets, kept, strict=True):
                zero = np.delete(members, keep)
                low[zero], up[zero] = np.maximum(low[zero], 0), np.minimum(up[zero], 0)
            if (low > up).any():
                continue
            with_largest = np.vstack([matrix, largest[0]]), np.r_[row_lower, largest[1]], np.r_[row_upper, largest[2]]
            best = min(best, _continuous(model, *with_largest, low, up))
    return best


def _largest(model: MipModel) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows for every choice of the operand (or constant) that each maximum equals; it is at least all of them."""
    if model.maxima is None:
        return [(np.zeros((0, model.columns)), np.zeros(0), np.zeros(0))]
    held, unit = model.maxima, np.eye(model.columns)
    choices = []
    for k, y in enumerate(held.result):
        members = held.operands.members[held.operands.starts[k] : held.operands.starts[k + 1]]
        rows = np.array([unit[y] - unit[m] for m in members] + [unit[y]])
        least = np.r_[np.zeros(members.size), held.constant[k]]
        chosen = [np.where(np.arange(least.size) == i, least, np.inf) for i in np.flatnonzero(np.isfinite(least))]
        choices.append([(rows, least, most) for most in chosen])
    return [tuple(np.concatenate(part) for part in zip(*choice, strict=True)) for choice in product(*choices)]


def _continuous(model, matrix, row_lower, row_upper, lower, upper) -> float:
    constraints = scipy.optimize.LinearConstraint(matrix, row_lower, row_upper)
    bounds = scipy.optimize.Bounds(lower, upper)
    linear = scipy.optimize.milp(model.cost, constraints=constraints, bounds=bounds)
    if linear.x is None:
        return np.inf
    if model.quadratic is None or not model.quadratic.any():
        assert feasible(model, linear.x, 1e-6)
        return model.objective(linear.x)
    free = np.flatnonzero(lower < upper)
    start = np.clip(linear.x, lower, upper)
    if not free.size:
        return model.objective(start)

    def full(x):
        point = lower.copy()
        point[free] = x
        return point

    moved = matrix @ np.where(lower < upper, 0.0, lower)
    found = scipy.optimize.minimize(
        lambda x: model.objective(full(x)),
        start[free],
        jac=lambda x: (model.cost + 2 * model.quadratic * full(x))[free],
        method="SLSQP",
        bounds=list(zip(lower[free], upper[free], strict=True)),
        constraints=[
            {"type": "ineq", "fun": lambda x, a=sign * matrix[k][free], b=sign * (limit - moved[k]): a @ x - b}
            for k in range(matrix.shape[0])
            for sign, limit in ((1.0, row_lower[k]), (-1.0, row_upper[k]))
            if np.isfinite(limit)
        ],
        options={"ftol": 1e-12, "maxiter": 300},
    )
    return found.fun if found.success else min(found.fun, np.inf)
