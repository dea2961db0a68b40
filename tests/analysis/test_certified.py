"""What is certified absent is 0 at every sampled point, enclosures hold every sampled Jacobian, and exact is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relu2mip.analysis import ExactOptions, certified_graph
from relu2mip.analysis.enclosure import enclosures
from relu2mip.analysis.pointwise import jacobians_at
from relu2mip.bounds import Crown, Ibp, compute_bounds
from relu2mip.errors import InvalidOption, InvalidProblem, UnknownOption
from relu2mip.ir import Add, Graph, Linear, Node, Port, Rearrange, Relu
from relu2mip.ir.lower import lower
from relu2mip.ir.samples import integrator, tiny
from relu2mip.normal_form import NormalForm
from tests.bounds.test_bounds import unrolled
from tests.forms import forms, mlp, points


def blocks(sizes: list[int], count: int = 2, seed: int = 0) -> Graph:
    """Several perceptrons side by side as one network: the Jacobian is block-diagonal."""
    parts = [mlp(sizes, seed + k) for k in range(count)]
    nodes, tensor = [], "x"
    for layers in zip(*(part.nodes for part in parts), strict=True):
        first = layers[0]
        if isinstance(first.op, Linear):
            matrix = np.zeros((count * first.op.matrix.shape[0], count * first.op.matrix.shape[1]))
            rows, columns = first.op.matrix.shape
            for k, node in enumerate(layers):
                matrix[k * rows : (k + 1) * rows, k * columns : (k + 1) * columns] = node.op.matrix
            op: Linear | Relu = Linear(matrix, np.concatenate([node.op.bias for node in layers]))
            size = matrix.shape[0]
        else:
            op = Relu()
        nodes.append(Node(first.name, op, (tensor,), (size,)))
        tensor = first.name
    return Graph("blocks", (Port("x", (count * sizes[0],)),), (Port("y", (count * sizes[-1],)),), tuple(nodes))


NETS = {
    "tiny": tiny(),
    "integrator": integrator(),
    "2x32": mlp([6, 32, 32, 4], seed=1),
    "blocks": blocks([3, 8, 8, 2]),
    "3x16": mlp([4, 16, 16, 16, 3], seed=2, scale=1.5),
}


def box(net: Graph, seed: int, radius: float) -> tuple[np.ndarray, np.ndarray]:
    centre = np.random.default_rng(seed).uniform(-1, 1, net.input_size)
    return centre - radius, centre + radius


def contradictions(net: Graph, radius: float, count: int, exact: ExactOptions | None = None) -> None:
    low, high = box(net, 3, radius)
    graph = certified_graph(net, low, high, exact=exact)
    form, rng = lower(net), np.random.default_rng(7)
    size = np.maximum(1.0, np.abs(graph.upper) + np.abs(graph.lower))
    for _ in range(max(1, count // 20_000)):
        x = rng.uniform(low, high, (min(count, 20_000), net.input_size))
        found = jacobians_at(form, {"x": x}, {"y": net.output_size})
        assert not np.any(found[:, graph.certified])
        assert np.abs(found[:, graph.absent]).max(initial=0.0) < 1e-12
        assert (found >= graph.lower - 1e-12 * size).all()
        assert (found <= graph.upper + 1e-12 * size).all()


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("radius", [0.02, 0.3, 2.0])
def test_sampled_jacobians_never_contradict(name: str, radius: float) -> None:
    contradictions(NETS[name], radius, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("radius", [0.02, 0.3, 2.0])
def test_a_million_sampled_jacobians_never_contradict(name: str, radius: float) -> None:
    contradictions(NETS[name], radius, 1_000_000)


@given(form=forms(), seed=st.integers(0, 1000), method=st.sampled_from([Ibp(), Crown()]))
def test_enclosures_hold_by_any_value_of_any_form(form: NormalForm, seed: int, method: Ibp | Crown) -> None:
    bounds = compute_bounds(unrolled(form), [method])
    inputs = list(form.inputs.values())
    every = enclosures(form, bounds.lower, bounds.upper, inputs)
    sizes = {name: form.values[i].size for name, i in form.outputs.items()}
    found = jacobians_at(form, points(form, 100, seed), sizes)
    at = 0
    for name, i in form.outputs.items():
        rows = found[:, at : at + sizes[name]]
        at += sizes[name]
        assert (rows >= every[i].lower - 1e-9).all()
        assert (rows <= every[i].upper + 1e-9).all()
        assert not np.any(rows[:, ~every[i].reached])


def test_side_by_side_networks_do_not_depend_on_each_other() -> None:
    graph = certified_graph(NETS["blocks"], -1.0, 1.0)
    block = np.kron(np.eye(2), np.ones((2, 3))) > 0
    np.testing.assert_array_equal(graph.absent, ~block)
    assert graph.present[block].all()
    assert str(graph.grade) == "certified"
    assert sorted(graph.to_networkx().out_degree(f"in x[{k}]") for k in range(6)) == [2] * 6
    assert graph.to_dict()["sparsity"] == pytest.approx(0.5)


def test_an_input_that_a_dead_unit_alone_reads_is_absent_where_it_is_dead() -> None:
    net = integrator()  # friction acts above speed 1
    assert not certified_graph(net, [-1, -2, -1], [1, 2, 1]).absent[1, 1]
    assert certified_graph(net, [-1, -0.9, -1], [1, 0.9, 1]).absent[1, 1]


def cancelling() -> Graph:
    """y = relu(x) - relu(-x) - x + 0 z: no matter where, y does not depend on x, which intervals cannot see."""
    nodes = (
        Node("z", Linear(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.zeros(2)), ("x",), (2,)),
        Node("h", Relu(), ("z",), (2,)),
        Node("a", Linear(np.array([[1.0, -1.0]]), np.zeros(1)), ("h",), (1,)),
        Node("b", Linear(np.array([[-1.0, 0.5]]), np.zeros(1)), ("x",), (1,)),
        Node("y", Add((1.0, 1.0)), ("a", "b"), (1,)),
    )
    return Graph("cancelling", (Port("x", (2,)),), (Port("y", (1,)),), nodes)


def test_the_exact_mode_decides_what_cancels_in_every_region() -> None:
    coarse = certified_graph(cancelling(), -1.0, 1.0)
    assert coarse.undecided.tolist() == [[True, False]]
    exact = certified_graph(cancelling(), -1.0, 1.0, exact=ExactOptions())
    assert (exact.absent.tolist(), exact.regions, str(exact.grade)) == ([[True, False]], 2, "trusted")
    np.testing.assert_allclose([exact.lower, exact.upper], [[[0.0, 0.5]], [[0.0, 0.5]]])


def test_the_exact_hull_is_that_of_sampled_jacobians() -> None:
    net = mlp([2, 6, 6, 2], seed=4)
    graph = certified_graph(net, -1.0, 1.0, exact=ExactOptions())
    if graph.regions is None:
        certified = certified_graph(net, -1.0, 1.0)
        assert (graph.lower == certified.lower).all()
    contradictions(net, 1.0, 20_000, ExactOptions())


def test_beyond_its_limits_the_exact_mode_leaves_intervals_the_last_word() -> None:
    low = certified_graph(cancelling(), -1.0, 1.0, exact=ExactOptions("regions", regions=1))
    assert low.regions is None
    assert low.undecided.any()
    assert str(low.grade) == "certified"


def whole_numbers(seed: int) -> Graph:
    """A random network of small whole numbers, whose paths often cancel, in every region or in some."""
    rng = np.random.default_rng(seed)
    sizes = [int(rng.integers(1, 4)), *rng.integers(2, 5, rng.integers(1, 3)).tolist(), 2]
    net = mlp(sizes, seed)
    nodes = []
    for node in net.nodes:
        op = node.op
        if isinstance(op, Linear):
            rows = rng.integers(-1, 2, op.matrix.shape).astype(float)
            if rng.random() < 0.5 and len(rows) > 1:
                rows[1] = -rows[0]
            op = Linear(rows, rng.integers(-1, 2, op.bias.size).astype(float))
        nodes.append(Node(node.name, op, node.inputs, node.shape))
    skip = Linear(rng.integers(-1, 2, (2, sizes[0])).astype(float), np.zeros(2))
    nodes += [Node("skip", skip, ("x",), (2,)), Node("sum", Add((1.0, 1.0)), ("y", "skip"), (2,))]
    return Graph("whole", net.inputs, (Port("sum", (2,)),), tuple(nodes))


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_programs_decide_what_regions_decide(seed: int) -> None:
    net = whole_numbers(seed)
    regions = certified_graph(net, -1.0, 1.0, exact=ExactOptions("regions", time_limit=60))
    programs = certified_graph(net, -1.0, 1.0, exact=ExactOptions("programs", time_limit=60))
    assert not programs.undecided.any()
    assert (programs.absent == regions.absent).all()
    assert (programs.present == regions.present).all()
    form = lower(net)
    for found in (regions, programs):
        for j, i in np.argwhere(found.present):
            assert (np.abs(found.witnesses[j, i]) <= 1).all()
            assert jacobians_at(form, {"x": found.witnesses[j, i][None]}, {"sum": 2})[0, j, i] != 0


def corner() -> Graph:
    """y = relu(x_0 + x_1 + x_2 - 2.99) + 0 z: only a corner of the box [-1, 1]^3 knows that y depends on x."""
    nodes = (
        Node("z", Linear(np.ones((1, 3)), np.full(1, -2.99)), ("x",), (1,)),
        Node("y", Relu(), ("z",), (1,)),
    )
    return Graph("corner", (Port("x", (3,)),), (Port("y", (1,)),), nodes)


def test_programs_find_a_witness_in_a_corner() -> None:
    assert certified_graph(corner(), -1.0, 1.0).undecided.all()
    found = certified_graph(corner(), -1.0, 1.0, exact=ExactOptions("programs"))
    assert found.present.all()
    assert (found.witnesses.sum(axis=-1) > 2.99).all()
    assert str(found.grade) == "certified"  # nothing is absent


def two_inputs() -> Graph:
    """y = (relu(a_1 - b) - relu(a_1 - b) + b, a_0) of the inputs a, b, whose names are those of the copy."""
    nodes = (
        Node("z", Add((1.0, -1.0)), ("second", "moved"), (1,)),
        Node("second", Rearrange(np.array([1])), ("other",), (1,)),
        Node("h", Relu(), ("z",), (1,)),
        Node("again", Relu(), ("z",), (1,)),
        Node("y", Add((1.0, -1.0, 1.0)), ("h", "again", "moved"), (1,)),
        Node("first", Rearrange(np.array([0])), ("other",), (1,)),
    )
    inputs, outputs = (Port("other", (2,)), Port("moved", (1,))), (Port("y", (1,)), Port("first", (1,)))
    return Graph("two", inputs, outputs, (nodes[1], nodes[0], *nodes[2:]))


@pytest.mark.parametrize("method", ["regions", "programs"])
def test_networks_of_several_inputs_and_outputs(method: str) -> None:
    found = certified_graph(two_inputs(), -1.0, 1.0, exact=ExactOptions(method))
    assert found.absent.tolist() == [[True, True, False], [False, True, True]]
    assert not found.undecided.any()
    assert found.input_names == ("other[0]", "other[1]", "moved[0]")


def test_a_network_with_too_many_regions_is_decided_by_programs_within_the_budget() -> None:
    net = mlp([2, 4, 2], seed=3)
    doubled = Graph(
        "none", net.inputs, (Port("d", (2,)),),
        (*net.nodes, *(Node(f"{n.name}2", n.op, tuple(k if k == "x" else f"{k}2" for k in n.inputs), n.shape)
                       for n in net.nodes), Node("d", Add((1.0, -1.0)), ("y", "y2"), (2,))),
    )  # fmt: skip
    found = certified_graph(doubled, -1.0, 1.0, exact=ExactOptions(regions=2, time_limit=60))
    assert found.regions is None
    assert found.absent.all()
    assert str(found.grade) == "trusted"
    assert certified_graph(doubled, -1.0, 1.0, exact=ExactOptions("programs", time_limit=0)).undecided.all()


def test_an_input_without_width_is_not_taken_for_one_without_effect() -> None:
    for method in ("regions", "programs"):
        graph = certified_graph(tiny(), [0.0, 0.5], [0.0, 1.0], exact=ExactOptions(method))
        assert not graph.absent.any()


def test_bad_input_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="lower"):
        certified_graph(tiny(), -np.inf, 1.0)
    with pytest.raises(InvalidProblem):
        certified_graph(tiny(), [0.0, 0.0, 0.0], 1.0)
    with pytest.raises(UnknownOption, match="crown"):
        certified_graph(tiny(), -1.0, 1.0, bounds="crowm")
    with pytest.raises(InvalidOption, match="regions"):
        ExactOptions(regions=0)
    with pytest.raises(InvalidOption, match="time_limit"):
        ExactOptions(time_limit=-1)
    with pytest.raises(UnknownOption, match="programs"):
        ExactOptions("program")
    with pytest.raises(UnknownOption, match="highs"):
        certified_graph(cancelling(), -1.0, 1.0, exact=ExactOptions("programs", backend="high"))
    with pytest.raises(InvalidOption, match="tolerance"):
        certified_graph(tiny(), -1.0, 1.0).negligible(-1.0)
