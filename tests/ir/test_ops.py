"""Every operation lowers to the function that it evaluates."""

import numpy as np
import pytest
import scipy.sparse as sp

import relu2mip.ir as ir
from relu2mip.errors import InvalidNetwork, InvalidProblem, Relu2MipError
from relu2mip.ir import Graph, Node, Port
from relu2mip.ir.draw import draw
from relu2mip.ir.lower import lower
from relu2mip.ir.samples import integrator, tiny

INF = np.inf
OPS = {
    "rearrange": (ir.Rearrange(np.array([2, 0, 0, 3])), [4]),
    "rearrange with fill": (ir.Rearrange(np.array([2, -1, 0]), np.array([0.0, 7.0, 0.0])), [4]),
    "rearrange of two": (ir.Rearrange(np.array([5, 0, 3, 1])), [4, 2]),
    "linear": (ir.Linear(np.array([[1.0, -2.0, 0.5, 0.0]]), np.array([3.0])), [4]),
    "linear sparse": (ir.Linear(sp.csr_array(np.eye(4)[:2]), np.ones(2)), [4]),
    "linear repeated": (
        ir.Linear(np.array([[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]), np.arange(3.0), repeat=2),
        [4],
    ),
    "scale": (ir.Scale(np.array([1.0, -2.0, 0.0, 1.0]), np.arange(4.0)), [4]),
    "add": (ir.Add((1.0, -2.0, 0.5)), [4, 4, 4]),
    "relu": (ir.Relu(), [4]),
    "leaky-relu": (ir.LeakyRelu(np.array([0.1, -0.5, 1.0, 2.0])), [4]),
    "clip": (ir.Clip(np.array([-1.0, -INF, 0.0, -INF]), np.array([1.0, 0.5, INF, INF])), [4]),
    "clip crossed": (ir.Clip(np.array([1.0, 0.0, 2.0, -1.0]), np.array([-1.0, 0.0, 3.0, -1.0])), [4]),
    "abs": (ir.Abs(), [4]),
    "maximum": (ir.Maximum(), [4, 4]),
    "maximum of three": (ir.Maximum(), [4, 4, 4]),
    "minimum": (ir.Minimum(), [4, 4]),
    "minimum of three": (ir.Minimum(), [4, 4, 4]),
    "maximum of one": (ir.Maximum(), [4]),
    "group-max": (ir.GroupMax(np.array([0, 1, 2, 3, 0]), np.array([0, 3, 5])), [4]),
    "group-max of pairs": (ir.GroupMax(np.array([0, 1, 3]), np.array([0, 2, 3])), [4]),
    "group-max of one": (ir.GroupMax(np.array([3, 1]), np.array([0, 1, 2])), [4]),
    "group-min": (ir.GroupMin(np.array([0, 1, 2, 3, 0]), np.array([0, 3, 5])), [4]),
    "group-min of pairs": (ir.GroupMin(np.array([0, 1, 3]), np.array([0, 2, 3])), [4]),
    "constant": (ir.Constant(np.array([1.0, 2.0])), []),
}


def one_node(op: ir.Op, sizes: list[int]) -> Graph:
    ports = tuple(Port(f"x{k}", (size,)) for k, size in enumerate(sizes))
    out = op.evaluate(*(np.zeros((1, size)) for size in sizes)).shape[1]
    return Graph("one", ports, (Port("y", (out,)),), (Node("y", op, tuple(p.name for p in ports), (out,)),))


@pytest.mark.parametrize("name", OPS)
def test_lowering_is_evaluation(name: str) -> None:
    op, sizes = OPS[name]
    graph = one_node(op, sizes)
    rng = np.random.default_rng(0)
    inputs = {f"x{k}": np.round(rng.normal(size=(200, size)) * 2) / 2 for k, size in enumerate(sizes)}
    form = lower(graph)
    expected = op.evaluate(*inputs.values())
    np.testing.assert_allclose(np.broadcast_to(form.evaluate(inputs)["y"], expected.shape), expected, atol=1e-12)


def test_every_op_is_covered() -> None:
    covered = {type(op) for op, _ in OPS.values()}
    assert covered == set(ir.Op.__subclasses__())


def test_evaluate_by_order_by_name_single_and_batch() -> None:
    net = integrator()
    x = np.array([0.5, 2.0, -1.0])
    single = net.evaluate(x)["y"]
    np.testing.assert_allclose(single, [1.0, -0.75])
    np.testing.assert_allclose(net.evaluate(x=x[None])["y"], single[None])
    assert net.evaluate(np.zeros((7, 3)))["y"].shape == (7, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(4),), r"shape \(4,\); give \(3,\)"),
        ((), "give each of its inputs"),
        ((np.zeros(3), np.zeros(3)), "give each of its inputs"),
    ],
)
def test_wrong_inputs_are_named(arguments: tuple, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        integrator().evaluate(*arguments)


def test_a_graph_out_of_order_is_refused() -> None:
    nodes = (Node("y", ir.Relu(), ("z",), (1,)), Node("z", ir.Relu(), ("x",), (1,)))
    with pytest.raises(InvalidNetwork, match="reads 'z' before"):
        Graph("bad", (Port("x", (1,)),), (Port("y", (1,)),), nodes)
    with pytest.raises(InvalidNetwork, match="output 'w'"):
        Graph("bad", (Port("x", (1,)),), (Port("w", (1,)),), ())


def test_drawings(tmp_path) -> None:
    assert "digraph" in draw(tiny(), tmp_path / "g.dot").read_text()
    assert 'graph "tiny"' in draw(tiny(), tmp_path / "g.txt").read_text()
    with pytest.raises(Relu2MipError, match="cannot draw"):
        draw(tiny(), tmp_path / "g.docx")


def test_without_graphviz_the_text_is_written_and_said_so(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.warns(UserWarning, match="graphviz"):
        written = draw(tiny(), tmp_path / "g.svg")
    assert written == tmp_path / "g.txt"
    assert 'graph "tiny"' in written.read_text()


def test_structure_and_digest() -> None:
    dag = integrator().dag()
    assert set(dag.successors("x")) == {"z", "g"}
    assert tiny().digest == tiny().digest != integrator().digest
