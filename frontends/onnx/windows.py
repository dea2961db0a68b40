"""The geometry of convolutions and pooling: which input entries each output entry looks at, on any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Index
from relu2mip.frontends.onnx.call import Call


@dataclass(frozen=True)
class Geometry:
    """Kernel, strides, dilations and padding of each spatial axis, and the output sizes that follow."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    heads: tuple[int, ...]
    tails: tuple[int, ...]
    out: tuple[int, ...]


def reach(kernel: int, dilation: int) -> int:
    """How many entries a dilated kernel spans."""
    return (kernel - 1) * dilation + 1


def read_lists(call: Call, kernel: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Strides, dilations and pads of a call with defaults, checked against the number of spatial axes."""
    rank = len(kernel)
    strides = call.integers("strides") or [1] * rank
    dilations = call.integers("dilations") or [1] * rank
    pads = call.integers("pads") or [0] * (2 * rank)
    if not (len(strides) == len(dilations) == rank and len(pads) == 2 * rank):
        call.fail(f"strides {strides}, dilations {dilations} or pads {pads} do not fit the kernel {list(kernel)}")
    if min([*strides, *dilations, *kernel]) < 1 or min(pads) < 0:
        call.fail(f"strides {strides}, dilations {dilations}, kernel {list(kernel)} must be >= 1, pads {pads} >= 0")
    return strides, dilations, pads


def geometry(call: Call, spatial: Sequence[int], kernel: Sequence[int], ceil: bool = False) -> Geometry:
    """The geometry of a convolution or pooling over spatial axes, from the call's attributes."""
    rank = len(spatial)
    if len(kernel) != rank:
        call.fail(f"the kernel {list(kernel)} does not fit the {rank} spatial axes of the input")
    strides, dilations, pads = read_lists(call, kernel)
    mode = call.text("auto_pad", "NOTSET")
    heads, tails = pads[:rank], pads[rank:]
    out = []
    for k in range(rank):
        span = reach(kernel[k], dilations[k])
        if mode in ("SAME_UPPER", "SAME_LOWER"):
            size = -(-spatial[k] // strides[k])
            total = max((size - 1) * strides[k] + span - spatial[k], 0)
            heads[k] = total // 2 if mode == "SAME_UPPER" else total - total // 2
            tails[k] = total - heads[k]
        elif mode in ("NOTSET", "VALID"):
            if mode == "VALID":
                heads[k] = tails[k] = 0
            room = spatial[k] + heads[k] + tails[k] - span
            size = (-(-room // strides[k]) if ceil else room // strides[k]) + 1
            if ceil and (size - 1) * strides[k] >= spatial[k] + heads[k]:
                size -= 1  # a window that would start in the padding behind is left out
        else:
            call.fail(f"auto_pad {mode!r} is none of NOTSET, VALID, SAME_UPPER, SAME_LOWER")
        if size < 1:
            call.fail(f"the kernel spans {span} entries of a padded axis of {spatial[k] + heads[k] + tails[k]}")
        out.append(size)
    return Geometry(*map(tuple, (kernel, strides, dilations, heads, tails, out)))


def windows(spatial: Sequence[int], at: Geometry, size: Sequence[int] | None = None) -> Index:
    """For each output position (row) and kernel position (column) the flat input position; -1 in the padding.

    `size` replaces the output sizes of the geometry.
    """
    out = at.out if size is None else tuple(size)
    rank = len(spatial)
    flat = np.zeros((1,) * (2 * rank), dtype=np.intp)
    inside = np.ones((1,) * (2 * rank), dtype=bool)
    for k in range(rank):
        position = np.arange(out[k])[:, None] * at.strides[k] - at.heads[k] + np.arange(at.kernel[k]) * at.dilations[k]
        shape = [1] * (2 * rank)
        shape[k], shape[rank + k] = position.shape
        flat = flat * spatial[k] + position.reshape(shape)
        inside = inside & ((position >= 0) & (position < spatial[k])).reshape(shape)
    return np.where(inside, flat, -1).reshape(math.prod(out), math.prod(at.kernel))
