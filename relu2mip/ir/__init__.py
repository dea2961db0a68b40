"""The graph: what a network file says, made uniform. Typed, immutable, evaluated in float64."""

from relu2mip.ir.graph import Graph, Node, Port, Source
from relu2mip.ir.ops import (
    Abs,
    Add,
    Clip,
    Constant,
    GroupMax,
    GroupMin,
    LeakyRelu,
    Linear,
    Maximum,
    Minimum,
    Op,
    Rearrange,
    Relu,
    Scale,
)

__all__ = [
    "Abs",
    "Add",
    "Clip",
    "Constant",
    "Graph",
    "GroupMax",
    "GroupMin",
    "LeakyRelu",
    "Linear",
    "Maximum",
    "Minimum",
    "Node",
    "Op",
    "Port",
    "Rearrange",
    "Relu",
    "Scale",
    "Source",
]
