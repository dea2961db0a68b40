"""Projected gradient descent from many starts at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from relu2mip.control.planner import Planner, Planning, searching
from relu2mip.incumbent.climb import Climbing, climb, running
from relu2mip.trajectory.problem import Trajectory


@dataclass(frozen=True)
class Gradient(Climbing, Planner):
    """Projected gradient descent from many starts at once.

    The options are those of `relu2mip.incumbent.climb.Climbing`; rounds go on until the deadline. With
    `engine="torch"`, the network is run by torch, on a GPU with `device="cuda"`.

    Boxes, finite values and the window are kept exactly. A plan that is called feasible keeps state sets, rates and
    linear constraints, too; where none was found, it is the one that leaves them least.
    """

    restarts: int = 1_000_000
    name: ClassVar[str] = "gradient"

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Planner.prepared`; raises `Relu2MipError` where torch or its device is missing and asked for."""
        with running(problem.unrolled.objective(), self):
            pass
        return searching(self.name, climb, self)
