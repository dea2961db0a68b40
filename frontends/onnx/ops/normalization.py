"""BatchNormalization in inference, Dropout in inference."""

from __future__ import annotations

import numpy as np

from relu2mip.frontends.onnx.algebra import scale
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value

TRAINING = "Export the network in inference mode (torch: call .eval() first)"


@converter("BatchNormalization", since=7)
def batch_normalization(call: Call) -> Value:
    """Gain * (x - mean) / sqrt(variance + epsilon) + shift, per channel.

    Version 7 knows spatial=0: statistics per activation.
    """
    x = call.variable()
    if call.flag("training_mode") or any(call.output_used(k) for k in range(1, 5)):
        call.refuse("batch normalisation in training mode depends on the batch", TRAINING)
    call.attribute("momentum")
    per_channel = call.flag("spatial", 1)
    statistics = x.shape[1:2] if per_channel else x.shape[1:]
    gain, shift, mean, variance = (call.constant(k) for k in range(1, 5))
    for k, array in enumerate((gain, shift, mean, variance)):
        if array.shape != statistics:
            call.fail(f"input {k + 1} has shape {array.shape}, not {statistics}")
    if (variance < 0).any():
        call.fail(f"the variance {call.node.input[4]!r} is negative; train or export the network again")
    factor = gain / np.sqrt(variance + call.real("epsilon", 1e-5))
    offset = shift - factor * mean
    shape = (1, *statistics, *(1 for _ in x.shape[2:])) if per_channel else (1, *statistics)
    return scale(call, x, factor.reshape(shape), offset.reshape(shape))


@converter("Dropout", since=7, on_constants=True)
def dropout_before_12(call: Call) -> list[Value]:
    """Nothing, in inference."""
    call.attribute("ratio")
    return _kept(call)


@converter("Dropout", since=12, on_constants=True)
def dropout(call: Call) -> list[Value]:
    """Nothing, in inference; training with a ratio above 0 is refused."""
    call.attribute("seed")
    ratio, training = call.optional_constant(1), call.optional_constant(2)
    if training is not None and np.any(training) and (ratio is None or np.any(ratio)):
        call.refuse("dropout in training mode is random", TRAINING)
    return _kept(call)


def _kept(call: Call) -> list[Value]:
    x = call.value(0)
    return [x, np.ones(x.shape, dtype=bool)]
