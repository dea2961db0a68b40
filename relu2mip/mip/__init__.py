"""The mixed-integer program as plain sparse arrays: what formulations write and backends read."""

from relu2mip.mip.expression import Expression
from relu2mip.mip.model import Groups, Indicators, Maxima, MipModel, ModelBuilder, Pairs
from relu2mip.mip.names import NameBlock, Names
from relu2mip.mip.solution import Solution, Stop

__all__ = [
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
