"""Model-predictive path integral: noise around a plan, averaged by what it costs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from relu2mip.control.planner import Planner, Planning, searching
from relu2mip.incumbent.path_integral import PathIntegral, path_integral
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan as Point


@dataclass(frozen=True)
class Mppi(Planner):
    """The options of `relu2mip.incumbent.path_integral.PathIntegral`, whose rounds go on until the deadline.

    Boxes, finite values and the window are kept exactly. A plan that is called feasible keeps state sets, rates and
    linear constraints, too; where none was found, it is the one that leaves them least.
    """

    samples: int = 512
    rounds: int = 1_000_000
    temperature: float = 0.1
    noise: float = 0.25
    correlation: float = 0.5
    seed: int = 0
    name: ClassVar[str] = "mppi"

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Planner.prepared`; nothing is kept."""
        options = PathIntegral(**asdict(self))

        def search(problem: Trajectory, start: Point | None, seconds: float) -> Point:
            objective = problem.unrolled.objective()
            return path_integral(objective, objective.box, options, seconds, start, problem.m)

        return searching(self.name, search)
