"""The mixed-integer program as plain sparse arrays: what formulations write and backends read."""

from relu2mip.mip.aids import NO_AIDS, Aids
from relu2mip.mip.builder import ModelBuilder
from relu2mip.mip.expression import Expression
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import NameBlock, Names
from relu2mip.mip.parts import Groups, Indicators, Maxima, Pairs
from relu2mip.mip.solution import Solution, Stop

__all__ = [
    "NO_AIDS",
    "Aids",
    "Expression",
    "Groups",
    "Indicators",
    "Maxima",
    "MipModel",
    "ModelBuilder",
    "NameBlock",
    "Names",
    "Pairs",
    "Solution",
    "Stop",
]
