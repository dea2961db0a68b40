"""Ways to damage an ONNX file, each a function of a model and a random generator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.random import Generator
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from relu2mip.frontends.onnx import supported_ops

Mutation = Callable[[ModelProto, Generator], None]

INTEGERS = [-(2**63), -(2**31), -100, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 100, 2**20, 2**31, 2**63 - 1]
REALS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, 1e30, 3.5e38, float("nan"), float("inf"), float("-inf")]
OTHER_OPS = [
    "Sigmoid",
    "Softmax",
    "Loop",
    "Scan",
    "LSTM",
    "Pow",
    "Floor",
    "NonZero",
    "ConstantOfShape",
    "Range",
    "Nope",
]
NAMES = ["", "x", "y", "nowhere", "a\0b", "ä" * 40, "a" * 5000, "../../etc/passwd", "/"]


def mutated(data: bytes, rng: Generator) -> tuple[str, bytes]:
    """One to three mutations of a file: their names, and what is left of it."""
    names: list[str] = []
    wanted = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1]))
    for _ in range(20):
        if len(names) == wanted:
            break
        if rng.random() < 0.2:
            names.append("bytes")
            data = damaged(data, rng)
            continue
        try:
            model = onnx.load_from_string(data)
        except Exception:
            break
        mutation = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        try:
            with np.errstate(over="ignore"):
                mutation(model, rng)
            data = model.SerializeToString(deterministic=True)
        except (ValueError, TypeError, KeyError, OSError, RuntimeError, onnx.checker.ValidationError):
            continue  # protobuf takes no such value, or a constant is damaged already
        names.append(mutation.__name__)
    return "+".join(names), data


def damaged(data: bytes, rng: Generator) -> bytes:
    """Bytes changed, left out, repeated or cut off."""
    if not data:
        return data
    result, at = bytearray(data), int(rng.integers(len(data)))
    match int(rng.integers(5)):
        case 0 | 1:
            for place in rng.integers(0, len(data), size=rng.integers(1, 4)):
                result[place] = int(rng.integers(256))
        case 2:
            del result[at : at + int(rng.integers(1, 9))]
        case 3:
            result[at:at] = result[at : at + int(rng.integers(1, 9))]
        case _:
            del result[at:]
    return bytes(result)


def _pick(rng: Generator, options: Sequence[Any]) -> Any:
    if not options:
        raise ValueError("nothing to change")
    return options[int(rng.integers(len(options)))]


def _node(model: ModelProto, rng: Generator) -> NodeProto:
    return _pick(rng, model.graph.node)


def _attribute(model: ModelProto, rng: Generator) -> tuple[NodeProto, AttributeProto]:
    return _pick(rng, [(node, a) for node in model.graph.node for a in node.attribute])


def attribute_value(model: ModelProto, rng: Generator) -> None:
    """Another number, text or length of list."""
    _, attribute = _attribute(model, rng)
    match attribute.type:
        case AttributeProto.INT:
            attribute.i = _pick(rng, INTEGERS)
        case AttributeProto.FLOAT:
            attribute.f = _pick(rng, REALS)
        case AttributeProto.STRING:
            attribute.s = _pick(rng, [b"", b"\xff\xfe", b"reflect", b"VALID", b"linear", b"min", attribute.s[::-1]])
        case AttributeProto.INTS:
            _list(attribute.ints, rng, INTEGERS)
        case AttributeProto.FLOATS:
            _list(attribute.floats, rng, REALS)
        case AttributeProto.TENSOR:
            _tensor(attribute.t, rng)
        case _:
            raise ValueError("no number")


def _list(values: Any, rng: Generator, options: Sequence[Any]) -> None:
    match int(rng.integers(4)):
        case 0:
            values.append(_pick(rng, options))
        case 1 if len(values):
            del values[int(rng.integers(len(values)))]
        case 2:
            del values[:]
        case _ if len(values):
            values[int(rng.integers(len(values)))] = _pick(rng, options)
        case _:
            raise ValueError("an empty list")


def attribute_form(model: ModelProto, rng: Generator) -> None:
    """An attribute left out, doubled, renamed, or of another type."""
    node, attribute = _attribute(model, rng)
    match int(rng.integers(5)):
        case 0:
            node.attribute.remove(attribute)
        case 1:
            node.attribute.append(attribute)
        case 2:
            attribute.name = _pick(rng, [*NAMES, "axis", "axes", "mode"])
        case 3:
            attribute.type = int(rng.integers(0, 15))
        case _:
            attribute.ClearField("type")


def attribute_more(model: ModelProto, rng: Generator) -> None:
    """An attribute more."""
    name = _pick(rng, ["axis", "axes", "keepdims", "alpha", "mode", "perm", "pads", "auto_pad", "to", "k", "nope"])
    value = _pick(rng, [*INTEGERS, 0.5, [1, 0], [-1], "VALID", []])
    _node(model, rng).attribute.append(
        helper.make_attribute(name, value, attr_type=AttributeProto.INTS if value == [] else None)
    )


def shape(model: ModelProto, rng: Generator) -> None:
    """Another declared size, rank or type of an input or output."""
    graph = model.graph
    value: ValueInfoProto = _pick(rng, [*graph.input, *graph.output, *graph.value_info])
    kind = value.type.tensor_type
    match int(rng.integers(7)):
        case 0 | 1 if kind.shape.dim:
            _pick(rng, kind.shape.dim).dim_value = _pick(rng, INTEGERS)
        case 2 if kind.shape.dim:
            _pick(rng, kind.shape.dim).dim_param = _pick(rng, ["N", "M", ""])
        case 3:
            kind.shape.dim.add().dim_value = _pick(rng, [0, 1, 2, 3])
        case 4 if kind.shape.dim:
            del kind.shape.dim[int(rng.integers(len(kind.shape.dim)))]
        case 5:
            kind.ClearField("shape")
        case _:
            kind.elem_type = int(rng.integers(0, 24))


def annotation(model: ModelProto, rng: Generator) -> None:
    """A declared shape of an inner tensor, right or wrong."""
    name = _pick(rng, list(_node(model, rng).output))
    sizes = [_pick(rng, ["N", 0, 1, 2, 3, 4]) for _ in range(int(rng.integers(4)))]
    model.graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, sizes))


def operator(model: ModelProto, rng: Generator) -> None:
    """Another operator or domain."""
    node = _node(model, rng)
    if rng.random() < 0.1:
        node.domain = _pick(rng, ["com.microsoft", "ai.onnx", "ai.onnx.ml", "nope"])
    else:
        node.op_type = _pick(rng, [*(op for op, _ in supported_ops()), *OTHER_OPS])


def constant(model: ModelProto, rng: Generator) -> None:
    """Other numbers, sizes, types or storage of a constant."""
    _tensor(_pick(rng, model.graph.initializer), rng)


def _tensor(tensor: TensorProto, rng: Generator) -> None:
    match int(rng.integers(8)):
        case 0 | 1 | 2:
            values = numpy_helper.to_array(tensor).copy()
            options = REALS if values.dtype.kind == "f" else INTEGERS
            if values.size and values.dtype.kind in "fi":
                values.flat[int(rng.integers(values.size))] = _pick(rng, options)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
        case 3:
            _list(tensor.dims, rng, [-1, 0, 1, 2, 3, 2**20, 2**40])
        case 4:
            tensor.data_type = int(rng.integers(0, 24))
        case 5:
            tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]
        case 6:
            values = numpy_helper.to_array(tensor)
            other = _pick(rng, [values.T, values[None], values.ravel(), values[:0] if values.ndim else values])
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(other), tensor.name))
        case _:
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key=_pick(rng, ["location", "offset", "nope"]), value=_pick(rng, NAMES))


def constant_form(model: ModelProto, rng: Generator) -> None:
    """A constant left out, doubled or renamed."""
    graph = model.graph
    tensor = _pick(rng, graph.initializer)
    match int(rng.integers(3)):
        case 0:
            graph.initializer.remove(tensor)
        case 1:
            graph.initializer.append(tensor)
        case _:
            tensor.name = _pick(rng, NAMES)


def edge(model: ModelProto, rng: Generator) -> None:
    """A node that reads another tensor, one more, one less, or the same in another order."""
    node, graph = _node(model, rng), model.graph
    names = [v.name for v in (*graph.input, *graph.output, *graph.initializer)] + [
        o for n in graph.node for o in n.output
    ]
    match int(rng.integers(5)):
        case 0 | 1 if node.input:
            node.input[int(rng.integers(len(node.input)))] = _pick(rng, [*names, *NAMES[:4]])
        case 2:
            node.input.append(_pick(rng, names))
        case 3 if node.input:
            del node.input[int(rng.integers(len(node.input)))]
        case _:
            reordered = list(node.input)[::-1]
            del node.input[:]
            node.input.extend(reordered)


def output(model: ModelProto, rng: Generator) -> None:
    """Another result of a node or of the graph."""
    node, graph = _node(model, rng), model.graph
    names = [o for n in graph.node for o in n.output] + [v.name for v in graph.input]
    match int(rng.integers(4)):
        case 0 if node.output:
            node.output[int(rng.integers(len(node.output)))] = _pick(rng, [*names, *NAMES[:4]])
        case 1:
            node.output.append(_pick(rng, ["more", *names]))
        case 2:
            _pick(rng, graph.output).name = _pick(rng, names)
        case _:
            del graph.output[int(rng.integers(len(graph.output)))]


def nodes(model: ModelProto, rng: Generator) -> None:
    """A node left out, doubled, put elsewhere, or in between."""
    listed = model.graph.node
    node, at = _node(model, rng), int(rng.integers(len(listed)))
    match int(rng.integers(4)):
        case 0:
            listed.remove(node)
        case 1:
            listed.append(node)
        case 2:
            reordered = list(listed)[::-1]
            del listed[:]
            listed.extend(reordered)
        case _:
            name = _pick(rng, list(listed[at].output))
            op = _pick(
                rng, ["Relu", "Neg", "Shape", "Transpose", "Flatten", "Squeeze", "Identity", "Abs", "Not", "Size"]
            )
            listed.append(helper.make_node(op, [name], [f"{name}_"]))
            _pick(rng, model.graph.output).name = f"{name}_"


def version(model: ModelProto, rng: Generator) -> None:
    """Another operator set or file version."""
    if rng.random() < 0.8 and model.opset_import:
        model.opset_import[0].version = int(rng.integers(5, 30))
    else:
        model.ir_version = _pick(rng, [0, 1, 3, 4, 8, 10, 13, 99])


MUTATIONS: list[Mutation] = [
    *(attribute_value, attribute_value, attribute_form, attribute_more, shape, shape, annotation, operator, operator),
    *(constant, constant, constant, constant_form, edge, edge, edge, output, nodes, nodes, version),
]
