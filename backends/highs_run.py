"""A run of HiGHS: our options under its names, its facts as a solution, and what it tells on the way."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.lp import highs_process
from relu2mip.mip import MipModel, Solution, Stop
from relu2mip.mip.supervise import cut_short, supervised
from relu2mip.options import SolveOptions
from relu2mip.runtime.progress import reporter

STOPS = {
    "kOptimal": Stop.OPTIMAL,
    "kModelEmpty": Stop.OPTIMAL,
    "kInfeasible": Stop.INFEASIBLE,
    "kUnbounded": Stop.UNBOUNDED,
    "kUnboundedOrInfeasible": Stop.UNBOUNDED,
    "kTimeLimit": Stop.TIME_LIMIT,
    "kSolutionLimit": Stop.NODE_LIMIT,
    "kInterrupt": Stop.INTERRUPTED,
    "kHighsInterrupt": Stop.INTERRUPTED,
}
"""HiGHS calls the node limit a solution limit; what is not listed is a failure."""

FEASIBLE = 2
"""HiGHS's `primal_solution_status` of a feasible point; a rejected MIP start comes back "valid", with status 1."""

LEFT = "HiGHS did not stop when told to, and was left to itself"

PRIMAL_TOLERANCE = 1e-7
"""HiGHS's own for the rows and bounds of linear programs; a smaller tolerance that is asked for takes its place."""


def option_values(options: SolveOptions) -> dict[str, Any]:
    """Our options under HiGHS's names. The relative gap alone decides, so that small objectives are solved too."""
    values = {
        "output_flag": options.log,
        "time_limit": float(options.time_limit),
        "mip_rel_gap": options.gap,
        "mip_abs_gap": 1e-9,
        "threads": options.threads,
        "random_seed": options.seed % 2**31,
        "presolve": "choose" if options.presolve else "off",
        "presolve_rule_off": highs_process.UNSOUND_RULES,
    }
    if options.tolerance:
        values["mip_feasibility_tolerance"] = options.tolerance
        values["primal_feasibility_tolerance"] = min(PRIMAL_TOLERANCE, options.tolerance)
    return values | ({"mip_max_nodes": options.node_limit} if options.node_limit else {})


def read(model: MipModel, status: str, info: Any, point: Any, seconds: float, offset: float = 0.0) -> Solution:
    """HiGHS's facts as a solution; the objective is recomputed, and `offset` is added to the bound."""
    stop = STOPS.get(status, Stop.FAILED)
    x = np.array(point.col_value) if info.primal_solution_status == FEASIBLE and stop is not Stop.UNBOUNDED else None
    if status == "kModelEmpty":
        x = np.zeros(0)
    objective = model.objective(x) if x is not None else np.nan
    bound = info.mip_dual_bound + offset
    if stop is Stop.INFEASIBLE:
        bound = np.inf
    elif not model.integer.any():
        # HiGHS reports no bound for a linear program; at its optimum the objective is one.
        bound = objective if stop is Stop.OPTIMAL else -np.inf
    return Solution(
        stop=stop,
        x=x,
        objective=objective,
        bound=bound,
        nodes=max(0, info.mip_node_count),
        seconds=seconds,
        solver=solver_name(),
        message=f"HiGHS status {status}" if stop is Stop.FAILED else "",
    )


def solver_name() -> str:
    """HiGHS and its version."""
    return f"HiGHS {highs_process.silent().version()}"


class Watch:
    """A listener to HiGHS during a run: its best point and bound, for when it does not come back, and for progress."""

    def __init__(self, highs: Any, model: MipModel) -> None:
        self.model, self.reporter = model, reporter()
        self.x: Array | None = None
        self.bound, self.stopping = -np.inf, False
        if model.integer.any():
            highs.cbMipImprovingSolution.subscribe(self.meet)
            highs.cbMipInterrupt.subscribe(self.ask_search)
        highs.cbSimplexInterrupt.subscribe(self.ask)
        highs.cbIpmInterrupt.subscribe(self.ask)

    def stop(self) -> None:
        """End the run where HiGHS next asks."""
        self.stopping = True

    def meet(self, event: Any) -> None:
        """Take a better point."""
        self.x = np.array(event.data_out.mip_solution)

    def ask(self, event: Any) -> None:
        """Whether to go on."""
        if self.stopping:
            event.interrupt()

    def ask_search(self, event: Any) -> None:
        """Whether to go on, and how far it is."""
        self.ask(event)
        self.bound = event.data_out.mip_dual_bound
        if self.reporter is not None and not self.stopping:
            self.reporter.report(plan=event.data_out.mip_primal_bound, bound=self.bound)

    def solution(self, seconds: float) -> Solution:
        """The best that was told before HiGHS was left to itself."""
        x = None if self.x is None else self.x[: self.model.columns]
        objective = np.nan if x is None else self.model.objective(x)
        bound = self.bound if x is None else min(self.bound, objective)
        return Solution(cut_short(), x, objective, bound, 0, seconds, solver_name(), LEFT)


def run_supervised(highs: Any, model: MipModel, options: SolveOptions) -> Solution:
    """Run HiGHS, which was told these options, under supervision. It is not to be used after it was left to itself."""
    watch, begun = Watch(highs, model), time.perf_counter()
    if not supervised(lambda: highs_process.run(highs, options.threads), watch.stop, options.time_limit):
        return watch.solution(time.perf_counter() - begun)
    spent = time.perf_counter() - begun
    solution = read(model, highs.getModelStatus().name, highs.getInfo(), highs.getSolution(), spent)
    return replace(solution, stop=cut_short()) if solution.stop is Stop.INTERRUPTED else solution
