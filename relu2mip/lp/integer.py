"""One mixed-integer program whose objective changes in place, for bounds of its columns."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Array
from relu2mip.lp import highs_process
from relu2mip.lp.program import loaded, run
from relu2mip.mip.model import MipModel
from relu2mip.mip.rescale import rescaled
from relu2mip.mip.units import Units

TOLERANCE = 1e-7
"""How far HiGHS may leave rows, bounds and integrality unsatisfied in these programs, in units of their ranges."""

FEASIBLE = 2
"""HiGHS's `primal_solution_status` of a feasible point."""


class IntegerProgram:
    """One mixed-integer program inside HiGHS, in its units, whose objective changes in place.

    stopped: by time, when last solved.
    """

    def __init__(self, model: MipModel) -> None:
        self.units = Units.of(model)
        self.highs = loaded(
            rescaled(model, self.units),
            cost=False,
            presolve_rule_off=highs_process.UNSOUND_RULES,
            mip_feasibility_tolerance=TOLERANCE,
            primal_feasibility_tolerance=TOLERANCE,
        )
        self.columns, self.stopped = model.columns, False

    def minimise(self, column: int, sign: float, seconds: float) -> tuple[float, Array | None]:
        """HiGHS's dual bound of sign * x[column] within `seconds` (-inf where it has none), and a feasible point."""
        highs, centre, size = self.highs, self.units.centre[column], self.units.size[column]
        cost = np.zeros(self.columns)
        cost[column] = sign
        highs.changeColsCost(self.columns, np.arange(self.columns, dtype=np.int32), cost)
        highs.clearSolver()
        status, info = run(highs, seconds), highs.getInfo()
        self.stopped = status == "kTimeLimit"
        if status not in {"kOptimal", "kTimeLimit"}:
            return -np.inf, None
        found = info.primal_solution_status == FEASIBLE
        point = self.units.outside(np.array(highs.getSolution().col_value)) if found else None
        bound = sign * float(centre) + float(size) * float(info.mip_dual_bound)
        return (bound if np.isfinite(bound) else -np.inf), point
