"""Comparisons, and what they select where that is continuous: Greater, Less, Not, Where, and products with conditions.

With d the difference that a condition compares with 0, and a and b affine in d entry by entry,

    where(d > 0, a, b)  =  b + k relu(d)  =  a + k relu(-d)      if  a - b = k d ,

which is continuous. Anything else jumps where d = 0 and is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array
from relu2mip.frontends.onnx.algebra import scale, weighted_sum
from relu2mip.frontends.onnx.call import CONDITION, Call
from relu2mip.frontends.onnx.movement import expand
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Condition, Tensor, Value, Variable
from relu2mip.ir import Relu, Scale

SAME = 1e-6
"""Relative difference up to which factors are the same: files hold them in float32."""


def _compared(call: Call, sign: float) -> Tensor:
    a, b = call.value(0), call.value(1)
    return Condition(weighted_sum(call, [(sign, a), (-sign, b)]))


@converter("Greater", since=7)
@converter("GreaterOrEqual", since=12)
def greater(call: Call) -> Tensor:
    """Where a is above b."""
    return _compared(call, 1.0)


@converter("Less", since=7)
@converter("LessOrEqual", since=12)
def less(call: Call) -> Tensor:
    """Where a is below b."""
    return _compared(call, -1.0)


@converter("Not", since=1)
def not_(call: Call) -> Tensor:
    """Where a condition does not hold."""
    condition = call.any(0)
    if not isinstance(condition, Condition):
        call.refuse(CONDITION, "Use Max, Min or Clip")
    return Condition(scale(call, condition.above, -1.0))


def switch(call: Call, condition: Condition, a: Value, b: Value) -> Variable:
    """A where the condition holds, else b; refused unless they are equal at its border."""
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    d, first, second = (_affine(call, value, shape) for value in (condition.above, a, b))
    roots = {form.root for form in (d, first, second) if form.factor.any()}
    gain = first.factor - second.factor
    only = next(iter(roots), None)
    if only is not None and len(roots) == 1 and d.factor.all():
        k = gain / d.factor
        jump = np.abs(first.offset - second.offset - k * d.offset)
        if (jump <= SAME * (np.abs(first.offset) + np.abs(second.offset) + np.abs(k * d.offset))).all():
            root = expand(call, Variable(*only, shared=True), shape)
            # The branch with the smaller offset: a limit of 1e30 would swallow the other.
            flip = np.abs(first.offset) < np.abs(second.offset)
            base = _scaled(
                call, root, np.where(flip, first.factor, second.factor), np.where(flip, first.offset, second.offset)
            )
            sign = np.where(flip, -1.0, 1.0)
            above = call.emit(Relu(), [_scaled(call, root, sign * d.factor, sign * d.offset)], shape)
            return weighted_sum(call, [(1.0, _scaled(call, above, k, np.zeros(k.size))), (1.0, base)])
    return call.refuse(CONDITION, "Use Max, Min or Clip")


@dataclass(frozen=True)
class _Affine:
    """Factor * root + offset, entry by entry over a flat shape; the root is a node, or None for a constant."""

    root: tuple[int, tuple[int, ...]] | None
    factor: Array
    offset: Array


def _scaled(call: Call, x: Variable, factor: Array, offset: Array) -> Variable:
    return scale(call, x, factor.reshape(x.shape), offset.reshape(x.shape))


def _affine(call: Call, value: Value, shape: tuple[int, ...]) -> _Affine:
    """A value seen through the scalings that compute it."""
    if not isinstance(value, Variable):
        constant = np.broadcast_to(np.asarray(value, dtype=np.float64), shape).ravel()
        return _Affine(None, np.zeros(constant.size), constant)
    node, factor, offset = value.node, np.ones(value.size), np.zeros(value.size)
    while isinstance(op := call.emitter.pending[node].op, Scale):
        offset = offset + factor * op.offset
        factor = factor * op.factor
        node = call.emitter.pending[node].inputs[0]
    full = (np.broadcast_to(part.reshape(value.shape), shape).ravel() for part in (factor, offset))
    # Entries of one node stand for the same numbers only where they are broadcast in the same way.
    return _Affine((node, value.shape), *full)
