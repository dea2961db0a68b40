"""ReduceSum, ReduceMean, ReduceL1, ReduceMax, ReduceMin, CumSum: axes as an attribute first, later as an input."""

from __future__ import annotations

import math
import string

import numpy as np

from relu2mip.arrays import Array
from relu2mip.frontends.onnx.algebra import by_unit_vectors
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.contraction import contract
from relu2mip.frontends.onnx.groups import extremum_of_groups
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.ir import Abs, GroupMax, GroupMin


@converter("ReduceSum", since=1)
def reduce_sum(call: Call) -> Value:
    """Sums over axes given as an attribute."""
    return _sum(call, _axes_attribute(call))


@converter("ReduceSum", since=13)
def reduce_sum_axes_input(call: Call) -> Value:
    """Sums over axes given as an input."""
    return _sum(call, _axes_input(call))


@converter("ReduceL1", since=1)
def reduce_l1(call: Call) -> Value:
    """Sums of absolute values over axes given as an attribute."""
    return _sum(call, _axes_attribute(call), absolute=True)


@converter("ReduceL1", since=18)
def reduce_l1_axes_input(call: Call) -> Value:
    """Sums of absolute values over axes given as an input."""
    return _sum(call, _axes_input(call), absolute=True)


@converter("CumSum", since=11)
def cumsum(call: Call) -> Value:
    """Sums of the entries up to each along an axis, without it (exclusive), or from it on (reverse)."""
    x, given = call.variable(0), call.constant_integers(1) or []
    if len(given) != 1:
        call.fail(f"needs one axis, not {given}")
    axis = call.axis(given[0], len(x.shape)) + 1
    exclusive, reverse = call.flag("exclusive"), call.flag("reverse")

    def summed(units: Array) -> Array:
        units = np.flip(units, axis) if reverse else units
        total = units.cumsum(axis) - (units if exclusive else 0.0)
        return np.flip(total, axis) if reverse else total

    return by_unit_vectors(call, x, summed)


@converter("ReduceMean", since=1)
def reduce_mean(call: Call) -> Value:
    """Means over axes given as an attribute."""
    return _sum(call, _axes_attribute(call), mean=True)


@converter("ReduceMean", since=18)
def reduce_mean_axes_input(call: Call) -> Value:
    """Means over axes given as an input."""
    return _sum(call, _axes_input(call), mean=True)


@converter("ReduceMax", since=1)
def reduce_max(call: Call) -> Value:
    """Maxima over axes given as an attribute."""
    return _extremum(call, _axes_attribute(call), GroupMax)


@converter("ReduceMax", since=18)
def reduce_max_axes_input(call: Call) -> Value:
    """Maxima over axes given as an input."""
    return _extremum(call, _axes_input(call), GroupMax)


@converter("ReduceMin", since=1)
def reduce_min(call: Call) -> Value:
    """Minima over axes given as an attribute."""
    return _extremum(call, _axes_attribute(call), GroupMin)


@converter("ReduceMin", since=18)
def reduce_min_axes_input(call: Call) -> Value:
    """Minima over axes given as an input."""
    return _extremum(call, _axes_input(call), GroupMin)


def _axes_attribute(call: Call) -> list[int] | None:
    """The axes; an empty list reduces all, as none does."""
    return call.integers("axes") or None


def _axes_input(call: Call) -> list[int] | None:
    """The axes; an empty list reduces nothing where noop_with_empty_axes is set, else (None) all."""
    axes, noop = call.constant_integers(1), call.flag("noop_with_empty_axes")
    return axes or ([] if noop else None)


def _sum(call: Call, given: list[int] | None, mean: bool = False, absolute: bool = False) -> Value:
    x, axes, shape = _operands(call, given)
    x = call.emit(Abs(), [x], x.shape) if absolute else x
    labels = string.ascii_letters[: len(x.shape)]
    kept = "".join(label for k, label in enumerate(labels) if k not in axes)
    weight = 1.0 / math.prod(x.shape[axis] for axis in axes) if mean else 1.0
    return contract(call, x, labels, np.array(weight), "", kept).reshaped(shape)


def _extremum(call: Call, given: list[int] | None, kind: type[GroupMax | GroupMin]) -> Value:
    x, axes, shape = _operands(call, given)
    kept = [k for k in range(len(x.shape)) if k not in axes]
    members = np.arange(x.size).reshape(x.shape).transpose([*kept, *axes]).ravel()
    size = math.prod(x.shape[axis] for axis in axes)
    return extremum_of_groups(call, x, members, np.arange(0, x.size + 1, size), kind, shape)


def _operands(call: Call, given: list[int] | None) -> tuple[Variable, tuple[int, ...], tuple[int, ...]]:
    """The operand, the axes to reduce, and the shape of the result."""
    x = call.variable()
    rank = len(x.shape)
    axes = tuple(range(rank)) if given is None else call.axes(given, rank)
    if call.flag("keepdims", 1):
        return x, axes, tuple(1 if k in axes else size for k, size in enumerate(x.shape))
    return x, axes, tuple(size for k, size in enumerate(x.shape) if k not in axes)
