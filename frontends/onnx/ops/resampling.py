"""Resize, Upsample and Col2Im: linear in the image, so what onnxruntime makes of unit images says all of it.

Their many conventions of coordinates and rounding are those of onnxruntime by construction; weights are in float32.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.frontends.onnx.algebra import by_unit_vectors
from relu2mip.frontends.onnx.alone import run_alone
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value

LARGEST = 4096
"""Entries of an image; each is a run of the operator."""


def _by_units(call: Call) -> Value:
    x = call.variable(0)
    if x.size > LARGEST:
        call.refuse(f"an image of {x.size} entries is too large to resample", f"Use {LARGEST} at most")
    others: dict[int, Any] = {k: call.optional_constant(k) for k in range(1, call.count)}
    for attribute in call.node.attribute:
        call.attribute(attribute.name)

    def resampled(units: Array) -> Array:
        return np.stack([run_alone(call, {0: unit, **others})[0] for unit in units])

    return by_unit_vectors(call, x, resampled)


@converter("Resize", since=10)
@converter("Upsample", since=7)
@converter("Col2Im", since=18)
def resample(call: Call) -> Value:
    """Another size by interpolation, or columns of blocks added into an image; sizes must be constant."""
    return _by_units(call)
