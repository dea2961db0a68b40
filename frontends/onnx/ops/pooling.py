"""AveragePool, MaxPool and their global forms."""

from __future__ import annotations

import math

import numpy as np

from relu2mip.arrays import Index, compact, selection
from relu2mip.frontends.onnx.algebra import linear
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.groups import extremum_of_groups
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value, Variable
from relu2mip.frontends.onnx.windows import Geometry, geometry, windows
from relu2mip.ir import GroupMax


@converter("AveragePool", since=7)
def average_pool(call: Call) -> Value:
    """The mean over each window; padding counts where count_include_pad says so."""
    x, at, look = _windows(call)
    counts = (look >= 0).sum(axis=1)
    if call.flag("count_include_pad"):
        counts = _within_padding(x.shape[2:], at)
    if not counts.all():
        call.fail("a window lies wholly in the padding; pads must be smaller than the kernel")
    total = selection(look.ravel(), math.prod(x.shape[2:]))
    rows = np.arange(look.size) // look.shape[1]
    average = selection(rows, look.shape[0]).T @ total / counts[:, None]
    return linear(call, x, compact(average), x.shape[0] * x.shape[1], (*x.shape[:2], *at.out))


def _within_padding(spatial: tuple[int, ...], at: Geometry) -> Index:
    """How many entries of each window lie in the input or its padding (a last window may reach further)."""
    padded = tuple(n + h + t for n, h, t in zip(spatial, at.heads, at.tails, strict=True))
    whole = Geometry(at.kernel, at.strides, at.dilations, (0,) * len(padded), (0,) * len(padded), at.out)
    return np.asarray((windows(padded, whole) >= 0).sum(axis=1))


@converter("MaxPool", since=1)
def max_pool(call: Call) -> Value:
    """The maximum over each window; padding never wins. The positions of the maxima (Indices) are refused."""
    call.attribute("storage_order")  # concerns Indices alone
    if call.output_used(1):
        call.refuse("the positions of the maxima are not piecewise linear", "Do not use its output Indices")
    x, at, look = _windows(call)
    counts = (look >= 0).sum(axis=1)
    if not counts.all():
        call.fail("a window lies wholly in the padding; pads must be smaller than the kernel")
    planes, size = x.shape[0] * x.shape[1], math.prod(x.shape[2:])
    members = (np.arange(planes)[:, None] * size + look[look >= 0]).ravel()
    starts = np.concatenate([[0], np.cumsum(np.tile(counts, planes))])
    return extremum_of_groups(call, x, members, starts, GroupMax, (*x.shape[:2], *at.out))


def _windows(call: Call) -> tuple[Variable, Geometry, Index]:
    x, kernel = call.variable(), call.integers("kernel_shape")
    if kernel is None:
        call.fail("attribute 'kernel_shape' is missing; export the network again")
    if len(x.shape) < 3:
        call.fail(f"needs an input (batch, channels, axes ...), not shape {x.shape}")
    at = geometry(call, x.shape[2:], kernel, ceil=call.flag("ceil_mode"))
    return x, at, windows(x.shape[2:], at)


@converter("GlobalAveragePool", since=1)
def global_average_pool(call: Call) -> Value:
    """The mean over all spatial axes."""
    x, size = _planes(call)
    shape = (*x.shape[:2], *(1 for _ in x.shape[2:]))
    return linear(call, x, np.full((1, size), 1.0 / size), math.prod(x.shape[:2]), shape)


@converter("GlobalMaxPool", since=1)
def global_max_pool(call: Call) -> Value:
    """The maximum over all spatial axes."""
    x, size = _planes(call)
    shape = (*x.shape[:2], *(1 for _ in x.shape[2:]))
    return extremum_of_groups(call, x, np.arange(x.size), np.arange(0, x.size + 1, size), GroupMax, shape)


def _planes(call: Call) -> tuple[Variable, int]:
    x = call.variable()
    if len(x.shape) < 3:
        call.fail(f"needs an input (batch, channels, axes ...), not shape {x.shape}")
    return x, math.prod(x.shape[2:])
