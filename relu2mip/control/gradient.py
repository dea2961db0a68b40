"""Projected gradient descent from many starts at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from relu2mip.control.planner import Planner, Planning, searching
from relu2mip.incumbent.climb import Climbing, climb
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan as Point


@dataclass(frozen=True)
class Gradient(Planner):
    """The options of `relu2mip.incumbent.climb.Climbing`, whose rounds go on until the deadline.

    Boxes, finite values and the window are kept exactly. A plan that is called feasible keeps state sets, rates and
    linear constraints, too; where none was found, it is the one that leaves them least.
    """

    starts: int = 32
    steps: int = 60
    restarts: int = 1_000_000
    rate: float = 0.05
    seed: int = 0
    name: ClassVar[str] = "gradient"

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Planner.prepared`; nothing is kept."""
        options = Climbing(**asdict(self))

        def search(problem: Trajectory, start: Point | None, seconds: float) -> Point:
            objective = problem.unrolled.objective()
            return climb(objective, objective.box, options, seconds, start, problem.m)

        return searching(self.name, search)
