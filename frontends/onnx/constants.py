"""Folding: nodes with constant inputs are computed once, in float64, by ONNX's reference implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import ModelProto, TensorProto, helper

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.values import Constant, in_float64

RANDOM = {
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
}


def fold(call: Call) -> Sequence[Constant]:
    """The outputs of a node from its constant inputs."""
    from onnx.reference import ReferenceEvaluator

    node = call.node
    if call.op in RANDOM:
        call.refuse("it is random", "Compute this part outside the network")
    outputs = [name for name in node.output if name]
    feeds = {name: call.constant(k) for k, name in enumerate(node.input) if name}
    model = _model(call, feeds, outputs)
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, feeds)
    except NotImplementedError:
        call.refuse("it cannot be computed from its constants here", "Fold it before: export with constant folding")
    except Exception as error:  # the reference raises whatever numpy does
        raise InvalidNetwork(f"cannot be computed from its constants: {error}") from error
    by_name = dict(zip(outputs, (in_float64(np.asarray(result)) for result in results), strict=True))
    return [by_name.get(name, np.zeros(0)) for name in node.output]


def _model(call: Call, feeds: Mapping[str, Constant], outputs: Sequence[str]) -> ModelProto:
    """The node alone as a model."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph([call.node], "fold", inputs, results)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", call.opset)])
