"""A batch axis of fixed length, made symbolic: exporters write the batch of their example into the file.

The axis is freed in the inputs, and where its length stands first in a constant target of Reshape or Expand. Whether
the network then still is what it was, row by row, is found by running both in onnxruntime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from relu2mip.errors import InvalidNetwork

SAME = 1e-4
"""Relative difference of float32 results up to which rows count as the same."""


def fixed_batch(model: ModelProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """The fixed length of the first axis of inputs that `shapes` asks to be 1; 0 where there is none."""
    lengths = set()
    for value in model.graph.input:
        declared = [d.dim_value for d in value.type.tensor_type.shape.dim]
        given = shapes.get(value.name)
        if given is not None and len(declared) == len(given) and declared[0] > 1 and given[0] == 1:
            lengths.add(declared[0])
    return lengths.pop() if len(lengths) == 1 else 0


def free_batch(model: ModelProto, batch: int) -> ModelProto:
    """The model with a symbolic batch axis; raises `InvalidNetwork` where its rows are not treated alike."""
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
    if not _same_rows(model, freed, batch):
        raise InvalidNetwork(
            f"its batch of {batch} is part of what it computes: a sample alone is not treated as in the batch; "
            "export it with a symbolic batch axis (torch: dynamic_shapes)"
        )
    return freed


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
    """Whether both give the same for a random batch, and the freed one the same for a row alone."""
    import onnxruntime

    rng, options = np.random.default_rng(0), onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        one, other = (
            onnxruntime.InferenceSession(m.SerializeToString(), options, providers=["CPUExecutionProvider"])
            for m in (model, freed)
        )
        feeds = {v.name: rng.normal(size=v.shape).astype(_TYPES[v.type]) for v in one.get_inputs()}
        together = one.run(None, feeds)
        alone = [other.run(None, {name: x[k : k + 1] for name, x in feeds.items()}) for k in range(min(batch, 3))]
    except Exception:  # onnxruntime raises classes of its own; KeyError, ValueError for inputs of other kinds
        return False
    return all(_close(together[j][k : k + 1], row[j]) for k, row in enumerate(alone) for j in range(len(together)))


_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


def _close(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=SAME, atol=SAME * (1 + np.abs(a).max(initial=0.0))))
