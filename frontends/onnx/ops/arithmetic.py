"""Elementwise arithmetic with broadcasting: Add, Sub, Mul, Div, Neg, Sum, Mean."""

from __future__ import annotations

import numpy as np

from relu2mip.frontends.onnx.algebra import scale, weighted_sum
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.ops.comparison import switch
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Condition, Value, Variable


@converter("Add", since=7)
def add(call: Call) -> Value:
    """A + b."""
    return weighted_sum(call, [(1.0, call.value(0)), (1.0, call.value(1))])


@converter("Sub", since=7)
def sub(call: Call) -> Value:
    """A - b."""
    return weighted_sum(call, [(1.0, call.value(0)), (-1.0, call.value(1))])


@converter("Sum", since=6)
def sum_(call: Call) -> Value:
    """The sum of any number of operands."""
    return weighted_sum(call, [(1.0, value) for value in call.values()])


@converter("Mean", since=6)
def mean(call: Call) -> Value:
    """The mean of any number of operands."""
    return weighted_sum(call, [(1.0 / call.count, value) for value in call.values()])


@converter("Neg", since=6)
def neg(call: Call) -> Value:
    """-x."""
    return scale(call, call.variable(), -1.0)


@converter("Mul", since=7)
def mul(call: Call) -> Value:
    """X * constant, either way round; x * (x > 0)."""
    conditions = [k for k in (0, 1) if isinstance(call.any(k), Condition)]
    if len(conditions) == 1:
        (k,) = conditions
        condition = call.any(k)
        assert isinstance(condition, Condition)
        return switch(call, condition, call.value(1 - k), np.zeros(()))
    a, b = call.value(0), call.value(1)
    if isinstance(a, Variable) and isinstance(b, Variable):
        what = "the square of a variable" if a.node == b.node else "the product of two variables"
        call.refuse(f"{what} is not piecewise linear", "One factor must be a constant; or use ReLU layers instead")
    return scale(call, a, call.constant(1)) if isinstance(a, Variable) else scale(call, call.variable(1), a)


@converter("Div", since=7)
def div(call: Call) -> Value:
    """X / constant."""
    numerator, denominator = call.value(0), call.value(1)
    if isinstance(denominator, Variable):
        call.refuse("division by a variable is not piecewise linear", "The denominator must be a constant")
    if not np.all(denominator):
        call.fail(f"divides by zero: {call.node.input[1]!r} has zero entries")
    return scale(call, call.variable(0), 1.0 / denominator) if isinstance(numerator, Variable) else numerator
