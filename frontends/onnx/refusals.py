"""Why operators outside the piecewise-linear functions are refused, and what to do instead."""

from __future__ import annotations

from typing import NoReturn

from relu2mip.frontends.onnx.call import Call

_OUTSIDE = "Compute this part outside the network"
_CLIP = "Use Max, Min or Clip"
_STATISTICS = "a normalisation by statistics of its input is not piecewise linear"
_UNKNOWN = (
    "this operator is not supported",
    "Export the network without it; `relu2mip list ops` shows what is accepted",
)

# Operators with one output, of the shape of the first input; reading goes on past them, to report the rest.
_ELEMENTWISE = [
    (
        "Sigmoid Tanh Softsign HardSwish Swish",
        "it is smooth, not piecewise linear",
        "Use HardSigmoid (or Clip, for tanh) and train again",
    ),
    (
        "Elu Selu Celu Gelu Softplus Mish",
        "it is smooth, not piecewise linear",
        "Use Relu or LeakyRelu and train again",
    ),
    (
        "Softmax LogSoftmax",
        "it is smooth, not piecewise linear",
        "Cut the network before it: the scores keep their order",
    ),
    (
        "Exp Log Sqrt Reciprocal Erf Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh Acosh Atanh LpNormalization",
        "it is smooth, not piecewise linear",
        _OUTSIDE,
    ),
    ("Pow", "a power of a variable is not piecewise linear", "Use Abs, Max or layers of Relu instead"),
    ("Sign Floor Ceil Round Mod", "it is discontinuous", _OUTSIDE),
    (
        "LayerNormalization InstanceNormalization GroupNormalization RMSNormalization MeanVarianceNormalization LRN",
        _STATISTICS,
        "Use BatchNormalization, which is affine in inference",
    ),
]
_OTHERS = [
    (
        "ReduceL2 ReduceLogSum ReduceLogSumExp ReduceProd ReduceSumSquare LpPool GlobalLpPool Det CumProd",
        "it is not piecewise linear",
        _OUTSIDE,
    ),
    (
        "Equal And Or Xor NonZero IsInf IsNaN",
        "a condition on variables is discontinuous",
        _CLIP,
    ),
    (
        "ArgMax ArgMin Unique Hardmax NonMaxSuppression",
        "positions and orders are discontinuous",
        "Cut the network before it: the values themselves are piecewise linear",
    ),
    ("Loop Scan SequenceMap", "loops are not compiled", "Export the network unrolled"),
    (
        "LSTM GRU RNN Attention",
        "it multiplies variables or has smooth gates, which is not piecewise linear",
        "Use layers of Relu and train again",
    ),
    (
        "QuantizeLinear DynamicQuantizeLinear MatMulInteger ConvInteger QLinearMatMul QLinearConv",
        "rounding variables is discontinuous",
        "Use the network before quantisation",
    ),
    ("Bernoulli Multinomial RandomNormalLike RandomUniformLike", "it is random", _OUTSIDE),
]
_REASONS = {op: (reason, remedy) for ops, reason, remedy in (*_ELEMENTWISE, *_OTHERS) for op in ops.split()}

KEEPS_SHAPE = {op for ops, _, _ in _ELEMENTWISE for op in ops.split()}
"""Refused operators whose first output has the shape of the first input."""

BROADCASTS = {"Mul", "Div", "Pow"}
"""Refused operators whose output has the shape that their inputs broadcast to."""


def refuse_operator(call: Call) -> NoReturn:
    """Refuse a call of an operator without a converter."""
    call.refuse(*_REASONS.get(call.op, _UNKNOWN))
