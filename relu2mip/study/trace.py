"""The traces of a trial: the best plan and the proven bound over time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from relu2mip.runtime.progress import Progress

SEARCHING = "searching"
"""The stage in which the solver searches."""

LEAST_STEP = 1e-3
"""Share of the best objective by which a bound must rise to be another point of its trace."""


@dataclass
class Trace:
    """Points (seconds, value), each better than those before; in the problem's own sense.

    plans: of the objective.  bounds: of the proven bound.  root: the first bound that the search reported, NaN where
    it reported none.  stages: when each stage began.
    """

    plans: list[tuple[float, float]] = field(default_factory=list)
    bounds: list[tuple[float, float]] = field(default_factory=list)
    root: float = math.nan
    stages: list[tuple[float, str]] = field(default_factory=list)

    def listen(self, progress: Progress) -> None:
        """Take a message."""
        at = round(progress.seconds, 4)
        if progress.stage and (not self.stages or self.stages[-1][1] != progress.stage):
            self.stages.append((at, progress.stage))
        if math.isfinite(progress.plan) and (not self.plans or not math.isclose(self.plans[-1][1], progress.plan)):
            self.plans.append((at, progress.plan))
        if math.isfinite(progress.bound) and self._moved(progress.bound):
            self.bounds.append((at, progress.bound))
            if progress.stage == SEARCHING and math.isnan(self.root):
                self.root = progress.bound

    def _moved(self, bound: float) -> bool:
        return not self.bounds or abs(bound - self.bounds[-1][1]) > LEAST_STEP * max(1e-9, abs(bound))

    def end(self, seconds: float, objective: float, bound: float) -> None:
        """Add what the answer says at its end."""
        at = round(seconds, 4)
        if math.isfinite(objective) and (not self.plans or not math.isclose(self.plans[-1][1], objective)):
            self.plans.append((at, objective))
        if math.isfinite(bound) and (not self.bounds or self.bounds[-1][1] != bound):
            self.bounds.append((at, bound))
