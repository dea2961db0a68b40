"""Files that cannot be read: each error says which file, which tensor, and what to do."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import relu2mip as r2m
from relu2mip.errors import InvalidNetwork, InvalidProblem, Relu2MipError
from relu2mip.frontends.onnx import Replay, load_onnx
from tests.frontends.networks import build, mlp
from tests.frontends.oracle import agrees


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "dynamics.onnx"
    onnx.save(mlp([3, 4, 2]), path)
    return path


def test_a_path_bytes_and_a_model_give_the_same(saved: Path):
    data = saved.read_bytes()
    sources = [saved, str(saved), data, onnx.load(saved)]
    graphs = [load_onnx(source) for source in sources]
    x = np.array([0.3, -1.0, 2.0])
    for graph in graphs:
        np.testing.assert_array_equal(graph.evaluate(x)["y"], graphs[0].evaluate(x)["y"])
        assert len(graph.source.model) == len(data)
    assert graphs[0].name == "dynamics"
    assert graphs[2].name == "net"
    assert graphs[0].source.path == str(saved)
    assert graphs[2].source.path == ""


def test_the_digest_is_that_of_the_file(saved: Path):
    assert load_onnx(saved).digest == hashlib.sha256(saved.read_bytes()).hexdigest()


def test_metadata_is_kept(saved: Path):
    model = onnx.load(saved)
    helper.set_model_props(model, {"states": "q, v"})
    assert dict(load_onnx(model).source.metadata) == {"states": "q, v"}


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(InvalidNetwork, match=r"none\.onnx: cannot be read: No such file"):
        load_onnx(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"this is no model", b"\x80\x04\x95", b"PK\x03\x04zip", b"{'a': 1}"])
def test_files_that_are_not_onnx(tmp_path: Path, content: bytes):
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    with pytest.raises(InvalidNetwork, match=r"text\.onnx: is (not an ONNX file|empty)"):
        load_onnx(path)


def test_truncated_anywhere(saved: Path):
    data = saved.read_bytes()
    for size in range(len(data)):
        try:
            graph = load_onnx(data[:size])
        except InvalidNetwork:
            continue
        # What was cut off may be only optional: then it is the same function.
        x = np.array([0.3, -1.0, 2.0])
        np.testing.assert_array_equal(graph.evaluate(x)["y"], load_onnx(data).evaluate(x)["y"])


def test_damaged_bytes_never_escape_the_errors_of_the_package(saved: Path):
    data = saved.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(2000):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), size=rng.integers(1, 4)):
            damaged[place] = rng.integers(0, 256)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*the computed shapes are taken")
                load_onnx(bytes(damaged))
        except Relu2MipError as error:
            assert str(error)  # noqa: PT017


def external(tmp_path: Path) -> Path:
    path = tmp_path / "big.onnx"
    onnx.save(mlp([30, 40, 2]), path, save_as_external_data=True, location="big.data", size_threshold=16)
    return path


def test_external_data_is_taken_in(tmp_path: Path):
    path = external(tmp_path)
    graph = load_onnx(path)
    x = np.linspace(-1, 1, 30)
    expected = load_onnx(mlp([30, 40, 2])).evaluate(x)["y"]
    np.testing.assert_array_equal(graph.evaluate(x)["y"], expected)
    (tmp_path / "big.data").unlink()
    np.testing.assert_array_equal(load_onnx(graph.source.model).evaluate(x)["y"], expected)


def test_external_data_missing(tmp_path: Path):
    path = external(tmp_path)
    (tmp_path / "big.data").unlink()
    with pytest.raises(InvalidNetwork, match=r"big\.onnx: tensor 'w1' should be in the file 'big\.data' beside it"):
        load_onnx(path)


def test_external_data_truncated(tmp_path: Path):
    path = external(tmp_path)
    data = tmp_path / "big.data"
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InvalidNetwork, match=r"big\.onnx: (Gemm 'a1': )?tensor 'w1'"):
        load_onnx(path)


def test_external_data_outside_the_folder(tmp_path: Path):
    path = external(tmp_path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret").write_bytes(b"0" * 100000)
    (tmp_path / "inner" / "big.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidNetwork, match="tensor 'w1'"):
        load_onnx(tmp_path / "inner" / "big.onnx")


@pytest.mark.parametrize("location", ["a" * 5000, "a\0b", "", ".", "/etc/hostname"])
def test_external_data_with_an_impossible_name(tmp_path: Path, location: str):
    path = external(tmp_path)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InvalidNetwork, match=r"tensor 'w1' should be in the file") as caught:
        load_onnx(path)
    assert len(str(caught.value)) < 2000


def test_an_impossible_path():
    for path in ("a\0b", "a" * 5000):
        with pytest.raises(InvalidNetwork, match="cannot be read"):
            load_onnx(path)


def test_external_data_of_bytes(tmp_path: Path):
    with pytest.raises(InvalidNetwork, match=r"tensor 'w1' is in the file 'big\.data'; give the path of the model"):
        load_onnx(external(tmp_path).read_bytes())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["w2", "b1"])
def test_weights_that_are_not_finite(tmp_path: Path, name: str, bad: float):
    model = mlp([3, 4, 2])
    tensor = next(t for t in model.graph.initializer if t.name == name)
    values = onnx.numpy_helper.to_array(tensor).copy()
    values.flat[1] = bad
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, name))
    path = tmp_path / "bad.onnx"
    onnx.save(model, path)
    with pytest.raises(InvalidNetwork, match=rf"bad\.onnx: .*'{name}' holds NaN"):
        load_onnx(path)


def test_folding_that_overflows():
    nodes = [("Exp", ["c"], ["e"]), ("Mul", ["x", "e"], ["y"])]
    with pytest.raises(InvalidNetwork, match="Mul 'y': its constant 'e' holds NaN or infinity"):
        load_onnx(build(nodes, {"x": (2,)}, ["y"], {"c": np.array([1.0, 1000.0])}))


def test_division_by_zero():
    with pytest.raises(InvalidNetwork, match="Div 'y': divides by zero: 'c' has zero entries"):
        load_onnx(build([("Div", ["x", "c"], ["y"])], {"x": (2,)}, ["y"], {"c": np.array([1.0, 0.0])}))


def test_negative_variance():
    constants = {"s": np.ones(2), "b": np.ones(2), "m": np.ones(2), "v": np.array([1.0, -1.0])}
    model = build([("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"])], {"x": (1, 2)}, ["y"], constants)
    with pytest.raises(InvalidNetwork, match="the variance 'v' is negative"):
        load_onnx(model)


@pytest.mark.parametrize(("opset", "message"), [(6, "older than 7"), (99, "newer than"), (0, "states no ONNX")])
def test_operator_sets_out_of_range(opset: int, message: str):
    model = mlp([2, 2])
    if opset:
        model.opset_import[0].version = opset
    else:
        del model.opset_import[:]
    with pytest.raises(InvalidNetwork, match=message):
        load_onnx(model)


def test_a_tensor_with_too_little_data():
    model = mlp([3, 4, 2])
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-4]
    with pytest.raises(InvalidNetwork, match="tensor 'w1' cannot be read"):
        load_onnx(model)


def test_a_reader_of_nothing():
    model = mlp([3, 4, 2])
    model.graph.node[1].input[0] = "nowhere"
    with pytest.raises(InvalidNetwork, match="Relu 'h1' reads 'nowhere', which no node before it computes"):
        load_onnx(model)


def test_a_tensor_computed_twice():
    model = build([("Relu", ["x"], ["y"]), ("Neg", ["x"], ["y"])], {"x": (2,)}, ["y"])
    with pytest.raises(InvalidNetwork, match="tensor 'y' is computed twice"):
        load_onnx(model)


def test_an_output_that_nothing_computes():
    model = build([("Relu", ["x"], ["y"])], {"x": (2,)}, ["y", "z"])
    with pytest.raises(InvalidNetwork, match="output 'z' is computed by no node"):
        load_onnx(model)


def test_a_cycle():
    model = build([("Add", ["x", "b"], ["a"]), ("Relu", ["a"], ["b"])], {"x": (2,)}, ["b"])
    with pytest.raises(InvalidNetwork, match="Add 'a' depends on its own result"):
        load_onnx(model)


def test_nodes_in_any_order():
    model = mlp([3, 4, 4, 2])
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    x = np.array([0.5, -1.0, 2.0])
    np.testing.assert_array_equal(load_onnx(model).evaluate(x)["y"], load_onnx(mlp([3, 4, 4, 2])).evaluate(x)["y"])


def test_shapes_that_contradict_the_file_are_warned_of() -> None:
    """torch's exporters leave such annotations; what the nodes compute is the network."""
    for declared, said in (((3,), r"\(3,\)"), (("N", 2), r"\('\?', 2\)")):
        model = build([("Relu", ["x"], ["y"])], {"x": (2,)}, {"y": declared})
        with pytest.warns(UserWarning, match=rf"tensor 'y' has shape \(2,\), but the file declares {said}"):
            assert load_onnx(model).outputs[0].shape == (2,)
    inner = build([("Relu", ["x"], ["h"]), ("Neg", ["h"], ["y"])], {"x": (2,)}, ["y"])
    inner.graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, (7,)))
    with pytest.warns(UserWarning, match="tensor 'h' has shape"):
        agrees(inner)


@pytest.mark.parametrize(
    ("node", "constants", "message"),
    [
        (("Gemm", ["x", "c"], ["y"]), {"c": np.ones((3, 2))}, r"Gemm 'y': shapes \(1, 4\) and \(3, 2\) do not fit"),
        (("MatMul", ["x", "c"], ["y"]), {"c": np.ones((3, 2))}, r"MatMul 'y': shapes \(1, 4\) and \(3, 2\)"),
        (("Add", ["x", "c"], ["y"]), {"c": np.ones(3)}, "Add 'y': shape mismatch"),
        (("Reshape", ["x", "c"], ["y"]), {"c": np.array([3, -1])}, r"Reshape 'y': shape \(1, 4\) does not fit"),
        (("Concat", ["x", "c"], ["y"], {"axis": 1}), {"c": np.ones((2, 4))}, "Concat 'y':"),
        (("Gather", ["x", "c"], ["y"], {"axis": 1}), {"c": np.array([4])}, "Gather 'y': indices between 4 and 4"),
        (("Transpose", ["x"], ["y"], {"perm": [0, 0]}), {}, "is no permutation"),
        (("Pad", ["x", "c"], ["y"]), {"c": np.array([2, 0, -3, 0])}, "remove more than there is"),
        (("Flatten", ["x"], ["y"], {"axis": 3}), {}, "axis 3 is outside a tensor of rank 2"),
        (("Concat", ["x", "c"], ["y"]), {"c": np.ones((1, 4))}, "attribute 'axis' is missing"),
        (("Einsum", ["x", "c"], ["y"], {"equation": "ij->i"}), {"c": np.ones(4)}, "has 1 terms for 2 operands"),
    ],
)
def test_nodes_that_make_no_sense(node: tuple, constants: dict, message: str):
    with pytest.raises(InvalidNetwork, match=message):
        load_onnx(build([node], {"x": (1, 4)}, ["y"], constants))


def test_unknown_and_mistyped_attributes():
    model = build([("Relu", ["x"], ["y"])], {"x": (2,)}, ["y"])
    model.graph.node[0].attribute.append(helper.make_attribute("slope", 0.1))
    with pytest.raises(InvalidNetwork, match="has no attribute 'slope'"):
        load_onnx(model)
    model = build([("LeakyRelu", ["x"], ["y"])], {"x": (2,)}, ["y"])
    model.graph.node[0].attribute.append(helper.make_attribute("alpha", 1))
    with pytest.raises(InvalidNetwork, match="attribute 'alpha' has the wrong type"):
        load_onnx(model)


@pytest.mark.parametrize(
    ("op", "name"), [("ReduceSum", "keepdims"), ("TopK", "largest"), ("Gemm", "transB"), ("Reshape", "allowzero")]
)
def test_flags_are_0_or_1(op: str, name: str):
    """onnxruntime takes the smallest values where TopK's largest is 7; others would take the largest."""
    operands = {"TopK": np.array([1]), "Gemm": np.eye(3), "Reshape": np.array([3, 1])}
    node = (op, ["x", *(["c"] if op in operands else [])], ["y"], {name: 7})
    model = build([node], {"x": (1, 3)}, ["y"], {"c": operands[op]} if op in operands else {})
    with pytest.raises(InvalidNetwork, match=f"attribute '{name}' must be 0 or 1, not 7"):
        load_onnx(model)


@pytest.mark.parametrize("op", ["LeakyRelu", "Constant", "Softmax"])
def test_an_attribute_without_a_type(op: str):
    nodes = {
        "LeakyRelu": [("LeakyRelu", ["x"], ["y"], {"alpha": 0.5})],
        "Constant": [("Constant", [], ["c"], {"value_float": 1.0}), ("Add", ["x", "c"], ["y"])],
        "Softmax": [("Softmax", ["k"], ["c"], {"axis": 0}), ("Add", ["x", "c"], ["y"])],
    }[op]
    model = build(nodes, {"x": (2,)}, ["y"], {"k": np.ones(2)} if op == "Softmax" else {})
    model.graph.node[0].attribute[0].ClearField("type")
    with pytest.raises(InvalidNetwork, match="has the wrong type"):
        load_onnx(model)


def test_a_missing_operand():
    with pytest.raises(InvalidNetwork, match="input 1 is missing"):
        load_onnx(build([("Add", ["x"], ["y"])], {"x": (2,)}, ["y"]))


def fixed(*extra: tuple) -> onnx.ModelProto:
    """A network of 5 inputs and 2 outputs in a batch of 32, whose Reshape holds the batch."""
    rng = np.random.default_rng(0)
    nodes = [
        ("Gemm", ["x", "w"], ["a"]), ("Relu", ["a"], ["b"]), ("Reshape", ["b", "s"], ["c"]), ("Add", ["c", "k"], ["d"]),
        ("Reshape", ["d", "t"], ["e"]), *extra, ("MatMul", ["f" if extra else "e", "v"], ["y"]),
    ]  # fmt: skip
    constants = {
        "w": rng.normal(size=(5, 6)), "v": rng.normal(size=(6, 2)), "k": rng.normal(size=(2, 3)),
        "s": np.array([32, 2, 3]), "t": np.array([32, -1]),
    }  # fmt: skip
    return build(nodes, {"x": (32, 5)}, {"y": (32, 2)}, constants)


def test_a_batch_of_fixed_length_is_freed_where_rows_are_alike() -> None:
    import onnxruntime

    model = fixed()
    graph = load_onnx(model, {"x": (1, 5)})
    assert (graph.inputs[0].shape, graph.outputs[0].shape) == ((5,), (2,))
    x = np.random.default_rng(1).normal(size=(32, 5))
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x.astype(np.float32)})
    np.testing.assert_allclose(graph.evaluate(x)["y"], expected, atol=1e-5)
    np.testing.assert_allclose(Replay(graph.source).run({"x": x})["y"], expected, atol=1e-5)
    with pytest.raises(InvalidProblem, match=r"first axis of 32 is a batch, load it with shapes=\{'x': \(1, 5\)\}"):
        r2m.Trajectory(load_onnx(model), 3, [0.0, 0.0], r2m.Box(-1, 1))


def test_a_batch_whose_rows_are_mixed_is_refused() -> None:
    mixed = fixed(("ReduceMean", ["e"], ["m"], {"axes": [0]}), ("Sub", ["e", "m"], ["f"]))
    mixed.opset_import[0].version = 13
    with pytest.raises(InvalidNetwork, match="batch of 32 is part of what it computes"):
        load_onnx(mixed, {"x": (1, 5)})
    with pytest.raises(InvalidProblem, match="shapes"):
        load_onnx(fixed(), {"x": (1, "five")})


MIXING = {
    "a maximum over the batch, rarely active": [
        ("ReduceMax", ["e"], ["m"], {"axes": [0]}), ("Sub", ["m", "high"], ["n"]), ("Relu", ["n"], ["r"]),
        ("Add", ["e", "r"], ["f"]),
    ],
    "the last two rows swapped": [("Gather", ["e", "order"], ["f"], {"axis": 0})],
}  # fmt: skip


@pytest.mark.parametrize("name", MIXING)
def test_rows_that_a_sample_does_not_show_to_be_mixed_are_refused(name: str) -> None:
    model = fixed(*MIXING[name])
    model.opset_import[0].version = 13
    constants = {"high": np.float32(1e4), "order": np.array([*range(30), 31, 30])}
    for constant, value in constants.items():
        if any(constant in node.input for node in model.graph.node):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), constant))
    with pytest.raises(InvalidNetwork, match="batch of 32 is part of what it computes"):
        load_onnx(model, {"x": (1, 5)})


def test_the_shape_of_a_number() -> None:
    assert load_onnx(build([("Relu", ["x"], ["y"])], {"x": ()}, ["y"]), {"x": ()}).inputs[0].shape == ()


def test_a_constant_given_twice_is_an_error() -> None:
    """onnxruntime takes one of them, others may take the other."""
    model = mlp([3, 4, 2])
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(InvalidNetwork, match="constant 'w1' is given twice"):
        load_onnx(model)


def test_damaged_names_of_sizes() -> None:
    data = build([("Relu", ["x"], ["y"])], {"x": ("batch", 2)}, ["y"]).SerializeToString()
    with pytest.raises(InvalidNetwork, match="has names that are no text"):
        load_onnx(data.replace(b"batch", b"b\xa5tch"))


def test_pads_of_a_number() -> None:
    """onnxruntime does not run them either."""
    with pytest.raises(InvalidNetwork, match="a number has no axes to pad"):
        load_onnx(build([("Pad", ["x", "p"], ["y"])], {"x": ()}, ["y"], {"p": np.zeros(0, dtype=np.int64)}))


@pytest.mark.parametrize("size", [2**30, 2**42, 2**63 - 1])
def test_sizes_beyond_memory_are_an_error(size: int) -> None:
    with pytest.raises(InvalidNetwork, match="does not fit into memory"):
        load_onnx(build([("Identity", ["x"], ["y"])], {"x": (1, size)}, ["y"]))


def test_external_data_with_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    model = onnx.load(external(tmp_path), load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "y" * 300
    (tmp_path / "long.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidNetwork, match="missing or damaged"):
        load_onnx(tmp_path / "long.onnx")


def test_an_input_that_must_be_there_is_missing_where_nothing_reads_it() -> None:
    model = mlp([3, 4, 2])
    model.graph.node.append(helper.make_node("Min", [model.graph.output[0].name, ""], ["unread"]))
    with pytest.raises(InvalidNetwork, match=r"Min 'unread': input 1 is missing"):
        load_onnx(model)
