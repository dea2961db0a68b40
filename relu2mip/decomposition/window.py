"""The mixed-integer program of some steps in a row, held by a solver, whose objective changes in place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index
from relu2mip.decomposition.stages import Stages
from relu2mip.mip import Aids, NameBlock, Stop
from relu2mip.mip.extend import with_rows
from relu2mip.mip.run import ask
from relu2mip.mip.solver import Holder
from relu2mip.options import SolveOptions
from relu2mip.runtime.deadline import at_most
from relu2mip.runtime.progress import unreported

SLIP = 1e-6
"""A bound is lowered by this share of the objective's range: what a solver's tolerances can do to it."""

LEAST_SECONDS = 1e-3


class Window:
    """Steps first ... last - 1 of a program.

    below: a cost over all columns of the whole program, and what it is at most.  columns: those of the whole program
    that it has, in the order of its own.  programs: how many were solved.
    """

    def __init__(
        self, stages: Stages, first: int, last: int, holder: Holder, below: tuple[Array, float] | None = None
    ) -> None:
        self.model, self.columns = stages.part(first, last)
        if below is not None:
            row, name = sp.csr_array(below[0][self.columns][None, :]), NameBlock("limit", np.zeros(1, dtype=np.intp))
            self.model = with_rows(self.model, name, row, upper=below[1])
        self.first, self.last, self.holder = first, last, holder
        self.solver = holder.session(self.model)
        self.programs = 0

    def narrow(self, columns: Index, lower: Array, upper: Array) -> None:
        """Take tighter bounds of some columns of the whole program; those it has not are ignored."""
        places = np.searchsorted(self.columns, columns)
        there = places < self.columns.size
        there[there] = self.columns[places[there]] == columns[there]
        low, high = self.model.lower.copy(), self.model.upper.copy()
        low[places[there]] = np.maximum(low[places[there]], lower[there])
        high[places[there]] = np.minimum(high[places[there]], upper[there])
        self.model = replace(self.model, lower=low, upper=np.maximum(low, high))

    def minimise(self, cost: Array, seconds: float, gap: float) -> tuple[float, Array | None]:
        """A proven lower bound of cost @ (its columns), and a point that attains about as much.

        The bound is -inf where the solver has none in time, inf where it says that there is no point at all.
        """
        reach = np.abs(cost) * (self.model.upper - self.model.lower)
        unit = float(reach.max(initial=0.0)) or 1.0
        options = SolveOptions(time_limit=max(LEAST_SECONDS, at_most(seconds)), gap=gap, threads=1)
        self.programs += 1
        with unreported():
            found = ask(replace(self.model, cost=cost / unit), self.solver, options, Aids(conflict=False))
        if found.stop is Stop.INFEASIBLE:
            return np.inf, None
        bound = found.bound * unit - SLIP * float(reach.sum())
        return (bound if np.isfinite(bound) else -np.inf), found.x
