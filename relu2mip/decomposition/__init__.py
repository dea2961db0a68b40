"""A program over a horizon, taken apart in time: stages, blocks of them with prices between, windows that narrow.

Stages    which rows belong to which step, found from the program itself
Window    the mixed-integer program of some steps in a row, held by a solver
Blocks    windows that share the horizon, with a price for every state that two of them share
ascend    the prices with the best bound
"""

from relu2mip.decomposition.ascent import Ascended, ascend
from relu2mip.decomposition.blocks import Blocks, Evaluated
from relu2mip.decomposition.narrowing import Narrowed, narrowed
from relu2mip.decomposition.stages import Stages
from relu2mip.decomposition.window import Window

__all__ = ["Ascended", "Blocks", "Evaluated", "Narrowed", "Stages", "Window", "ascend", "narrowed"]
