"""How strong the relaxations of single units are: in the order theory gives, up to the convex hull, by two or k LPs."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linprog

import relu2mip as r2m
from relu2mip.bounds import Ibp, compute_bounds
from relu2mip.errors import InvalidOption
from relu2mip.formulations import BigM, ConvexHull, Formulation, Partition, Triangle, encode
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.mip.run import ask
from relu2mip.normal_form import FormBuilder, Place
from relu2mip.options import SolveOptions
from relu2mip.passes import specialise
from relu2mip.pipeline.specs import resolve_backend
from tests.bounds.test_bounds import unrolled
from tests.brute_force import best_sequence
from tests.conftest import ROOT

SEEDS = range(12)
TOLERANCE = 1e-7


class Layer:
    """Some ReLUs, or maxima of k, of random affine functions over a random box, with interval bounds."""

    def __init__(self, seed: int, units: int = 3, fan_in: int = 4, k: int = 1, own: bool = False) -> None:
        """own: each member reads a column of its own."""
        rng = self.rng = np.random.default_rng(seed)
        columns = units * k if own else fan_in
        self.low = rng.uniform(-2, 0.5, columns)
        self.high = self.low + rng.uniform(0.5, 2, columns)
        self.weights = np.diag(rng.uniform(0.5, 2, columns)) if own else rng.normal(size=(units * k, fan_in))
        centre = self.weights @ (self.low + self.high) / 2
        radius = np.abs(self.weights) @ (self.high - self.low) / 2
        self.bias = -centre + 0.5 * rng.uniform(-1, 1, centre.size) * radius
        self.lower, self.upper = self.bias + centre - radius, self.bias + centre + radius
        self.k = k
        self.place = Place("unit", np.arange(units))

    def model(self, formulation: Formulation) -> tuple[ModelBuilder, np.ndarray, np.ndarray]:
        """The columns v and y of the layer in a new model."""
        model = ModelBuilder()
        v = model.add_columns(NameBlock("v", np.arange(self.low.size)), self.low, self.high)
        x = Expression(((sp.csr_array(self.weights), v),), self.bias)
        if self.k == 1:
            return model, v, formulation.relu(model, x, self.lower, self.upper, self.place)
        starts = np.arange(0, self.bias.size + 1, self.k)
        return model, v, formulation.max(model, x, starts, self.lower, self.upper, self.place)

    def relaxed(self, formulation: Formulation, unit: int, c: np.ndarray, d: float, e: float = 0.0) -> float:
        """min c v + d y + e a of one unit, with all binaries relaxed."""
        model, v, y = self.model(formulation)
        model.minimise([(c, v), (d, y[[unit]])])
        if e:
            model.minimise([(e, model.values["unit.a"][[unit]])])
        return solve(model)

    def hull(self, unit: int, c: np.ndarray, d: float, e: float = 0.0) -> float:
        """The same over the graph of the unit, and so over its convex hull: one LP for each piece."""
        rows = slice(unit * self.k, (unit + 1) * self.k)
        weights, bias = self.weights[rows], self.bias[rows]
        if self.k == 1:
            weights, bias = np.vstack([weights, 0 * weights]), np.append(bias, 0.0)
        found = []
        for piece in range(bias.size):
            result = linprog(
                c + d * weights[piece],
                A_ub=weights - weights[piece],
                b_ub=bias[piece] - bias,
                bounds=np.stack([self.low, self.high], axis=1),
            )
            if result.status == 0:
                found.append(result.fun + d * bias[piece] + (e if piece == 0 else 0.0))
        return min(found)

    def directions(self, count: int = 4) -> list[tuple[np.ndarray, float]]:
        """Random objectives over v and y that pull y down or up."""
        return [(self.rng.normal(size=self.low.size), float(self.rng.normal() - 1.0)) for _ in range(count)]


def solve(model: ModelBuilder) -> float:
    """The optimum of a model's linear relaxation."""
    built = model.build()
    relaxed = replace(built, integer=np.zeros(built.columns, dtype=bool))
    return ask(relaxed, resolve_backend("highs"), SolveOptions()).objective


@pytest.mark.parametrize("seed", SEEDS)
def test_relaxations_of_a_unit_are_in_order_up_to_its_convex_hull(seed: int) -> None:
    layer = Layer(seed)
    chain = [Triangle(), BigM(), Partition(parts=1), Partition(parts=2), Partition(parts=4), ConvexHull()]
    for c, d in layer.directions():
        for unit in range(3):
            values = [layer.relaxed(formulation, unit, c, d) for formulation in chain]
            assert values[0] == pytest.approx(values[1], abs=TOLERANCE)
            assert values[1] == pytest.approx(values[2], abs=TOLERANCE)
            assert all(a <= b + TOLERANCE for a, b in pairwise(values))
            assert values[-2] == pytest.approx(values[-1], abs=TOLERANCE)
            assert values[-1] == pytest.approx(layer.hull(unit, c, d), abs=TOLERANCE)


def test_each_step_of_the_order_is_strict_somewhere() -> None:
    chain = [BigM(), Partition(parts=2), Partition(parts=4)]
    gained = np.zeros(2)
    for layer in map(Layer, SEEDS):
        for c, d in layer.directions():
            gained += np.diff([layer.relaxed(formulation, 0, c, d) for formulation in chain])
    assert (gained > 0.1).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_convex_hull_is_ideal(seed: int) -> None:
    layer = Layer(seed)
    for c, d in layer.directions():
        e = 2.0 * layer.rng.normal()
        assert layer.relaxed(ConvexHull(), 0, c, d, e) == pytest.approx(layer.hull(0, c, d, e), abs=TOLERANCE)


@pytest.mark.parametrize("split", ["equal-size", "weight-sorted"])
@pytest.mark.parametrize("tighten", ["intervals", "lp"])
@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_with_tighter_bounds_no_split_is_weaker_than_big_m(parts: int, tighten: str, split: str) -> None:
    for seed in SEEDS:
        layer = Layer(seed)
        layer.lower, layer.upper = 0.7 * layer.lower, 0.6 * layer.upper
        partition = Partition(parts, split, tighten)
        for c, d in layer.directions(2):
            big_m = layer.relaxed(BigM(), 1, c, d)
            assert layer.relaxed(partition, 1, c, d) >= big_m - TOLERANCE
            assert layer.relaxed(ConvexHull(), 1, c, d) >= big_m - TOLERANCE


def test_a_part_of_equal_weights_over_equal_bounds_loses_nothing() -> None:
    layer = Layer(0, units=1, fan_in=6)
    layer.low, layer.high = np.full(6, -1.0), np.full(6, 1.0)
    layer.weights, layer.bias = np.array([[1.0, -2.0] * 3]), np.array([0.5])
    layer.lower, layer.upper = np.array([-8.5]), np.array([9.5])
    gained = []
    for c, d in layer.directions(12):
        hull = layer.hull(0, c, d)
        assert layer.relaxed(Partition(2, "weight-sorted"), 0, c, d) <= hull + TOLERANCE
        symmetric = np.array([c[0], c[1]] * 3)
        hull = layer.hull(0, symmetric, d)
        assert layer.relaxed(Partition(2, "weight-sorted"), 0, symmetric, d) == pytest.approx(hull, abs=TOLERANCE)
        gained.append(hull - layer.relaxed(Partition(2, "equal-size"), 0, symmetric, d))
    assert max(gained) > 0.01


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_maximum_has_its_convex_hull(seed: int, k: int, own: bool) -> None:
    layer = Layer(seed, units=2, fan_in=3, k=k, own=own)
    for c, d in layer.directions():
        hull, big_m = layer.hull(0, c, d), layer.relaxed(BigM(), 0, c, d)
        assert layer.relaxed(ConvexHull(), 0, c, d) == pytest.approx(hull, abs=TOLERANCE)
        assert big_m <= hull + TOLERANCE


def test_tighter_bounds_of_members_are_not_lost() -> None:
    for seed in SEEDS:
        layer = Layer(seed, units=2, fan_in=3, k=3)
        middle = (layer.lower + layer.upper) / 2
        layer.lower, layer.upper = (layer.lower + middle) / 2, (layer.upper + middle) / 2
        for c, d in layer.directions(2):
            assert layer.relaxed(ConvexHull(), 0, c, d) >= layer.relaxed(BigM(), 0, c, d) - TOLERANCE


SIZES = [
    (BigM(), 1, lambda z, k: (2, 1, 3, 2 * z + 5)),
    (Triangle(), 1, lambda z, k: (1, 0, 2, 2 * z + 2)),
    (ConvexHull(), 1, lambda z, k: (z + 2, 1, 2 * z + 2, 7 * z + 3)),
    (Partition(), 1, lambda z, k: (4, 1, 6, 2 * z + 13)),
    (Partition(3), 1, lambda z, k: (5, 1, 8, 2 * z + 18)),
    (BigM(), 3, lambda z, k: (k + 1, k, 2 * k + 1, 2 * z + 4 * k)),
    (Partition(), 3, lambda z, k: (k + 1, k, 2 * k + 1, 2 * z + 4 * k)),
]


@pytest.mark.parametrize(("formulation", "k", "expected"), SIZES)
def test_sizes_are_those_of_the_pages(formulation: Formulation, k: int, expected) -> None:
    layer = Layer(0, units=2, fan_in=5, k=k)
    model, *_ = layer.model(formulation)
    per_unit = (np.array(model.size) - [5, 0, 0, 0]) / 2
    assert tuple(per_unit) == expected(5 * k, k)


def test_sizes_of_the_convex_hull_of_a_maximum_are_those_of_its_page() -> None:
    model, *_ = Layer(0, units=2, k=4, own=True).model(ConvexHull())
    assert tuple((np.array(model.size) - [8, 0, 0, 0]) / 2) == (9, 4, 14, 7 * 4 + 3 * 4 + 1)
    model, *_ = Layer(0, units=2, fan_in=3, k=4).model(ConvexHull())
    columns, binaries, rows, _ = (np.array(model.size) - [3, 0, 0, 0]) / 2
    assert (columns, binaries, rows) == (4 + 12 + 1, 4, 4 + 2 + 2 * (12 - 3) + 3)


@pytest.mark.parametrize("formulation", [BigM(), ConvexHull(), Partition()])
def test_members_that_cannot_be_the_largest_cost_nothing(formulation: Formulation) -> None:
    form = FormBuilder()
    x = form.input("x", 4)
    shifted = form.affine((x,), (np.eye(4),), np.array([0.0, 1.0, -10.0, 0.5]))
    net = form.build({"y": form.max(shifted, np.arange(4), np.array([0, 4]))})
    bounds = compute_bounds(unrolled(net), [Ibp()])
    reduced = bounds.select(specialise(net, bounds.lower, bounds.upper))
    model = ModelBuilder()
    encode(reduced, formulation, model)
    assert model.size[1] == 3


@pytest.mark.parametrize("formulation", [ConvexHull(), Partition(), Partition(3, "weight-sorted")])
def test_fixed_and_narrow_inputs_have_no_share_of_their_own(formulation: Formulation) -> None:
    layer = Layer(1, units=2, fan_in=5)
    layer.high[0] = layer.low[0]
    layer.weights[:, 1] = [1e-7, -1e-7]
    layer.bias -= layer.weights[:, 0] * layer.low[0]
    centre = layer.bias + layer.weights @ (layer.low + layer.high) / 2
    radius = np.abs(layer.weights) @ (layer.high - layer.low) / 2
    layer.bias -= centre
    layer.lower, layer.upper = -radius, radius
    model, *_ = layer.model(formulation)
    expected = 3 if isinstance(formulation, ConvexHull) else formulation.parts
    assert model.values["unit.share"].size == 2 * expected
    for c, d in layer.directions():
        hull = layer.hull(0, c, d)
        found = layer.relaxed(formulation, 0, c, d)
        assert found <= hull + TOLERANCE
        if expected == 3:
            assert found == pytest.approx(hull, abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_inputs_of_tiny_weight_do_not_mislead_the_solver(seed: int) -> None:
    """HiGHS 1.15 calls plans of 1.41 to 1.54 optimal where each input, however small its weight, has a share."""
    problem = r2m.Trajectory.from_toml(ROOT / "examples" / "cartpole" / "problem.toml")
    problem = replace(problem, horizon=5)
    best, _ = best_sequence(problem)
    answer = r2m.solve(problem, "highs", bounds="crown", formulation="convex-hull", seed=seed)
    assert answer.objective == pytest.approx(best, rel=1e-4)


def test_options_are_checked_and_named() -> None:
    assert str(Partition()) == "partition"
    assert str(Partition(3, tighten="lp")) == "partition(parts=3,tighten=lp)"
    for wrong in ({"parts": 0}, {"split": "random"}, {"tighten": "mip"}, {"budget": 0.0}):
        with pytest.raises(InvalidOption, match="partition: "):
            Partition(**wrong)
