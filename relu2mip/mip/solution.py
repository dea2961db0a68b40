"""The word of a backend: a point or none, a bound, and why the solver stopped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from relu2mip.arrays import Array


class Stop(StrEnum):
    """Why the solver stopped; unsettled where its word cannot be true and asking again did not help."""

    OPTIMAL = "optimal"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"
    TIME_LIMIT = "time limit"
    NODE_LIMIT = "node limit"
    INTERRUPTED = "interrupted"
    UNSETTLED = "unsettled"
    FAILED = "failed"


@dataclass(frozen=True, eq=False)
class Solution:
    """A solver's word, not yet an answer: from a backend, nothing here has been checked.

    `x` is the incumbent or None where there is none (never a point of zeros). `bound` is the proven dual bound of the
    minimisation, -inf where the solver proved nothing. `lowered` names what was rewritten because the backend lacks it
    ("sos1 to big-M", "quadratic cost to tangent cuts"), and whether columns and rows were scaled; `conflict` names the
    rows and columns of an irreducible infeasible subset where the backend gave one.
    """

    stop: Stop
    x: Array | None = None
    objective: float = np.nan
    bound: float = -np.inf
    nodes: int = 0
    seconds: float = 0.0
    solver: str = ""
    message: str = ""
    lowered: tuple[str, ...] = ()
    conflict: tuple[str, ...] = ()
