"""A batch axis of fixed length, made symbolic: exporters write the batch of their example into the file.

The axis is freed in the inputs, and where its length stands first in a constant target of Reshape or Expand. That no
row depends on another is read off the normal form of the whole batch, as samples may miss what is rarely active; that
the freed network is what each row computes is found by running both in onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from relu2mip.arrays import Index, triplets
from relu2mip.errors import InvalidNetwork
from relu2mip.ir import Graph
from relu2mip.ir.lower import lower
from relu2mip.normal_form.values import Affine, Input, Max, Relu

SAME = 1e-4
"""Relative difference of float32 results up to which rows count as the same."""


def fixed_batch(model: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The fixed length of the first axis of inputs that `shapes` asks to be 1; 0 where there is none."""
    lengths = set()
    for value in model.graph.input:
        declared = [d.dim_value for d in value.type.tensor_type.shape.dim]
        given = shapes.get(value.name)
        if given is not None and given and len(declared) == len(given) and declared[0] > 1 == given[0]:
            lengths.add(declared[0])
    return lengths.pop() if len(lengths) == 1 else 0


def free_batch(model: ModelProto, batch: int, whole: Graph) -> ModelProto:
    """The model with a symbolic batch axis; raises `InvalidNetwork` where its rows are not treated alike.

    whole: the graph of the model as it is, all rows of the batch among its inputs and outputs.
    """
    freed: ModelProto = ModelProto.FromString(model.SerializeToString())
    graph = freed.graph
    constants = {tensor.name for tensor in graph.initializer}
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if value.name not in constants and dims and dims[0].dim_value == batch:
            dims[0].dim_param = "batch"
    del graph.value_info[:]
    targets = {node.input[1] for node in graph.node if node.op_type in ("Reshape", "Expand") and len(node.input) > 1}
    for tensor in _tensors(graph.initializer, graph.node, targets):
        shape = numpy_helper.to_array(tensor).copy()
        if shape.ndim == 1 and shape.size and shape[0] == batch:
            # 0 keeps an axis of a Reshape; 1 broadcasts in an Expand.
            shape[0] = 0 if _kept(graph.node, tensor.name) else 1
            tensor.CopyFrom(numpy_helper.from_array(shape, tensor.name))
    if not (rows_apart(whole, batch) and _same_rows(model, freed, batch)):
        raise InvalidNetwork(
            f"its batch of {batch} is part of what it computes: a sample alone is not treated as in the batch; "
            "export it with a symbolic batch axis (torch: dynamic_shapes)"
        )
    return freed


def rows_apart(graph: Graph, batch: int) -> bool:
    """Whether each row of every output depends on the same row of the inputs alone.

    Inputs without an axis of that length in front are the same for all rows.
    """
    form = lower(graph)
    lows: list[Index] = []
    highs: list[Index] = []
    ports = {form.inputs[port.name]: port for port in graph.inputs}
    for i, value in enumerate(form.values):
        low, high = np.full(value.size, batch), np.full(value.size, -1)  # of no row
        match value:
            case Input() if ports[i].shape[:1] == (batch,):
                low = high = _rows(value.size, batch)
            case Affine():
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    entries, read, _ = triplets(matrix)
                    np.minimum.at(low, entries, lows[k][read])
                    np.maximum.at(high, entries, highs[k][read])
            case Relu():
                low, high = lows[value.input], highs[value.input]
            case Max():
                low = np.minimum.reduceat(lows[value.input][value.members], value.starts[:-1])
                high = np.maximum.reduceat(highs[value.input][value.members], value.starts[:-1])
        lows.append(low)
        highs.append(high)
    for port in graph.outputs:
        if port.shape[:1] != (batch,):
            return False
        own, i = _rows(port.size, batch), form.outputs[port.name]
        if ((lows[i] < own) | (highs[i] > own)).any():
            return False
    return True


def _rows(size: int, batch: int) -> Index:
    return np.arange(size) // max(size // batch, 1)


def _tensors(initializers: Any, nodes: Any, names: set[str]) -> list[TensorProto]:
    """The constants of these names: initializers, and values of Constant nodes."""
    found = [tensor for tensor in initializers if tensor.name in names]
    for node in nodes:
        if node.op_type == "Constant" and node.output[0] in names:
            for attribute in node.attribute:
                if attribute.name == "value":
                    attribute.t.name = node.output[0]
                    found.append(attribute.t)
    return found


def _kept(nodes: Any, name: str) -> bool:
    reader: NodeProto = next(node for node in nodes if len(node.input) > 1 and node.input[1] == name)
    return bool(reader.op_type == "Reshape")


def _same_rows(model: ModelProto, freed: ModelProto, batch: int) -> bool:
    """Whether the freed model gives for each row of random batches what the other gives for it in the batch."""
    import onnxruntime

    rng, options = np.random.default_rng(0), onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        one, other = (
            onnxruntime.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
            for m in (model, freed)
        )
        for scale in (1.0, 100.0):
            feeds = {v.name: (scale * rng.normal(size=v.shape)).astype(_TYPES[v.type]) for v in one.get_inputs()}
            together = one.run(None, feeds)
            for k in range(batch):
                alone = other.run(None, {n: x[k : k + 1] if len(x) == batch else x for n, x in feeds.items()})
                if not all(_close(whole[k : k + 1], row) for whole, row in zip(together, alone, strict=True)):
                    return False
    except Exception:  # onnxruntime raises classes of its own; KeyError, ValueError for inputs of other kinds
        return False
    return True


_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def _close(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=SAME, atol=SAME * (1 + np.abs(a).max(initial=0.0))))
