"""Certified bounds hold in exact arithmetic, without any slack: rounding never moves a bound inward.

Points are adversarial: all corners of the inputs, where affine extremes lie, and those that a greedy search over single
inputs moves furthest towards each end of each unit. Values are fractions, so what float64 loses is seen.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp

from relu2mip.bounds import Bounds, compute_bounds
from relu2mip.normal_form import Affine, FormBuilder, Max, NormalForm, Relu
from relu2mip.pipeline.specs import resolve_bounds
from relu2mip.trajectory.objective import BoxObjective
from tests.bounds.test_bounds import unrolled

METHODS = [
    "ibp",
    "crown",
    "crown+lp",
    "crown+lp(scope=full)",
    "crown+structure(samples=20)",
    "crown+split(budget=2,cutoff=false)",
]
Vector = list[Fraction]


def exact(form: NormalForm, x: Vector) -> list[Vector]:
    """All values of a form of one input, as fractions."""
    values: list[Vector] = []
    for value in form.values:
        match value:
            case Affine():
                total = [Fraction(b) for b in value.bias.tolist()]
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    entries = sp.coo_array(matrix)
                    for i, j, a in zip(entries.row.tolist(), entries.col.tolist(), entries.data.tolist(), strict=True):
                        total[i] += Fraction(a) * values[k][j]
                values.append(total)
            case Relu():
                values.append([max(v, Fraction(0)) for v in values[value.input]])
            case Max():
                ends = value.starts.tolist()
                groups = [value.members[a:b].tolist() for a, b in itertools.pairwise(ends)]
                values.append([max(values[value.input][k] for k in group) for group in groups])
            case _:
                values.append(x)
    return values


def hard(seed: int) -> NormalForm:
    """Two layers whose sums cancel: weights of many magnitudes, and biases that take the middle of each sum away."""
    rng = np.random.default_rng(seed)
    form = FormBuilder()
    x = form.input("x", 3)
    h, size = x, 3
    for units in (4, 3):
        w = (
            rng.choice([-1.0, 1.0], (units, size))
            * 10.0 ** rng.integers(-6, 7, (units, size))
            * rng.uniform(0.5, 1.0, (units, size))
        )
        w[0] = [1e16, 0.1, -1e16, 0.3][:size]
        w[1] = [0.1] * size
        h = form.affine((h,), (w,), rng.normal(size=units) * np.abs(w).sum(axis=1) * 0.1)
        h, size = (form.relu(h), units) if units == 4 else (form.max(h, np.array([0, 1, 1, 2]), np.array([0, 2, 4])), 2)
    return form.build({"y": form.affine((h,), (np.array([[0.1, -0.3]]),), np.array([0.7]))})


def box(bounds: Bounds) -> list[tuple[Fraction, Fraction]]:
    (i,) = bounds.form.inputs.values()
    return [(Fraction(a), Fraction(b)) for a, b in zip(bounds.lower[i].tolist(), bounds.upper[i].tolist(), strict=True)]


def points(bounds: Bounds) -> Iterator[Vector]:
    """The corners, and for each end of each unit the best point that changes of one input reach from some corner."""
    form, sides = bounds.form, box(bounds)
    corners = [list(corner) for corner in itertools.product(*sides)]
    yield from corners
    values = [exact(form, corner) for corner in corners]
    for i, value in enumerate(form.values):
        for unit in range(value.size):
            for sign in (1, -1):
                best = max(range(len(corners)), key=lambda k: sign * values[k][i][unit])
                x = corners[best]
                for n, (low, high) in enumerate(sides):
                    tries = [low + (high - low) * Fraction(k, 4) for k in range(5)]
                    x = max(([*x[:n], t, *x[n + 1 :]] for t in tries), key=lambda y: sign * exact(form, y)[i][unit])
                yield x


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", METHODS)
def test_no_value_lies_outside_at_all(method: str, seed: int) -> None:
    form = hard(seed)
    problem = unrolled(form)
    objective = BoxObjective(form, problem.domain, {"y": np.ones(1)})
    bounds = compute_bounds(replace(problem, objective=lambda: objective), resolve_bounds(method))
    assert str(bounds.grade) == "certified"
    lower, upper = ([[Fraction(v) for v in side.tolist()] for side in sides] for sides in (bounds.lower, bounds.upper))
    for x in points(bounds):
        for i, value in enumerate(exact(form, x)):
            for unit, v in enumerate(value):
                assert lower[i][unit] <= v <= upper[i][unit], (
                    f"{form.values[i].place.name(unit)} by {float(max(lower[i][unit] - v, v - upper[i][unit]))}"
                )


def test_the_points_find_a_bound_that_is_rounded_inwards() -> None:
    """The same intervals in plain float64, to the nearest instead of outwards, do not hold."""
    inside = 0
    for seed in range(4):
        form = hard(seed)
        bounds = compute_bounds(unrolled(form), resolve_bounds("ibp"))
        first = next(i for i, value in enumerate(form.values) if isinstance(value, Affine))
        (matrix,) = form.values[first].matrices
        dense = np.asarray(sp.coo_array(matrix).toarray())
        (i,) = form.inputs.values()
        middle, half = (bounds.lower[i] + bounds.upper[i]) / 2, (bounds.upper[i] - bounds.lower[i]) / 2
        plain = dense @ middle + form.values[first].bias + np.abs(dense) @ half
        tops = [
            max(Fraction(v) for v in column)
            for column in zip(*(exact(form, x)[first] for x in points(bounds)), strict=True)
        ]
        inside += sum(Fraction(p) < top for p, top in zip(plain.tolist(), tops, strict=True))
    assert inside > 0
