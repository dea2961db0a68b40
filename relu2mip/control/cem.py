"""The cross-entropy method: a distribution fitted to the best samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from relu2mip.control.planner import Planner, Planning, searching
from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.options import within
from relu2mip.trajectory.problem import Trajectory


@dataclass(frozen=True)
class Cem(Sampling, Planner):
    """Cross-entropy: a distribution fitted to the best samples.

    The options are those of `relu2mip.incumbent.sample.Sampling`; rounds go on until the deadline.

    Boxes, finite values and the window are kept exactly. A plan that is called feasible keeps state sets, rates and
    linear constraints, too; where none was found, it is the one that leaves them least.
    """

    rounds: int = 1_000_000
    inertia: float = 0.1
    correlation: float = 0.5
    name: ClassVar[str] = "cem"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, samples=(2, inf), rounds=(1, inf), inertia=(0, 1), correlation=(0, 1), seed=(0, inf))
        within(self, elites=(1, self.samples))

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Planner.prepared`; nothing is kept."""
        return searching(self.name, cross_entropy, self)
