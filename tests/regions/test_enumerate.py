"""Regions cover the points within the bounds once, their maps are the network, and none is missed or made up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Bounds, Crown, compute_bounds
from relu2mip.ir import Graph, LeakyRelu, Linear, Node, Port
from relu2mip.ir.samples import integrator, tiny
from relu2mip.normal_form import FormBuilder, Max, NormalForm, Relu
from relu2mip.passes import specialise
from relu2mip.regions import Region, Step, TooManyRegions, enumerate_regions, split
from tests.bounds.test_bounds import unrolled
from tests.forms import forms, mlp
from tests.formulations.test_exactness import SMALL_NETS

AFFINE = {"rearrange", "rearrange with fill", "linear", "linear sparse", "linear repeated", "scale", "maximum of one",
          "group-max of one"}  # fmt: skip
NETS = {
    "tiny": tiny(),
    **{name: net for name, net in SMALL_NETS.items() if net.input_size <= 4 and name not in AFFINE},
    "mlp 2-3-3-1": mlp([2, 3, 3, 1], seed=5, scale=2.0),
}


def only_step(net: Graph, radius: float = 2.0) -> Step:
    compiled = r2m.compile(r2m.BoxProblem(net, -radius, radius, np.zeros(net.output_size)), bounds="crown")
    (step,) = (step for step in split(compiled.bounds) if step.nonlinear)
    return step


def sample(step: Step, count: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """Inputs in the box whose values are all within the bounds, and all values there."""
    low, high = step.box
    v = np.random.default_rng(seed).uniform(low, high, (count, low.size))
    ends = np.cumsum([0, *(value.size for value in step.form.values[: len(step.inputs)])])
    given = {str(k): v[:, a:b] for k, a, b in zip(step.inputs, ends[:-1], ends[1:], strict=True)}
    values = [np.broadcast_to(x, (count, x.shape[1])) for x in step.form.evaluate_all(given)]
    inside = np.ones(count, dtype=bool)
    for i in range(len(values)):
        inside &= ((values[i] >= step.lower[i]) & (values[i] <= step.upper[i])).all(axis=1)
    return v[inside], [x[inside] for x in values]


def member(regions: list[Region], v: np.ndarray, slack: float) -> np.ndarray:
    """Which points are in which regions, sides moved outwards by `slack`."""
    columns = [
        (v @ r.matrix.T <= r.limit + slack).all(axis=1) & ((v >= r.lower - slack) & (v <= r.upper + slack)).all(axis=1)
        for r in regions
    ]
    return np.stack(columns, axis=1)


def patterns(step: Step, values: list[np.ndarray]) -> np.ndarray:
    parts = [np.zeros((len(values[0]), 0), dtype=int)]
    for value in step.form.values:
        if isinstance(value, Relu):
            parts.append((values[value.input] > 0).astype(int))
        elif isinstance(value, Max):
            groups = np.split(values[value.input][:, value.members], value.starts[1:-1], axis=1)
            parts += [group.argmax(axis=1)[:, None] for group in groups]
    return np.concatenate(parts, axis=1)


def check(step: Step, regions: list[Region], count: int = 20_000) -> int:
    """Hold regions against sampled points of a step; how many points there were."""
    v, values = sample(step, count)
    within = member(regions, v, 1e-7)
    assert within.any(axis=1).all()
    assert (member(regions, v, -1e-7).sum(axis=1) <= 1).all()
    y = np.concatenate([values[i] for i in step.results], axis=1)
    for k, region in enumerate(regions):
        mine = within[:, k]
        np.testing.assert_allclose(v[mine] @ region.gain.T + region.offset, y[mine], atol=1e-5)
        assert (y[mine] >= region.least - 1e-5).all()
        assert (y[mine] <= region.most + 1e-5).all()
    return len(v)


@pytest.mark.parametrize("name", NETS)
def test_the_regions_of_a_network_are_its_patterns(name: str) -> None:
    step = only_step(NETS[name])
    regions = enumerate_regions(step, 1000)
    assert check(step, regions) > 1000
    _, values = sample(step, 200_000, seed=1)
    found = {tuple(row) for row in np.unique(patterns(step, values), axis=0).tolist()}
    known = [region.pattern for region in regions]
    assert len(set(known)) == len(known)
    assert found <= set(known)
    assert len(known) <= len(found) + 4, "regions that 200 000 points miss should be few"


@given(form=forms(max_values=6, max_size=3), seed=st.integers(0, 100))
def test_the_regions_of_any_form_cover_it_once(form: NormalForm, seed: int) -> None:
    bounds = compute_bounds(unrolled(form), [Crown()])
    reduced = bounds.select(specialise(form, bounds.lower, bounds.upper))
    for step in split(reduced):
        if step.nonlinear:
            check(step, enumerate_regions(step, 1000), 2000)


def test_the_two_unit_network_by_hand() -> None:
    regions = enumerate_regions(only_step(tiny(), 1.0))
    assert [r.pattern for r in regions] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    np.testing.assert_allclose([r.gain[0] for r in regions], [[0, 0], [1, -1], [1, 1], [2, 0]], atol=1e-12)
    np.testing.assert_allclose([r.offset for r in regions], np.zeros((4, 1)), atol=1e-12)
    np.testing.assert_allclose([r.lower for r in regions], [[-1, -1], [-1, -1], [-1, 0], [0, -1]], atol=1e-9)
    np.testing.assert_allclose([r.upper for r in regions], [[0, 1], [1, 0], [1, 1], [1, 1]], atol=1e-9)
    np.testing.assert_allclose(regions[3].matrix, [[-1, -1], [-1, 1]])


def test_units_that_exclude_each_other_have_no_common_region() -> None:
    form = FormBuilder()
    x = form.input("x", 1)
    h = form.relu(form.affine((x,), (np.array([[1.0], [-1.0], [1.0]]),), np.array([0.0, 0.0, -1.0])))
    y = form.affine((h,), (np.array([[1.0, 1.0, 1.0]]),), kept=True)
    built = form.build({"y": y})
    bounds = Bounds.of(built, {x: (np.array([-2.0]), np.array([2.0]))})
    (step,) = split(compute_bounds(unrolled(built), [Crown()]))
    assert [r.pattern for r in enumerate_regions(step)] == [(0, 1, 0), (1, 0, 0), (1, 0, 1)]
    assert bounds.unstable == 3


def test_bounds_leave_out_what_they_exclude() -> None:
    problem = r2m.Trajectory(
        integrator(),
        horizon=1,
        initial_state=r2m.Box([0.0, -4.0], [0.0, 4.0]),
        predicts="change",
        controls=r2m.Box(-1, 1),
        states=r2m.Box([-1.0, -9.0], [1.0, 9.0]),
    )
    compiled = r2m.compile(problem, bounds="ibp")
    (step,) = split(compiled.bounds)
    regions = enumerate_regions(step)
    check(step, regions)
    assert len(regions) == 3
    # The next position, 0 + v / 2, must stay in [-1, 1].
    np.testing.assert_allclose([r.lower[1] for r in regions], [-1, -2, 1], atol=1e-6)
    np.testing.assert_allclose([r.upper[1] for r in regions], [1, -1, 2], atol=1e-6)
    assert not regions[0].gain[:, 0].any(), "a fixed input moves nothing"


def test_a_step_beyond_the_limit_is_named() -> None:
    step = only_step(mlp([3, 4, 4, 2], seed=2))
    count = len(enumerate_regions(step, 1000))
    assert len(enumerate_regions(step, count)) == count
    with pytest.raises(TooManyRegions, match=rf"^layer1\.relu: the step has more than {count - 1} activation regions"):
        enumerate_regions(step, count - 1)
    with pytest.raises(TooManyRegions, match=r"more than 2 .* raise the limit$"):
        enumerate_regions(step, 2)


def test_a_horizon_is_cut_between_its_states() -> None:
    problem = r2m.Trajectory(
        integrator(), horizon=3, initial_state=[0.0, 0.0], predicts="change", controls=r2m.Box(-4, 4),
        states=r2m.Box(-4, 4), cost=r2m.costs.L1(target=[1.0, 0.0], state=[1.0, 0.0]),
    )  # fmt: skip
    compiled = r2m.compile(problem, bounds="ibp")
    steps = split(compiled.bounds)
    assert [step.place.prefix for step in steps] == ["t01.state", "t01.layer1.relu", "t02.layer1.relu"]
    form = compiled.bounds.form
    assert [[form.values[i].place.prefix for i in step.outputs] for step in steps] == [
        ["t01.state"], ["t02.state"], ["t03.state"],
    ]  # fmt: skip
    assert [len(step.inputs) for step in steps] == [2, 2, 2]


def test_a_step_deeper_than_the_interpreters_stack() -> None:
    nodes, last = [], "x"
    for k in range(400):
        nodes.append(Node(f"h{k}", LeakyRelu(np.array([0.99])), (last,), (1,)))
        nodes.append(Node(f"y{k}", Linear(np.array([[1.01]]), np.zeros(1)), (f"h{k}",), (1,)))
        last = f"y{k}"
    net = Graph("deep", (Port("x", (1,)),), (Port(last, (1,)),), tuple(nodes))
    compiled = r2m.compile(r2m.BoxProblem(net, -1, 1, [1.0]), bounds="ibp")
    (step,) = split(compiled.bounds)
    assert compiled.statistics.units - compiled.statistics.stable == 400
    patterns = [sum(region.pattern) for region in enumerate_regions(step)]
    assert patterns == [0, 400]
