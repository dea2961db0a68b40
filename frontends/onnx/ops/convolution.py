"""Conv and ConvTranspose on any number of spatial axes, as one sparse matrix for all channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Index, Mask, compact
from relu2mip.frontends.onnx.algebra import linear
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Constant, Value, Variable
from relu2mip.frontends.onnx.windows import Geometry, geometry, reach, read_lists, windows


@converter("Conv", since=1)
def conv(call: Call) -> Value:
    """Cross-correlation: bias[m] + the sum of weight[m, c, k] * x[channel c of m's group, window(o)[k]]."""
    x, weight, groups = _operands(call)
    spatial = x.shape[2:]
    filters = weight.shape[0]
    if weight.shape[1] * groups != x.shape[1] or filters % groups:
        call.fail(f"{groups} group(s) and weights of shape {weight.shape} do not fit the input {x.shape}")
    at = geometry(call, spatial, weight.shape[2:])
    first_channel = np.arange(filters) // (filters // groups) * weight.shape[1]
    look = windows(spatial, at)
    # Axes of the grid: filter, output position, channel within the group, kernel position.
    rows = (np.arange(filters)[:, None] * look.shape[0] + np.arange(look.shape[0]))[:, :, None, None]
    channels = (first_channel[:, None] + np.arange(weight.shape[1]))[:, None, :, None]
    columns = channels * math.prod(spatial) + look[None, :, None, :]
    values = weight.reshape(filters, 1, weight.shape[1], -1)
    shape = (filters * look.shape[0], math.prod(x.shape[1:]))
    return _apply(call, x, filters, at.out, _sparse(rows, columns, values, look[None, :, None, :] >= 0, shape))


@converter("ConvTranspose", since=1)
def conv_transpose(call: Call) -> Value:
    """The transpose of a convolution: each entry of the input adds its weights to its window."""
    x, weight, groups = _operands(call)
    spatial = x.shape[2:]
    channels, per_group = weight.shape[:2]
    if channels != x.shape[1] or channels % groups:
        call.fail(f"{groups} group(s) and weights of shape {weight.shape} do not fit the input {x.shape}")
    at = _transposed_geometry(call, spatial, weight.shape[2:])
    look = windows(at.out, at, spatial)
    first_filter = np.arange(channels) // (channels // groups) * per_group
    # Axes of the grid: input channel, input position, filter within the group, kernel position.
    filters = (first_filter[:, None] + np.arange(per_group))[:, None, :, None]
    rows = filters * math.prod(at.out) + look[None, :, None, :]
    columns = (np.arange(channels)[:, None] * look.shape[0] + np.arange(look.shape[0]))[:, :, None, None]
    values = weight.reshape(channels, 1, per_group, -1)
    shape = (groups * per_group * math.prod(at.out), math.prod(x.shape[1:]))
    matrix = _sparse(rows, columns, values, look[None, :, None, :] >= 0, shape)
    return _apply(call, x, groups * per_group, at.out, matrix)


def _operands(call: Call) -> tuple[Variable, Constant, int]:
    x, weight = call.value(0), call.value(1)
    if isinstance(weight, Variable):
        call.refuse("its weights depend on the network's inputs", "The weights must be constant")
    if not isinstance(x, Variable):
        call.refuse("only its bias depends on the network's inputs", "Compute this part outside the network")
    kernel = call.integers("kernel_shape")
    if len(x.shape) < 3 or weight.ndim != len(x.shape) or (kernel and list(weight.shape[2:]) != kernel):
        call.fail(f"kernel_shape {kernel} and weights of shape {weight.shape} do not fit the input {x.shape}")
    return x, weight, call.integer("group", 1)


def _sparse(rows: Index, columns: Index, values: Constant, inside: Mask, shape: tuple[int, int]) -> sp.csr_array:
    parts = np.broadcast_arrays(rows, columns, values, inside)
    keep = np.flatnonzero(parts[3])
    row, column, value = (part.ravel()[keep] for part in parts[:3])
    return sp.csr_array((value, (row, column)), shape=shape)


def _apply(call: Call, x: Variable, filters: int, out: tuple[int, ...], matrix: sp.csr_array) -> Variable:
    bias = call.optional_constant(2)
    if bias is not None and bias.shape != (filters,):
        call.fail(f"the bias has shape {bias.shape}, not {(filters,)}")
    spread = 0.0 if bias is None else bias.reshape(-1, *(1 for _ in out))
    return linear(call, x, compact(matrix), x.shape[0], (x.shape[0], filters, *out), spread)


def _transposed_geometry(call: Call, spatial: Sequence[int], kernel: tuple[int, ...]) -> Geometry:
    strides, dilations, pads = read_lists(call, kernel)
    rank = len(spatial)
    extra = call.integers("output_padding") or [0] * rank
    wanted = call.integers("output_shape")
    mode = call.text("auto_pad", "NOTSET")
    if len(extra) != rank or (wanted and len(wanted) not in (rank, rank + 2)):
        call.fail(f"output_padding {extra} or output_shape {wanted} do not fit {rank} spatial axes")
    if mode not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        call.fail(f"auto_pad {mode!r} is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    heads, tails = pads[:rank], pads[rank:]
    if mode == "VALID":
        heads, tails = [0] * rank, [0] * rank
    full = [
        (n - 1) * s + a + reach(k, d) for n, s, a, k, d in zip(spatial, strides, extra, kernel, dilations, strict=True)
    ]
    if wanted or mode.startswith("SAME"):
        sizes = wanted[-rank:] if wanted else [n * s for n, s in zip(spatial, strides, strict=True)]
        totals = [max(f - n, 0) for f, n in zip(full, sizes, strict=True)]
        heads = [t // 2 if mode == "SAME_UPPER" else t - t // 2 for t in totals]
        tails = [t - h for t, h in zip(totals, heads, strict=True)]
        _check_reached(
            call, spatial, sizes, totals, [reach(k, d) for k, d in zip(kernel, dilations, strict=True)], strides
        )
    else:
        sizes = [f - h - t for f, h, t in zip(full, heads, tails, strict=True)]
    if min(sizes) < 1:
        call.fail(f"pads {pads} leave nothing of the output")
    return Geometry(*map(tuple, (kernel, strides, dilations, heads, tails, sizes)))


def _check_reached(
    call: Call,
    spatial: Sequence[int],
    sizes: Sequence[int],
    totals: Sequence[int],
    spans: Sequence[int],
    strides: Sequence[int],
) -> None:
    """The convolution of an output of these sizes must have the size of the input."""
    for n, size, total, span, stride in zip(spatial, sizes, totals, spans, strides, strict=True):
        if (size + total - span) // stride + 1 != n:
            call.fail(f"an output axis of {size} does not come from an input axis of {n}; correct output_shape")
