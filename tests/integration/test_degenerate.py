"""Problems with little or nothing left to decide: constant, linear, dead and decided networks, fixed inputs, one step.

Each network meets each bound method and formulation, on one of the sets in turn.
"""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.ir import Constant, Graph, GroupMax, Linear, Node, Port, Rearrange, Relu
from relu2mip.ir.samples import integrator

BOUNDS = [
    "ibp", "crown", "alpha-crown(iterations=3)", "lp(budget=1)", "mip(budget=1)", "auto(budget=0.5)",
    "split(budget=0.5)", "split(budget=0.5,cutoff=false)", "crown+cutoff(budget=1)", "crown+structure",
]  # fmt: skip
FORMULATIONS = [
    "big-m", "convex-hull", "ideal", "indicator", "partition", "policy", "regions",
    "regions(hull=false,cost=false)", "sos1", "triangle",
]  # fmt: skip


def _graph(*nodes: Node, inputs: int = 3) -> Graph:
    return Graph("net", (Port("x", (inputs,)),), (Port("y", nodes[-1].shape),), nodes)


def _layer(first: object, bias: object, second: object, last: object, inputs: int = 3) -> Graph:
    """Y = second relu(first x + bias) + last."""
    a, b = np.array(first, dtype=float), np.array(second, dtype=float)
    return _graph(
        Node("z", Linear(a, np.broadcast_to(np.array(bias, dtype=float), len(a)).copy()), ("x",), (len(a),)),
        Node("h", Relu(), ("z",), (len(a),)),
        Node("y", Linear(b, np.broadcast_to(np.array(last, dtype=float), len(b)).copy()), ("h",), (len(b),)),
        inputs=inputs,
    )


ONES = np.ones((4, 3))
NETS = {
    "constant": _graph(Node("y", Constant(np.array([0.5, -0.25])), (), (2,))),
    "zero weights": _layer(ONES, 0, np.zeros((2, 4)), [0.5, -0.25]),
    "half constant": _layer(ONES, [-1, 0, 0.5, 1], [[1, -1, 0.5, 0], [0, 0, 0, 0]], [0.5, -0.25]),
    "identity": _graph(Node("y", Rearrange(np.array([0, 1])), ("x",), (2,))),
    "linear": _graph(Node("y", Linear(np.array([[1, 0.1, 0], [0, 1, 0.1]]), np.zeros(2)), ("x",), (2,))),
    "dead": _layer(ONES, -100, np.ones((2, 4)), [0.5, -0.25]),
    "active": _layer(ONES, 100, 0.01 * np.ones((2, 4)), [-3, -3]),
    "one map in all regions": _layer([[1, 0, 0], [-1, 0, 0], [2, 0, 0]], 0, [[1, -1, 0], [0, -2, 1]], 0),
    "constant in all regions": _layer([[1, 0, 0], [-1, 0, 0], [2, 0, 0]], 0, [[2, 0, -1], [2, 0, -1]], [0.1, 0.2]),
    "maximum": _graph(Node("y", GroupMax(np.array([0, 1, 2, 0, 1]), np.array([0, 3, 5])), ("x",), (2,))),
    "one member twice": _graph(Node("y", GroupMax(np.array([0, 0, 0, 1]), np.array([0, 3, 4])), ("x",), (2,))),
    "integrator": integrator(),
}
SETS = {
    "one step": {"horizon": 1},
    "fixed controls": {"controls": r2m.Box(0.5, 0.5)},
    "one control value": {"controls": r2m.Finite([[0.5]])},
    "free": {},
    "a fixed and a free initial state": {"initial_state": r2m.Box([0.3, -0.2], [0.3, 0.2]), "controls": r2m.Box(0, 0)},
    "no cost": {"cost": None},
}


def plan(net: str, sets: str) -> r2m.Trajectory:
    given = {
        "horizon": 2, "initial_state": [0.3, -0.2], "controls": r2m.Box(-1, 1), "states": r2m.Box(-300, 300),
        "predicts": "change", "cost": r2m.costs.L1(target=[0.5, 0.0], state=1.0, control=0.1),
    }  # fmt: skip
    return r2m.Trajectory(NETS[net], **{**given, **SETS[sets]})


WAYS = [(b, "big-m") for b in BOUNDS] + [("crown", f) for f in FORMULATIONS] + [("split(budget=0.5)", "regions")]
BOXES = [(-1.0, 1.0), (0.25, 0.25), ([-1.0, 0.25, 0.25], [1.0, 0.25, 0.25])]
TURNS = [(net, *way, k) for n, net in enumerate(NETS) for k, way in enumerate(WAYS, n)]
"""Networks, ways, and a number that picks the sets."""


def box(net: str, k: int) -> r2m.BoxProblem:
    return r2m.BoxProblem(NETS[net], *BOXES[k % len(BOXES)], [1.0, 0.5], "max")


def _check(problem: r2m.Trajectory | r2m.BoxProblem, bounds: str, formulation: str) -> None:
    answer = r2m.solve(problem, bounds=bounds, formulation=formulation, backend="highs")
    if formulation != "triangle":
        expected = r2m.solve(problem, bounds="ibp", formulation="big-m", backend="highs").objective
        assert answer.objective == pytest.approx(expected, rel=4e-4, abs=4e-4)
        assert answer.has_plan


@pytest.mark.parametrize(("net", "bounds", "formulation", "turn"), TURNS, ids=str)
def test_a_plan_with_little_to_decide(net: str, bounds: str, formulation: str, turn: int) -> None:
    _check(plan(net, list(SETS)[turn % len(SETS)]), bounds, formulation)


@pytest.mark.parametrize(("net", "bounds", "formulation", "turn"), TURNS, ids=str)
def test_a_box_with_little_to_decide(net: str, bounds: str, formulation: str, turn: int) -> None:
    _check(box(net, turn), bounds, formulation)


@pytest.mark.parametrize("sets", ["fixed controls", "one control value"])
@pytest.mark.parametrize("net", NETS)
def test_split_where_nothing_is_free(net: str, sets: str) -> None:
    problem = plan(net, sets)
    answer = r2m.solve(problem, bounds="split", backend="highs")
    states = problem.rollout(np.full((2, 1), 0.5))
    np.testing.assert_allclose(answer.states, states, atol=1e-6)


@pytest.mark.parametrize("formulation", ["regions", "regions(cost=false)", "regions(hull=false,cost=false)"])
@pytest.mark.parametrize("net", ["one map in all regions", "constant in all regions"])
def test_regions_that_share_one_map_need_no_binaries(net: str, formulation: str) -> None:
    for problem in (plan(net, "free"), box(net, 0)):
        compiled = r2m.compile(problem, bounds="crown", formulation=formulation)
        assert compiled.model.binaries == 0
        _check(problem, "crown", formulation)


COSTS = {
    "constant": _graph(Node("y", Constant(np.array([2.0])), (), (1,)), inputs=2),
    "constant of both": _graph(Node("y", Constant(np.array([2.0])), (), (1,))),
    "zero weights": _layer(np.ones((2, 2)), 0.1, np.zeros((1, 2)), 2.0, inputs=2),
}


@pytest.mark.parametrize("net", ["constant", "zero weights", "integrator"])
@pytest.mark.parametrize("name", COSTS)
def test_a_constant_cost_network(name: str, net: str) -> None:
    both = name == "constant of both"
    problem = r2m.Trajectory(
        NETS[net], 3, [0.3, -0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-30, 30),
        cost=r2m.costs.Network(COSTS[name], terminal=0.0 if both else 1.0),
    )  # fmt: skip
    expected = 6.0 if both else 8.0
    for bounds in ("crown", "auto(budget=0.5)", "split(budget=0.5)", "crown+cutoff(budget=1)"):
        assert r2m.solve(problem, bounds=bounds, backend="highs").objective == pytest.approx(expected)
    states = problem.rollout(np.zeros((4, 3, 1)))
    np.testing.assert_allclose(problem.evaluate_cost(states, np.zeros((4, 3, 1))), np.full(4, expected))
    assert problem.evaluate_cost(states[0], np.zeros((3, 1))) == pytest.approx(expected)
    slopes = problem.cost.gradient(states, np.zeros((4, 3, 1)), None)
    assert [s.shape for s in slopes] == [(4, 4, 2), (4, 3, 1)]
    assert not any(s.any() for s in slopes)


@pytest.mark.parametrize("predicts", ["state", "change"])
@pytest.mark.parametrize("net", ["constant", "zero weights"])
def test_a_constant_network_rolls_out_in_batches(net: str, predicts: str) -> None:
    problem = r2m.Trajectory(NETS[net], 3, [0.3, -0.2], r2m.Box(-1, 1), predicts)
    single = problem.rollout(np.zeros((3, 1)))
    first, change = np.array([0.3, -0.2]), np.array([0.5, -0.25])
    later = [change] * 3 if predicts == "state" else [first + k * change for k in (1, 2, 3)]
    np.testing.assert_allclose(single, [first, *later])
    np.testing.assert_allclose(problem.rollout(np.zeros((5, 3, 1))), np.tile(single, (5, 1, 1)))
    assert problem.rollout(np.zeros((1, 3, 1))).shape == (1, 4, 2)


@pytest.mark.parametrize("net", ["constant", "zero weights"])
def test_a_constant_network_evaluates_in_batches(net: str) -> None:
    graph, value = NETS[net], np.array([0.5, -0.25])
    assert graph.evaluate(np.zeros(3))["y"].tolist() == value.tolist()
    assert graph.evaluate(np.zeros((4, 3)))["y"].tolist() == [value.tolist()] * 4
    assert graph.evaluate_flat({"x": np.zeros((4, 3))})["y"].shape == (4, 2)
    assert box(net, 0).evaluate(np.zeros((4, 3))).tolist() == [0.375] * 4
    assert box(net, 0).evaluate(np.zeros(3)).tolist() == [0.375]
