"""The facets of a unit are its convex hull, separation finds the most violated one, and no facet cuts a point off."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

import relu2mip as r2m
from relu2mip.errors import CapabilityMissing, InvalidOption, UnknownOption
from relu2mip.formulations import Ideal
from relu2mip.ir.samples import integrator
from relu2mip.mip import Aids, Expression, MipModel, ModelBuilder, NameBlock
from relu2mip.mip.run import ask
from relu2mip.mip.separator import VIOLATED
from relu2mip.normal_form import Place
from relu2mip.options import SolveOptions
from relu2mip.pipeline.specs import resolve_backend
from tests.forms import mlp


@dataclass
class Layer:
    """max(w @ v + b, 0) over a box, as `Ideal` writes it: columns are v, y, a."""

    w: np.ndarray
    b: np.ndarray
    low: np.ndarray
    high: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    model: MipModel
    aids: Aids

    def separate(self, x: np.ndarray):
        (separator,) = self.aids.separators
        return separator.separate(x)

    def point(self, v: np.ndarray) -> np.ndarray:
        x = self.w @ v + self.b
        return np.concatenate([v, np.maximum(x, 0.0), x > 0])

    def facets(self, unit: int) -> tuple[np.ndarray, np.ndarray]:
        """All 2^n facets of a unit as rows @ (v, y, a) <= right, by their definition."""
        n, k = self.low.size, self.b.size
        w = self.w[unit]
        p, q = np.minimum(w * self.low, w * self.high), np.maximum(w * self.low, w * self.high)
        rows, right = [], []
        for subset in itertools.product((True, False), repeat=n):
            inside = np.array(subset)
            row = np.zeros(n + 2 * k)
            row[:n] = -w * inside
            row[n + unit] = 1.0
            row[n + k + unit] = -(p @ inside + self.b[unit] + q @ ~inside)
            rows.append(row)
            right.append(-(p @ inside))
        return np.array(rows), np.array(right)


def layer(seed: int, units: int, fan_in: int, narrow: float = 1.0) -> Layer:
    """Unstable units of random weights, some of them zero, over a random box; bounds are a share of the interval."""
    rng = np.random.default_rng(seed)
    low = rng.normal(size=fan_in) - 1
    high = low + rng.uniform(0.1, 3, fan_in)
    w = rng.normal(size=(units, fan_in)) * (rng.random((units, fan_in)) < 0.8)
    w[:, 0] = rng.choice([-1.0, 1.0], units)
    p, q = np.minimum(w * low, w * high).sum(axis=1), np.maximum(w * low, w * high).sum(axis=1)
    b = -(p + rng.uniform(0.2, 0.8, units) * (q - p))
    builder = ModelBuilder()
    v = builder.add_columns(NameBlock("v", np.arange(fan_in)), low, high)
    lower, upper = narrow * (p + b), narrow * (q + b)
    Ideal().relu(builder, Expression(((w, v),), b), lower, upper, Place("relu", np.arange(units)))
    return Layer(w, b, low, high, lower, upper, builder.build(), builder.aids)


def split_vertices(one: Layer) -> np.ndarray:
    """The vertices of both halves of the box of a layer of one unit, as points (v, y, a) of that half."""
    corners = np.array(list(itertools.product(*zip(one.low, one.high, strict=True))))
    x = corners @ one.w[0] + one.b[0]
    crossings = []
    for i, j in itertools.combinations(range(len(corners)), 2):
        if (corners[i] != corners[j]).sum() == 1 and x[i] * x[j] < 0:
            crossings.append((corners[i] * x[j] - corners[j] * x[i]) / (x[j] - x[i]))
    on = [*corners[x >= 0], *crossings]
    off = [*corners[x <= 0], *crossings]
    return np.array([*((*v, one.w[0] @ v + one.b[0], 1.0) for v in on), *((*v, 0.0, 0.0) for v in off)])


@pytest.mark.parametrize("fan_in", range(1, 7))
def test_with_every_facet_the_relaxation_is_the_convex_hull_of_the_unit(fan_in: int) -> None:
    rng = np.random.default_rng(fan_in)
    for seed in range(8):
        one = layer(seed, 1, fan_in)
        vertices = split_vertices(one)
        bounds = np.stack([one.model.lower, one.model.upper], axis=1)
        for cost in rng.normal(size=(12, fan_in + 2)):
            weakest = linprog(cost, *_rows(one), bounds=bounds).fun
            tight = linprog(cost, *_rows(one, *one.facets(0)), bounds=bounds).fun
            assert tight == pytest.approx((vertices @ cost).min(), abs=1e-7)
            assert weakest <= tight + 1e-9


def test_with_tighter_bounds_it_is_the_convex_hull_where_they_hold() -> None:
    rng = np.random.default_rng(0)
    for seed in range(30):
        one = layer(seed, 1, 4, narrow=0.6)
        bounds = np.stack([one.model.lower, one.model.upper], axis=1)
        box, w, b = bounds[:4], one.w, one.b
        for cost in rng.normal(size=(8, 6)):
            on = linprog(cost[:4] + cost[4] * w[0], np.r_[-w, w], [b[0], one.upper[0] - b[0]], bounds=box)
            off = linprog(cost[:4], np.r_[-w, w], [b[0] - one.lower[0], -b[0]], bounds=box)
            hull = min(on.fun + cost[4] * b[0] + cost[5], off.fun)
            assert linprog(cost, *_rows(one, *one.facets(0)), bounds=bounds).fun == pytest.approx(hull, abs=1e-7)


def _rows(one: Layer, *more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of the layer's model, and more, as A x <= b."""
    matrix, below, above = one.model.matrix.toarray(), one.model.row_lower, one.model.row_upper
    upper, lower = np.isfinite(above), np.isfinite(below)
    rows, right = more or (np.zeros((0, matrix.shape[1])), np.zeros(0))
    return np.concatenate([matrix[upper], -matrix[lower], rows]), np.concatenate([above[upper], -below[lower], right])


@pytest.mark.parametrize("fan_in", range(1, 7))
def test_separation_finds_the_most_violated_facet_of_every_unit(fan_in: int) -> None:
    rng = np.random.default_rng(fan_in)
    found = 0
    for seed in range(10):
        some = layer(seed, 5, fan_in)
        for _ in range(10):
            x = rng.uniform(some.model.lower, some.model.upper)
            x[fan_in : fan_in + 5] *= rng.choice([0.2, 1.0])
            cuts = some.separate(x)
            by_unit = {int(column) - fan_in: k for k, column in enumerate(cuts.columns)}
            for unit in range(5):
                rows, right = some.facets(unit)
                violations = rows @ x - right
                best = int(np.argmax(violations))
                if unit in by_unit:
                    k = by_unit[unit]
                    assert (cuts.matrix[[k]] @ x - cuts.upper[k])[0] == pytest.approx(violations[best], rel=1e-9)
                    np.testing.assert_allclose(cuts.matrix[[k]].toarray()[0], rows[best], rtol=1e-12, atol=1e-12)
                    distance = violations[best] / np.linalg.norm(rows[best])
                    assert cuts.distance[k] == pytest.approx(distance, rel=1e-9)
                    found += 1
                else:
                    assert violations[best] <= VIOLATED * np.linalg.norm(rows[best]) * (1 + 1e-9)
    assert found > 20


@pytest.mark.parametrize("seed", range(6))
def test_no_facet_cuts_off_a_point_of_the_network_in_exact_arithmetic(seed: int) -> None:
    rng = np.random.default_rng(seed)
    some = layer(seed, 4, 5)
    corners = list(itertools.product(*zip(some.low, some.high, strict=True)))
    points = [*corners, *rng.uniform(some.low, some.high, (20, 5))]
    checked = 0
    for x in rng.uniform(some.model.lower, some.model.upper, (6, some.model.columns)):
        cuts = some.separate(x)
        for k, column in enumerate(cuts.columns):
            row = [Fraction(value) for value in cuts.matrix[[k]].toarray()[0]]
            unit = int(column) - 5
            for v in points:
                v = [Fraction(value) for value in v]
                x_unit = sum(Fraction(a) * value for a, value in zip(some.w[unit], v, strict=True)) + Fraction(
                    some.b[unit]
                )
                left = sum(a * value for a, value in zip(row, v, strict=False))
                left += max(x_unit, Fraction(0)) + (row[9 + unit] if x_unit > 0 else 0)
                assert left <= Fraction(cuts.upper[k])
                checked += 1
    assert checked > 100


def relaxed(compiled: r2m.Compiled) -> float:
    """The optimum without integrality."""
    model = replace(compiled.model, integer=np.zeros(compiled.model.columns, dtype=bool), start=None)
    return ask(model, resolve_backend("highs"), SolveOptions()).objective


NETS = {
    "2-6-1": mlp([2, 6, 1], seed=4),
    "4-6-6-2": mlp([4, 6, 6, 2], seed=5),
    "3-5-5-5-1": mlp([3, 5, 5, 5, 1], seed=6),
}


@pytest.mark.parametrize("sense", ["min", "max"])
@pytest.mark.parametrize("name", NETS)
def test_its_root_bound_is_that_of_the_convex_hulls_and_no_plan_is_lost(name: str, sense: str) -> None:
    net = NETS[name]
    problem = r2m.BoxProblem(net, -1.5, 1.0, np.array([1.0, -2.0])[: net.output_size], sense)
    plain = r2m.compile(problem, bounds="ibp", formulation="big-m")
    ideal = r2m.compile(problem, bounds="ibp", formulation="ideal(tolerance=0,rounds=500)")
    hull = r2m.compile(problem, bounds="ibp", formulation="convex-hull")
    cuts = ideal.statistics.cuts
    assert cuts is not None
    assert cuts.before == pytest.approx(relaxed(plain), rel=1e-6)
    assert cuts.after == pytest.approx(relaxed(ideal), rel=1e-6)
    assert cuts.after == pytest.approx(relaxed(hull), rel=1e-5)
    assert cuts.after > cuts.before + 1e-4 * abs(cuts.before)
    assert ideal.solve().objective == pytest.approx(plain.solve().objective, rel=1e-6)


def test_a_point_of_the_network_satisfies_the_strengthened_model() -> None:
    net = NETS["4-6-6-2"]
    problem = r2m.BoxProblem(net, -1, 1, [1.0, 1.0], "max")
    compiled = r2m.compile(problem, formulation="ideal")
    model, values = compiled.model, compiled.model.values
    assert compiled.statistics.cuts.kept > 0
    for v in np.random.default_rng(0).uniform(-1, 1, (50, 4)):
        lower, upper = model.lower.copy(), model.upper.copy()
        lower[values["x"]] = upper[values["x"]] = v
        found = ask(replace(model, lower=lower, upper=upper), resolve_backend("highs"), SolveOptions())
        assert found.x is not None
        y = compiled.expressions["y"].evaluate(found.x)
        np.testing.assert_allclose(y, net.evaluate(v)["y"], rtol=1e-6, atol=1e-6)


def plan(**options: object) -> r2m.Trajectory:
    return r2m.Trajectory(
        integrator(),
        horizon=4,
        initial_state=[1.0, 0.5],
        predicts="change",
        controls=r2m.Box(-1, 1),
        states=r2m.Box(-4, 4),
        **{"cost": r2m.costs.L1(target=[0.0, 0.0], state=[1.0, 0.5], control=0.1), **options},
    )


def test_facets_are_separated_at_the_nodes_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("gurobipy")
    added = []

    def recorded(self: Aids, x: np.ndarray):
        cuts = violated(self, x)
        added.append(len(cuts))
        return cuts

    violated = Aids.violated
    monkeypatch.setattr(Aids, "violated", recorded)
    problem = r2m.BoxProblem(mlp([4, 10, 10, 1], seed=1), -1, 1, [1.0], "max")
    expected = r2m.solve(problem, bounds="ibp", formulation="big-m").objective
    answer = r2m.solve(problem, "gurobi", bounds="ibp", formulation="ideal(rounds=0,callback=true)")
    assert answer.objective == pytest.approx(expected, rel=1e-4)
    assert sum(added) > 0
    assert answer.statistics.cuts is None


@pytest.mark.parametrize("spec", ["highs", "cvxpy", "cvxpy(solver=GUROBI)"])
def test_a_backend_without_callbacks_refuses_them(spec: str) -> None:
    pytest.importorskip(spec.partition("(")[0].replace("highs", "highspy"))
    with pytest.raises(CapabilityMissing, match="cuts separated during the search; backends that do: gurobi"):
        r2m.solve(plan(), spec, bounds="ibp", formulation="ideal(callback=true)")
    with pytest.raises(CapabilityMissing):
        r2m.compile(plan(), bounds="ibp", formulation="ideal(callback=true)").emit(spec)


def test_an_emitted_model_has_no_callback() -> None:
    pytest.importorskip("gurobipy")
    compiled = r2m.compile(plan(), bounds="ibp", formulation="ideal(callback=true)")
    with pytest.raises(CapabilityMissing, match="a model that you solve yourself"):
        compiled.emit("gurobi")


def test_options_are_checked() -> None:
    for options in ("rounds=-1", "most=-1", "tolerance=1", "budget=0"):
        with pytest.raises(InvalidOption):
            r2m.compile(plan(), formulation=f"ideal({options})")
    with pytest.raises(UnknownOption, match="rounds"):
        r2m.compile(plan(), formulation="ideal(round=3)")
    assert str(Ideal(rounds=3, callback=True)) == "ideal(rounds=3,callback=true)"
    assert r2m.compile(plan(), formulation="ideal").formulation == "ideal"
