"""Folding: a node whose inputs are all constant is computed once, in float64.

Operators on floating-point numbers that have a converter are computed by it, so that they mean the same on constants
and variables; integers (shapes, indices) by onnxruntime; all other operators by ONNX's reference implementation, and by
onnxruntime where that fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.onnx.alone import run_alone
from relu2mip.frontends.onnx.call import Call, RefusedError
from relu2mip.frontends.onnx.emit import Emitter
from relu2mip.frontends.onnx.order import tensors_read
from relu2mip.frontends.onnx.registry import Converter
from relu2mip.frontends.onnx.values import Constant, Tensor, Variable, in_float64, is_float, listed, varies

RANDOM = {
    *("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
}


COMPARISONS = {"Greater", "GreaterOrEqual", "Less", "LessOrEqual"}
"""Conditions on variables, as converters take them; they do not tell equality from either side."""


def fold(call: Call, converter: Converter | None) -> Sequence[Constant]:
    """The outputs of a node from its constant inputs."""
    if call.op in RANDOM:
        call.refuse("it is random", "Compute this part outside the network")
    for position, value in enumerate(call.arguments):
        computed = converter is not None and call.op not in COMPARISONS
        if converter is not None and computed and isinstance(value, np.ndarray) and is_float(value) and value.size:
            return _by_converter(call, converter, position)
    return _computed(call)


def _by_converter(call: Call, converter: Converter, position: int) -> Sequence[Constant]:
    """Convert the call with one operand as a variable, and evaluate what comes out at that operand."""
    emitter, operand = Emitter(), np.asarray(call.arguments[position])
    arguments = list(call.arguments)
    arguments[position] = emitter.input("", operand.shape)
    alone = replace(call, arguments=arguments, emitter=emitter)
    converted = converter.function(alone)
    alone.check_read()
    vectors = [operand.reshape(1, -1)]
    for node in emitter.pending[1:]:
        assert node.op is not None
        empty = 0 in node.shape
        vectors.append(np.zeros((1, 0)) if empty else node.op.evaluate(*(vectors[k] for k in node.inputs)))

    def constant(value: Tensor | None) -> Constant:
        return vectors[value.node].reshape(value.shape) if isinstance(value, Variable) else np.asarray(value)

    return [constant(value) for value in listed(converted)]


def _computed(call: Call) -> Sequence[Constant]:
    """By onnxruntime, exact without floating-point numbers; those first by ONNX's reference, which has float64."""
    feeds = {name: call.constant(k) for k, name in enumerate(call.node.input) if name}
    outputs = [name for name in call.node.output if name]
    ways = [_by_onnxruntime, _by_reference]
    problems = []
    for way in reversed(ways) if any(is_float(value) for value in feeds.values()) else ways:
        try:
            results = way(call, feeds, outputs)
        except RefusedError:
            raise
        except Exception as error:  # the reference raises whatever numpy does
            problems.append(error)
        else:
            by_name = dict(zip(outputs, (in_float64(np.asarray(result)) for result in results), strict=True))
            return [by_name.get(name, np.zeros(0)) for name in call.node.output]
    raise InvalidNetwork(f"cannot be computed from its constants ({problems[0]}); fold it when exporting")


def _by_onnxruntime(call: Call, feeds: Mapping[str, Constant], outputs: Sequence[str]) -> Sequence[Any]:
    return run_alone(call, dict(enumerate(call.arguments)), _captured(call))


def _by_reference(call: Call, feeds: Mapping[str, Constant], outputs: Sequence[str]) -> Sequence[Any]:
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        return list(ReferenceEvaluator(_model(call, feeds, outputs)).run(None, dict(feeds)))


def _captured(call: Call) -> dict[str, Constant]:
    """The names that the inner graphs of a node read from outside."""
    names = dict.fromkeys(name for name in tensors_read(call.node) if name not in call.node.input)
    found = {name: call.outer(name) for name in names}
    for name, value in found.items():
        if varies(value):
            call.refuse(f"its inner graph reads {name!r}, which depends on the network's inputs", "Export it unrolled")
    return {name: np.asarray(value) for name, value in found.items() if isinstance(value, np.ndarray)}


def _model(call: Call, feeds: Mapping[str, Constant], outputs: Sequence[str]) -> ModelProto:
    """The node alone as a model."""
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in feeds.items()
    ]
    results = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs]
    graph = helper.make_graph([call.node], "fold", inputs, results)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", call.opset)])
