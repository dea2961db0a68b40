"""Piecewise-linear activations: Relu and its relatives, Clip, HardSigmoid, Shrink, Abs, Max, Min."""

from __future__ import annotations

import numpy as np

from relu2mip.frontends.onnx.algebra import clip, maximum, minimum, scale, weighted_sum
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.ir import Abs, LeakyRelu, Relu


@converter("Relu", since=6)
def relu(call: Call) -> Value:
    """max(x, 0)."""
    x = call.variable()
    return call.emit(Relu(), [x], x.shape)


@converter("LeakyRelu", since=6)
def leaky_relu(call: Call) -> Value:
    """X above 0, alpha * x below."""
    x = call.variable()
    return call.emit(LeakyRelu(np.full(x.size, call.real("alpha", 0.01))), [x], x.shape)


@converter("PRelu", since=6)
def prelu(call: Call) -> Value:
    """X above 0, slope * x below; the slope broadcasts to x, and may be what varies where x is constant."""
    fixed, slope = call.value(0), call.value(1)
    if isinstance(slope, Variable) and not isinstance(fixed, Variable):
        shape = np.broadcast_shapes(fixed.shape, slope.shape)
        if shape != fixed.shape:
            call.fail(f"a slope of shape {slope.shape} does not fit {fixed.shape}")
        return scale(call, slope, np.minimum(fixed, 0.0), np.maximum(fixed, 0.0))
    x, slope = call.variable(0), call.constant(1)
    return call.emit(LeakyRelu(np.broadcast_to(slope, x.shape).flatten()), [x], x.shape)


@converter("Clip", since=6)
def clip_attributes(call: Call) -> Value:
    """min(max(x, min), max) with limits as attributes; left out, there is none."""
    return clip(call, call.variable(), call.real("min", -np.inf), call.real("max", np.inf))


@converter("Clip", since=11)
def clip_inputs(call: Call) -> Value:
    """min(max(x, min), max) with limits as inputs; left out, there is none."""
    x, lower, upper = call.value(0), call.optional(1), call.optional(2)
    for limit in (lower, upper):
        if limit is not None and limit.shape not in ((), (1,)):
            call.fail(f"limits must be scalars, not of shape {limit.shape}")
    if not isinstance(lower, Variable) and not isinstance(upper, Variable):
        low, high = -np.inf if lower is None else lower, np.inf if upper is None else upper
        return clip(call, call.variable(), low, high)
    raised = x if lower is None else maximum(call, [x, lower])
    return raised if upper is None else minimum(call, [raised, upper])


@converter("HardSigmoid", since=6)
def hard_sigmoid(call: Call) -> Value:
    """min(max(alpha * x + beta, 0), 1)."""
    inner = scale(call, call.variable(), call.real("alpha", 0.2), call.real("beta", 0.5))
    return clip(call, inner, 0.0, 1.0)


@converter("Abs", since=6)
def absolute(call: Call) -> Value:
    """|x|."""
    x = call.variable()
    return call.emit(Abs(), [x], x.shape)


@converter("ThresholdedRelu", since=10)
def thresholded_relu(call: Call) -> Value:
    """X above alpha, else 0: continuous for alpha = 0 only."""
    x, alpha = call.variable(), call.real("alpha", 1.0)
    if alpha != 0:
        call.refuse(
            f"it is discontinuous (it jumps at its threshold {alpha:g})",
            "Use Relu of the shifted input and train again",
        )
    return call.emit(Relu(), [x], x.shape)


@converter("Shrink", since=9)
def shrink(call: Call) -> Value:
    """X - bias above lambd, x + bias below -lambd, else 0: continuous for bias = lambd only."""
    x, bias, limit = call.variable(), call.real("bias"), call.real("lambd", 0.5)
    if bias != limit or limit < 0:
        call.refuse("it is discontinuous, its bias is not its lambd", "Use equal ones and train again")
    return weighted_sum(call, [(1.0, x), (-1.0, clip(call, x, -limit, limit))])


@converter("Max", since=6)
def max_(call: Call) -> Value:
    """The elementwise maximum of any number of operands, variable or constant."""
    return maximum(call, call.values())


@converter("Min", since=6)
def min_(call: Call) -> Value:
    """The elementwise minimum of any number of operands, variable or constant."""
    return minimum(call, call.values())
