"""The log of a controller, step by step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from relu2mip.arrays import Array
from relu2mip.control.plan import relative_gap


class Rung(StrEnum):
    """Where a control came from: the ladder that a controller goes down, the first rung that holds."""

    PLAN = "plan"
    """A plan that satisfies every set."""

    SOFTENED = "softened"
    """The sets of states leave no plan, or none was found in time: the plan that leaves them least."""

    SHIFTED = "shifted"
    """The planner failed: the next control of the last plan."""

    SAFE = "safe"
    """There is no last plan, or it is used up: the safe control."""


@dataclass(frozen=True, eq=False)
class Step:
    """One step of a controller.

    number: from 0.  state: what it planned from, (n,).  control: what it returned, (m,), inside its set.  rung: where
    that came from.  faults: what was wrong with the observation or the planner, in words.  cost, bound, gap, nodes: of
    the plan.  stopped: why the planner stopped.  seconds: of the whole step, and by stage.  overrun: seconds beyond the
    period.  rebuilt: why the program was compiled anew.  error: the largest difference between the state and what the
    last plan said it would be, relative to the range of each state.  states, controls: of the plan, (H + 1, n) and
    (H, m); None without one.
    """

    number: int
    state: Array
    control: Array
    rung: Rung
    faults: tuple[str, ...] = ()
    cost: float = math.nan
    bound: float = math.nan
    nodes: int = 0
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)
    overrun: float = 0.0
    stopped: str = ""
    rebuilt: str = ""
    error: float = math.nan
    states: Array | None = None
    controls: Array | None = None

    @property
    def gap(self) -> float:
        """(cost - bound) / |cost|; NaN without a bound."""
        return float(relative_gap(self.cost, self.bound))
