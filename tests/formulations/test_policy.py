"""A formulation for each unit by rule: which units are strong, in which order columns come back, what it refuses."""

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidOption, UnknownOption
from relu2mip.formulations import Partition, Policy
from relu2mip.ir import Graph, Linear, Node, Port, Relu
from relu2mip.ir.ops import GroupMax
from relu2mip.ir.samples import integrator
from tests.brute_force import box_optimum
from tests.forms import mlp
from tests.trajectory.test_plans import plan

WEIGHTS = np.array([[1.0, 1, 1, 1], [1, -1, 0, 0], [1, 0, 1, -2], [0, 2, 0, -1], [1, 1, -1, -1]])
INPUTS = np.count_nonzero(WEIGHTS, axis=1)


def one_layer() -> Graph:
    """Five units of 4, 2, 3, 2 and 4 inputs, each an output."""
    nodes = (
        Node("z", Linear(WEIGHTS, np.zeros(5)), ("x",), (5,)),
        Node("h", Relu(), ("z",), (5,)),
        Node("y", Linear(np.diag([1.0, 2, 3, 4, 5]), np.zeros(5)), ("h",), (5,)),
    )
    return Graph("layer", (Port("x", (4,)),), (Port("y", (5,)),), nodes)


PROBLEM = r2m.BoxProblem(one_layer(), -1, 1, np.arange(5) - 2.0, "max")


@pytest.mark.parametrize("fan_in", [1, 2, 3, 4, 0])
def test_units_of_few_inputs_are_strong(fan_in: int) -> None:
    model = r2m.compile(PROBLEM, formulation=f"policy(fan_in={fan_in},strong=sos1)").model
    strong = (fan_in or 4) >= INPUTS
    assert (0 if model.sos1 is None else len(model.sos1)) == strong.sum()
    assert model.binaries == (~strong).sum()
    named = [] if model.sos1 is None else [int(name.partition("[")[2].partition("]")[0]) for name in model.sos1.names]
    assert named == np.flatnonzero(strong).tolist()


def test_units_of_wide_bounds_are_strong() -> None:
    compiled = r2m.compile(PROBLEM, formulation="policy(fan_in=0,width=7,strong=sos1)")
    width = 2 * np.abs(WEIGHTS).sum(axis=1)
    assert len(compiled.model.sos1) == (width >= 7).sum() == 3


def test_early_steps_are_strong() -> None:
    problem = plan(initial_state=[1.0, 0.9], controls=r2m.Box(-1, 1))
    everywhere, early = (
        r2m.compile(problem, bounds="ibp", formulation=f"policy(fan_in=0,strong=sos1,until={until})")
        for until in (0, 3)
    )
    steps = sorted({name.partition(".")[0] for name in everywhere.model.sos1.names})
    found = {name.partition(".")[0] for name in early.model.sos1.names}
    assert found == {step for step in steps if step < "t03"}
    assert found < set(steps)


@pytest.mark.parametrize("rule", ["fan_in=3", "fan_in=0,width=7"])
@pytest.mark.parametrize("strong", ["convex-hull", "partition", "ideal", "sos1", "big-m"])
def test_columns_come_back_in_the_order_of_the_units(rule: str, strong: str) -> None:
    compiled = r2m.compile(PROBLEM, formulation=f"policy({rule},strong={strong})")
    point = np.array([0.7, -0.4, 0.9, -0.8])
    x = compiled.start_from(point)
    expected = np.maximum(WEIGHTS @ point, 0)
    (name,) = (name for name in compiled.model.values if name.endswith(".y") and name != "y")
    np.testing.assert_allclose(x[compiled.model.values[name]], expected, atol=1e-8)
    np.testing.assert_allclose(compiled.expressions["y"].evaluate(x), expected * np.arange(1, 6), atol=1e-9)
    binaries = compiled.model.values.get(name[:-1] + "a")
    if strong != "sos1":
        np.testing.assert_allclose(x[binaries][expected > 0], 1.0, atol=1e-9)


def test_implications_are_those_of_the_units() -> None:
    problem = r2m.BoxProblem(mlp([2, 6, 4, 1], seed=3), -1, 1, [1.0], "max")
    plain = r2m.solve(problem, bounds="crown+structure", formulation="big-m", gap=0.0)
    mixed = r2m.compile(problem, bounds="crown+structure", formulation="policy(fan_in=0,width=2,strong=big-m)")
    assert any(name.startswith("implied") for name in mixed.model.row_names)
    assert mixed.solve(gap=0.0).objective == pytest.approx(plain.objective, rel=1e-6)


def test_maxima_follow_the_rules_group_by_group(backend: str) -> None:
    """Members 1 and 3 read 4 columns together, members 0, 2 and 4 read 11."""
    nodes = (
        Node("z", Linear(WEIGHTS, np.zeros(5)), ("x",), (5,)),
        Node("y", GroupMax(np.array([0, 2, 4, 1, 3]), np.array([0, 3, 5])), ("z",), (2,)),
    )
    net = Graph("maxima", (Port("x", (4,)),), (Port("y", (2,)),), nodes)
    problem = r2m.BoxProblem(net, -1, [1, 0.5, 1, 0.25], [1.0, -2.0], "max")
    compiled = r2m.compile(problem, formulation="policy(fan_in=5,strong=sos1)")
    assert len(compiled.model.sos1) == 2
    assert compiled.model.binaries == 3
    assert compiled.solve(backend, gap=0.0).objective == pytest.approx(box_optimum(problem), rel=1e-6)
    point = np.array([0.7, -0.4, 0.9, -0.8])
    values = compiled.expressions["y"].evaluate(compiled.start_from(point))
    np.testing.assert_allclose(values, net.evaluate(point)["y"], atol=1e-9)


def test_the_relaxation_lies_between() -> None:
    problem = r2m.BoxProblem(mlp([4, 6, 6, 1], seed=5), -1, 1, [1.0], "max")
    roots = [
        r2m.compile(problem, bounds="ibp", formulation=f).quality(best=1.0).root
        for f in ("convex-hull", "policy(fan_in=0,width=4)", "big-m")
    ]
    assert roots[0] <= roots[1] + 1e-7 <= roots[2] + 2e-7
    assert roots[0] < roots[2] - 1e-3


def test_formulations_with_options_are_given_as_objects() -> None:
    policy = Policy(strong=Partition(parts=3), fan_in=0)
    compiled = r2m.compile(PROBLEM, formulation=policy)
    same = r2m.compile(PROBLEM, formulation=Partition(parts=3))
    assert compiled.model.rows == same.model.rows
    assert compiled.formulation == "policy(strong=partition(parts=3),fan_in=0)"


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("policy(weak=triangle)", InvalidOption, "weak is triangle, a relaxation"),
        ("policy(strong=convx-hull)", UnknownOption, "did you mean 'convex-hull'"),
        ("policy(fan_in=-1)", InvalidOption, "at least 0"),
        ("policy(width=-1)", InvalidOption, "at least 0"),
        ("policy(until=2)", InvalidOption, "until=2 counts steps, and .* belongs to none"),
        ("policy(fanin=2)", UnknownOption, "did you mean 'fan_in'"),
    ],
)
def test_what_cannot_be_is_refused(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        r2m.compile(PROBLEM, formulation=text)


def test_a_plan_is_the_same_under_any_policy() -> None:
    problem = r2m.Trajectory(
        integrator(), 4, [1.0, 0.9], r2m.Box(-1, 1), "change", r2m.Box(-4, 4), r2m.costs.L1(state=1.0, control=0.1)
    )
    objectives = [
        r2m.solve(problem, bounds="ibp", formulation=f, gap=0.0).objective
        for f in ("big-m", "policy", "policy(until=2)", "policy(width=1,strong=partition,weak=sos1)")
    ]
    assert objectives == pytest.approx([objectives[0]] * 4, rel=1e-6)
