"""A model with every floating-point tensor in float64: the same function, in the precision of the graph."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TypeProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

NARROW = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT)


def in_double(model: ModelProto) -> ModelProto:
    """A copy of the model in float64; functions are inlined. onnxruntime may lack kernels for it."""
    if model.functions:
        from onnx.inliner import inline_local_functions

        model = inline_local_functions(model)
    result = ModelProto()
    result.CopyFrom(model)
    _convert_graph(result.graph)
    return result


def _convert_graph(graph: GraphProto) -> None:
    for tensor in graph.initializer:
        _convert_tensor(tensor)
    for sparse in graph.sparse_initializer:
        _convert_tensor(sparse.values)
    _convert_types((*graph.input, *graph.output, *graph.value_info))
    for node in graph.node:
        _convert_node(node)


def _convert_node(node: NodeProto) -> None:
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = numpy_helper.from_array(np.zeros(1, dtype=np.float32))
        node.attribute.append(helper.make_attribute("value", zero))
    for attribute in node.attribute:
        if node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            values = attribute.f if attribute.name == "value_float" else list(attribute.floats)
            tensor = numpy_helper.from_array(np.array(values, dtype=np.float64))
            attribute.CopyFrom(helper.make_attribute("value", tensor))
        elif attribute.name in ("to", "dtype") and attribute.type == AttributeProto.INT and attribute.i in NARROW:
            attribute.i = TensorProto.DOUBLE
        elif attribute.type == AttributeProto.TENSOR:
            _convert_tensor(attribute.t)
        elif attribute.type == AttributeProto.SPARSE_TENSOR:
            _convert_tensor(attribute.sparse_tensor.values)
        elif attribute.type == AttributeProto.GRAPH:
            _convert_graph(attribute.g)


def _convert_tensor(tensor: TensorProto) -> None:
    if tensor.data_type in NARROW:
        values = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _convert_types(values: Iterable[ValueInfoProto]) -> None:
    for value in values:
        kind: TypeProto = value.type
        if kind.HasField("tensor_type") and kind.tensor_type.elem_type in NARROW:
            kind.tensor_type.elem_type = TensorProto.DOUBLE
