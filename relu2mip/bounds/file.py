"""The bound method that reads bounds from a file (`Bounds.save`).

Source: bounds over a set hold over every subset, Moore, "Interval Analysis" (1966).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from relu2mip.errors import InvalidOption
from relu2mip.options import Part, settle
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.provenance import Grade, Provenance
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled


@dataclass(frozen=True)
class File(Part):
    """Bounds saved before, for the same network and sets, and an initial state inside theirs.

    path: the file that `Bounds.save` wrote. Where anything differs, `InvalidProblem` says what.
    """

    path: str = ""
    name: ClassVar[str] = "file"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        if not self.path:
            raise InvalidOption('file bounds need the path of the file, as in "file(path=bounds.npz)"')

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """Intersect with the bounds of the file. What they came from joins the provenance, unsound methods marked."""
        known = Bounds.load(self.path, unrolled)
        origin = Provenance(str(known), known.grade, cutoff=known.cutoff)
        return replace(known.tighten(unrolled, bounds), steps=(origin,))
