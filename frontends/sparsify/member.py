"""A member of a family of models, and what its files are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import fx


@dataclass(frozen=True, eq=False)
class Member:
    """One model of a family.

    units: how many units were left to be ReLUs, None of the full model.  relus: how many are left in the compacted
    graph, where units that nothing reads are gone too.  network: the hardened torch model.  errors: on the validation
    part.  path: its ONNX file, None where training kept no files.
    """

    units: int | None
    relus: int
    network: fx.GraphModule
    errors: dict[str, float]
    path: Path | None = None

    @property
    def name(self) -> str:
        """The name of its files."""
        return member_name(self.units)


def member_name(units: int | None) -> str:
    """The name of the member of a round."""
    return "full" if units is None else f"units-{units}"
