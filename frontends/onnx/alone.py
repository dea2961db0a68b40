"""One node run by itself in onnxruntime, on arrays: for what no converter computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ValueInfoProto, helper

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.onnx.call import Call, schema
from relu2mip.frontends.onnx.values import in_float64, is_float


def run_alone(call: Call, inputs: Mapping[int, Any], outer: Mapping[str, Any] | None = None) -> list[NDArray[Any]]:
    """The outputs of a node for its inputs by position (None: left out) and for tensors that its graphs read.

    Floating-point numbers go in as float32, which every operator takes. Raises `InvalidNetwork` where it does not run.
    """
    import onnxruntime

    feeds = {call.node.input[k]: _single(x) for k, x in inputs.items() if x is not None and call.node.input[k]}
    feeds |= {name: _single(x) for name, x in (outer or {}).items()}
    types = {name: helper.np_dtype_to_tensor_dtype(x.dtype) for name, x in feeds.items()}
    given = [helper.make_tensor_value_info(name, types[name], x.shape) for name, x in feeds.items()]
    wanted = [name for name in call.node.output if name]
    results = [ValueInfoProto(name=name) for name in wanted]  # of the type that onnxruntime finds
    graph = helper.make_graph([call.node], "alone", given, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _opset(call))], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    # Its fallback to the same provider prints on standard output.
    try:
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"], enable_fallback=0
        )
        found = session.run(None, feeds)
    except Exception as error:  # onnxruntime raises classes of its own, which have no common base but this
        raise InvalidNetwork(f"onnxruntime does not run it ({str(error).splitlines()[0][:200]})") from error
    return [in_float64(np.asarray(x)) for x in found]


def _opset(call: Call) -> int:
    """The operator set in which the operator became what it is: onnxruntime may not know the newest one."""
    found = schema(call.op, call.opset)
    return call.opset if found is None else max(int(found.since_version), 7)


def _single(array: Any) -> NDArray[Any]:
    given: NDArray[Any] = np.asarray(array)
    return given.astype(np.float32) if is_float(given) else given
