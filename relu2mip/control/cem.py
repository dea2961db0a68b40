"""The cross-entropy method: a distribution fitted to the best samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar

from relu2mip.control.planner import Planner, Planning, searching
from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan as Point


@dataclass(frozen=True)
class Cem(Planner):
    """The options of `relu2mip.incumbent.sample.Sampling`, whose rounds go on until the deadline.

    Boxes, finite values and the window are kept exactly. A plan that is called feasible keeps state sets, rates and
    linear constraints, too; where none was found, it is the one that leaves them least.
    """

    samples: int = 512
    elites: int = 32
    rounds: int = 1_000_000
    inertia: float = 0.1
    correlation: float = 0.5
    seed: int = 0
    name: ClassVar[str] = "cem"

    def prepared(self, problem: Trajectory) -> Planning:
        """See `Planner.prepared`; nothing is kept."""
        options = Sampling(**asdict(self))

        def search(problem: Trajectory, start: Point | None, seconds: float) -> Point:
            objective = problem.unrolled.objective()
            return cross_entropy(objective, objective.box, options, seconds, start, problem.m)

        return searching(self.name, search)
