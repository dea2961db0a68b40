"""The mixed-integer program as plain sparse arrays: what formulations write and backends read."""

from relu2mip.mip.expression import Expression
from relu2mip.mip.model import Groups, Indicators, MipModel, ModelBuilder
from relu2mip.mip.names import NameBlock, Names
from relu2mip.mip.solution import Solution, Stop

__all__ = [
    "Expression",
    "Groups",
    "Indicators",
    "MipModel",
    "ModelBuilder",
    "NameBlock",
    "Names",
    "Solution",
    "Stop",
]
