"""Bounds on every unit of a normal form, by methods that stack: each starts from the last one's and intersects."""

from relu2mip.bounds.alpha_crown import AlphaCrown
from relu2mip.bounds.auto import Auto
from relu2mip.bounds.blocks import Blocks
from relu2mip.bounds.crown import Crown
from relu2mip.bounds.cutoff import Cutoff
from relu2mip.bounds.data import Data
from relu2mip.bounds.file import File
from relu2mip.bounds.ibp import Ibp
from relu2mip.bounds.lp import Lp
from relu2mip.bounds.method import BoundMethod, compute_bounds
from relu2mip.bounds.mip import Mip
from relu2mip.bounds.split import Split
from relu2mip.bounds.structure import Structure
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.implications import Implications
from relu2mip.unrolled.provenance import Grade, Provenance
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Domain

__all__ = [
    "AlphaCrown",
    "Auto",
    "Blocks",
    "BoundMethod",
    "Bounds",
    "Crown",
    "Cutoff",
    "Data",
    "Domain",
    "File",
    "Grade",
    "Ibp",
    "Implications",
    "Lp",
    "Mip",
    "Provenance",
    "Split",
    "Structure",
    "Tightened",
    "compute_bounds",
]
