"""What the graph of a file looks like: few nodes, the file's names, the batch axis left out."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, parser

from relu2mip.errors import InvalidNetwork, UnknownOption
from relu2mip.frontends.onnx import load_onnx
from relu2mip.ir import Linear, Rearrange, Relu
from tests.frontends.networks import build
from tests.frontends.oracle import agrees


def ops(model: onnx.ModelProto) -> list[str]:
    return [node.op.name for node in agrees(model).nodes]


def test_the_text_of_a_perceptron():
    nodes = [("Gemm", ["x", "w", "b"], ["a"]), ("Relu", ["a"], ["h"]), ("MatMul", ["h", "v"], ["y"])]
    constants = {"w": np.array([[1.0, -2.0], [0.5, 0.0]]), "b": np.array([0.25, -1.0]), "v": np.array([[3.0], [4.0]])}
    assert str(load_onnx(build(nodes, {"x": ("N", 2)}, {"y": ("N", 1)}, constants))) == (
        'graph "net"\n'
        "  input  x : 2\n"
        '  a = linear(x) : 1x2    # Gemm "a"; matrix=2x2 (3 nonzeros), bias=[0.25, -1], repeat=1\n'
        '  h = relu(a) : 1x2    # Relu "h"\n'
        '  y = linear(h) : 1x1    # MatMul "y"; matrix=1x2 (2 nonzeros), bias=[0], repeat=1\n'
        "  output y : 1"
    )


def test_a_product_and_its_bias_are_one_node():
    constants = {"w": np.ones((2, 3)), "b": np.arange(3.0)}
    nodes = [("MatMul", ["x", "w"], ["a"]), ("Add", ["b", "a"], ["y"])]
    graph = agrees(build(nodes, {"x": ("N", 2)}, ["y"], constants))
    (node,) = graph.nodes
    assert (node.name, node.origin) == ("y", 'MatMul "a", Add "y"')
    shared = agrees(build([*nodes, ("Relu", ["a"], ["z"])], {"x": ("N", 2)}, ["y", "z"], constants))
    assert [node.op.name for node in shared.nodes] == ["linear", "scale", "relu"]


def test_a_product_on_three_axes_shares_its_matrix():
    constants = {"w": np.ones((2, 4)), "b": np.arange(4.0)}
    nodes = [("MatMul", ["x", "w"], ["a"]), ("Add", ["a", "b"], ["y"])]
    (node,) = agrees(build(nodes, {"x": ("N", 3, 2)}, ["y"], constants)).nodes
    assert isinstance(node.op, Linear)
    assert (node.op.matrix.shape, node.op.repeat) == ((4, 2), 3)


@pytest.mark.parametrize(
    ("node", "constants"),
    [
        (("Reshape", ["h", "c"], ["r"]), {"c": np.array([-1, 3, 2])}),
        (("Flatten", ["h"], ["r"]), {}),
        (("Unsqueeze", ["h", "c"], ["r"]), {"c": np.array([1])}),
        (("Identity", ["h"], ["r"]), {}),
        (("Dropout", ["h"], ["r"]), {}),
        (("Cast", ["h"], ["r"], {"to": TensorProto.FLOAT}), {}),
        (("Transpose", ["h"], ["r"], {"perm": [1, 0]}), {}),
        (("Slice", ["h", "z", "n"], ["r"]), {"z": np.array([0]), "n": np.array([9])}),
        (("Concat", ["h"], ["r"], {"axis": 1}), {}),
        (("Expand", ["h", "c"], ["r"]), {"c": np.array([1, 1])}),
        (("Add", ["h", "c"], ["r"]), {"c": np.zeros(6)}),
        (("Mul", ["c", "h"], ["r"]), {"c": np.ones(6)}),
        (("Pad", ["h", "c"], ["r"]), {"c": np.zeros(4, dtype=np.int64)}),
        (("Split", ["h"], ["r"], {"num_outputs": 1}), {}),
    ],
)
def test_what_changes_nothing_leaves_no_node(node: tuple, constants: dict):
    nodes = [("Relu", ["x"], ["h"]), node, ("Abs", ["r"], ["y"])]
    assert ops(build(nodes, {"x": (1, 6)}, ["y"], constants)) == ["relu", "abs"]


def test_movements_in_a_row_are_one():
    nodes = [
        ("Transpose", ["x"], ["a"], {"perm": [0, 2, 1]}),
        ("Concat", ["a", "c"], ["b"], {"axis": 1}),
        ("Slice", ["b", "one", "four", "one"], ["d"]),
        ("Flatten", ["d"], ["e"]),
        ("Gather", ["e", "picks"], ["f"], {"axis": 1}),
        ("Relu", ["f"], ["y"]),
    ]
    constants = {
        "c": np.full((1, 2, 2), 7.0),
        "one": np.array([1]),
        "four": np.array([4]),
        "picks": np.array([5, 0, 1, 1]),
    }
    graph = agrees(build(nodes, {"x": (1, 2, 3)}, ["y"], constants))
    assert [node.op.name for node in graph.nodes] == ["rearrange", "relu"]
    rearranged = graph.nodes[0].op
    assert isinstance(rearranged, Rearrange)
    np.testing.assert_array_equal(rearranged.index, [-1, 1, 4, 4])


def test_a_transpose_and_its_inverse_vanish():
    nodes = [
        ("Transpose", ["x"], ["a"], {"perm": [0, 2, 1]}),
        ("Transpose", ["a"], ["b"], {"perm": [0, 2, 1]}),
        ("Relu", ["b"], ["y"]),
    ]
    assert ops(build(nodes, {"x": (1, 2, 3)}, ["y"])) == ["relu"]


def test_a_split_that_is_joined_again_vanishes():
    nodes = [
        ("Split", ["x"], ["a", "b"], {"axis": 1, "num_outputs": 2}),
        ("Concat", ["a", "b"], ["c"], {"axis": 1}),
        ("Relu", ["c"], ["y"]),
    ]
    assert ops(build(nodes, {"x": (1, 6)}, ["y"])) == ["relu"]


def test_what_no_output_needs_is_left_out():
    nodes = [("Relu", ["x"], ["y"]), ("Sigmoid", ["x"], ["z"]), ("Neg", ["y"], ["w"])]
    assert ops(build(nodes, {"x": (1, 6)}, ["y"])) == ["relu"]


def test_max_with_zero_is_relu():
    (node,) = agrees(build([("Max", ["c", "x"], ["y"])], {"x": (3,)}, ["y"], {"c": np.zeros(3)})).nodes
    assert isinstance(node.op, Relu)


def test_names_and_origins():
    model = build([("PRelu", ["x", "s"], ["y"]), ("Mean", ["y", "x"], ["z"])], {"x": (3,)}, ["z"], {"s": np.ones(3)})
    model.graph.node[0].name = "/act/PRelu"
    first, second = load_onnx(model).nodes
    assert (first.name, first.origin) == ("y", 'PRelu "/act/PRelu"')
    assert (second.name, second.origin) == ("z", 'Mean "z"')


def test_several_outputs_may_be_one_tensor_or_an_input():
    nodes = [("Relu", ["x"], ["h"]), ("Identity", ["h"], ["a"]), ("Flatten", ["h"], ["b"]), ("Identity", ["x"], ["c"])]
    graph = agrees(build(nodes, {"x": ("N", 3)}, ["h", "a", "b", "c"]))
    assert [port.name for port in graph.outputs] == ["h", "a", "b", "c"]
    through = agrees(build([("Relu", ["x"], ["y"])], {"x": ("N", 3)}, ["x", "y"]))
    assert [port.name for port in through.outputs] == ["x", "y"]


def test_an_input_that_nothing_reads():
    graph = agrees(build([("Relu", ["x"], ["y"])], {"x": ("N", 3), "u": ("N", 2)}, ["y"]))
    assert [port.name for port in graph.inputs] == ["x", "u"]


def test_names_in_branches_do_not_clash():
    branch = parser.parse_graph("b () => (float[N] z) { y = Relu(x) z = Neg(y) }")
    model = build([("If", ["c"], ["h"]), ("Neg", ["h"], ["y"])], {"x": (2,)}, ["y"], {"c": np.array(True)})
    for name in ("then_branch", "else_branch"):
        model.graph.node[0].attribute.append(helper.make_attribute(name, branch))
    names = [node.name for node in agrees(model).nodes]
    assert names == ["y_1", "z", "y"]


@pytest.mark.parametrize(
    ("shape", "port"),
    [
        (("N", 5), (5,)),
        ((1, 5), (5,)),
        ((1, 1, 1, 5), (1, 1, 5)),
        ((6,), (6,)),
        ((2, 6), (2, 6)),
        (("N",), ()),
        ((1,), (1,)),
        ((), ()),
    ],
)
def test_the_batch_axis(shape: tuple, port: tuple):
    graph = agrees(build([("Relu", ["x"], ["y"])], {"x": shape}, {"y": shape}))
    assert graph.inputs[0].shape == graph.outputs[0].shape == port


def test_a_batch_of_inputs_with_and_without_the_axis():
    nodes = [("Add", ["x", "p"], ["y"]), ("ReduceSum", ["y"], ["z"], {"keepdims": 0})]
    graph = agrees(build(nodes, {"x": (1, 3), "p": (3,)}, {"y": (1, 3), "z": ()}))
    assert [port.shape for port in (*graph.inputs, *graph.outputs)] == [(3,), (3,), (3,), ()]


def test_other_symbolic_sizes_must_be_given():
    model = build([("Relu", ["x"], ["y"])], {"x": ("N", "k", 2)}, {"y": ("N", "k", 2)})
    with pytest.raises(InvalidNetwork, match=r"pass shapes=\{'x': \(1, \?, 2\)\}"):
        load_onnx(model)
    assert agrees(model, {"x": (1, 3, 2)}).inputs[0].shape == (3, 2)
    assert agrees(model, {"x": (4, 3, 2)}).inputs[0].shape == (4, 3, 2)
    assert dict(load_onnx(model, {"x": (1, 3, 2)}).source.shapes) == {"x": (1, 3, 2)}


def test_shapes_must_fit_the_file():
    model = build([("Relu", ["x"], ["y"])], {"x": ("N", 2)}, ["y"])
    with pytest.raises(InvalidNetwork, match=r"has shape \('\?', 2\) in the file, but shapes gives \(1, 3\)"):
        load_onnx(model, {"x": (1, 3)})
    with pytest.raises(InvalidNetwork, match="but shapes gives"):
        load_onnx(model, {"x": (2,)})
    with pytest.raises(InvalidNetwork, match="but shapes gives"):
        load_onnx(model, {"x": (0, 2)})
    with pytest.raises(UnknownOption, match="did you mean 'x'"):
        load_onnx(model, {"x0": (1, 2)})


def test_inputs_without_a_shape():
    model = build([("Relu", ["x"], ["y"])], {"x": None}, ["y"])
    with pytest.raises(InvalidNetwork, match="input 'x' has no shape; pass shapes="):
        load_onnx(model)
    assert agrees(model, {"x": (1, 4)}).inputs[0].shape == (4,)


def test_functions_are_inlined():
    text = """
    <ir_version: 9, opset_import: ["" : 18, "own" : 1]>
    net (float[N, 2] x) => (float[N, 2] y) { y = own.twice <k: float = 3.0> (x) }
    <domain: "own", opset_import: ["" : 18]>
    twice <k> (a) => (c) { f = Constant <value_float: float = @k> () b = Mul(a, f) c = Relu(b) }
    """
    graph = agrees(parser.parse_model(text))
    assert [node.op.name for node in graph.nodes] == ["scale", "relu"]


@pytest.mark.parametrize("condition", [True, False])
@pytest.mark.parametrize("opset", [7, 11, 13, 16, 21])
def test_branches_with_a_constant_condition(condition: bool, opset: int):
    then = parser.parse_graph("t () => (float[2] t1, float[2] t2) { t1 = Relu(h) t2 = Neg(t1) }")
    other = parser.parse_graph("e () => (float[2] e1, float[2] e2) { e1 = Neg(h) e2 = Add(e1, x) }")
    nodes = [("Neg", ["x"], ["h"]), ("If", ["c"], ["y", "z"])]
    constants = {"c": np.array(condition)}
    model = build(nodes, {"x": (2,)}, {"y": (2,), "z": (2,)}, constants, opset=opset)
    attributes = {"then_branch": then, "else_branch": other}
    model.graph.node[1].attribute.extend(helper.make_attribute(k, g) for k, g in attributes.items())
    kinds = [node.op.name for node in agrees(model).nodes]
    assert ("relu" in kinds) == condition


def test_refusals_in_the_branch_that_is_taken():
    from relu2mip.errors import UnsupportedNetwork

    then = parser.parse_graph("t () => (float[2] t1) { t1 = Sigmoid(x) }")
    other = parser.parse_graph("e () => (float[2] e1) { e1 = Relu(x) }")
    for condition in (True, False):
        model = build([("If", ["c"], ["y"])], {"x": (2,)}, ["y"], {"c": np.array(condition)})
        attributes = {"then_branch": then, "else_branch": other}
        model.graph.node[0].attribute.extend(helper.make_attribute(k, g) for k, g in attributes.items())
        if condition:
            with pytest.raises(UnsupportedNetwork, match="Sigmoid 't1'"):
                load_onnx(model)
        else:
            agrees(model)


def test_einsum_whose_operands_have_other_ranks():
    """onnxruntime 1.31 crashes on this equation, so it is compared with numpy."""
    factor = np.arange(40.0).reshape(2, 4, 5) / 7
    model = build(
        [("Einsum", ["x", "c"], ["y"], {"equation": "...ij,...jk->...ik"})], {"x": (3, 4)}, ["y"], {"c": factor}
    )
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    expected = np.einsum("...ij,...jk->...ik", x, factor.astype(np.float32).astype(float))
    np.testing.assert_allclose(load_onnx(model).evaluate(x)["y"], expected, rtol=1e-12)
