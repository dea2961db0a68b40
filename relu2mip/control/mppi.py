"""Model-predictive path integral: noise around a plan, averaged by what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from relu2mip.control.planner import Planner, Planning, searching
from relu2mip.incumbent.path_integral import PathIntegral, path_integral
from relu2mip.options import within
from relu2mip.trajectory.problem import Trajectory


@dataclass(frozen=True)
class Mppi(PathIntegral, Planner):
    """The path integral: noise around a plan, averaged by what it costs.

    The options are those of `relu2mip.incumbent.path_integral.PathIntegral`; rounds go on until the deadline.

    Boxes, finite values and the window are kept exactly. A plan that is called feasible keeps state sets, rates and
    linear constraints, too; where none was found, it is the one that leaves them least.
    """

    rounds: int = 1_000_000
    name: ClassVar[str] = "mppi"

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, samples=(1, inf), rounds=(1, inf), temperature=(1e-9, inf), noise=(1e-9, inf))
        within(self, correlation=(0, 1), seed=(0, inf))

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Planner.prepared`; nothing is kept."""
        return searching(self.name, path_integral, self)
