"""The converters, one small function an operator; importing this package registers them all."""

from relu2mip.frontends.onnx.ops import (
    activation,
    arithmetic,
    constant,
    control,
    convolution,
    gather,
    layout,
    normalization,
    pooling,
    product,
    reduction,
    scatter,
    slicing,
)

__all__ = [
    "activation",
    "arithmetic",
    "constant",
    "control",
    "convolution",
    "gather",
    "layout",
    "normalization",
    "pooling",
    "product",
    "reduction",
    "scatter",
    "slicing",
]
