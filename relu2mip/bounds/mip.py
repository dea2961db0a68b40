"""Bound tightening by mixed-integer programs: like `lp`, with binaries kept in a window of layers before the unit.

ReLUs and maxima of the last `window` layers before a unit are big-M with integral binaries, those before them
triangles; discrete controls are integral. A solve that stops at its limit has proven a bound all the same: HiGHS's dual
bound. It is trusted, not certified as in `lp`, and moved outward by `PADDING`. Where a solve fails, or calls a program
infeasible (which HiGHS offers no proof of), the earlier bound stays.

Source: Tjeng, Xiao, Tedrake, "Evaluating Robustness of Neural Networks with Mixed Integer Programming" (ICLR 2019),
section 4.3; Badilla, Goycoolea, Muñoz, Serra, "Computational Tradeoffs of Optimization-Based Bound Tightening in ReLU
Networks" (2023).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.bounds.bounds import Bounds
from relu2mip.bounds.lp import check_options, described
from relu2mip.bounds.persistent import highs_lp
from relu2mip.bounds.relaxed_model import relaxed_model
from relu2mip.bounds.sweep import SIGNS, Rules, Sweep
from relu2mip.bounds.tally import Tally
from relu2mip.bounds.walk import rounds, targets
from relu2mip.deadline import limited
from relu2mip.errors import InvalidOption, SolverFailure
from relu2mip.formulations import BigM, Formulation, Triangle
from relu2mip.mip import Expression, MipModel, ModelBuilder
from relu2mip.normal_form import Max, NormalForm, Place, Relu
from relu2mip.normal_form.unrolled import Unrolled

log = logging.getLogger(__name__)

PADDING = 1e-6
"""What a dual bound of HiGHS is moved outward by, relative to max(1, |bound|): its feasibility tolerance."""

FEASIBLE = 2
"""HiGHS's `primal_solution_status` of a feasible point."""


@dataclass(frozen=True)
class Mip:
    """Optimisation-based tightening by mixed-integer programs, with binaries in a window of layers before each unit.

    window: how many layers of ReLUs or maxima before a unit keep their binaries, 0 for all.  time_limit: seconds of one
    program.  The other options are those of `lp`.
    """

    window: int = 2
    scope: str = "prefix"
    budget: float = 30.0
    time_limit: float = 1.0
    count: int = 0
    rounds: int = 1
    goal: str = "width"
    tolerance: float = 1e-2
    name: ClassVar[str] = "mip"
    sound: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_options(self.name, self.scope, self.goal, self.budget, self.count, self.rounds, self.tolerance)
        if self.window < 0 or not self.time_limit > 0:
            raise InvalidOption("mip: give a window of layers (0 for all) and a positive time_limit")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        """See the module's text."""
        return tighten_mip(unrolled, bounds, self)

    def __str__(self) -> str:
        return described(self.name, self, Mip())


def tighten_mip(unrolled: Unrolled, bounds: Bounds, options: Mip, cutoff: float | None = None) -> Bounds:
    """Tighten bounds by mixed-integer programs; `cutoff` as for `relu2mip.bounds.lp.tighten_lp`."""
    full = options.scope == "full"
    if cutoff is not None and not full:
        raise InvalidOption('mip: a cutoff needs scope "full": the cost is known at the end of the horizon')
    tally = Tally(options.budget, options.count)
    rules = Rules(options.tolerance, options.goal)

    def visit(
        form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], i: int, units: Index
    ) -> tuple[Array, Array] | None:
        relaxed = relaxed_model(unrolled, form, lower, upper, _window(form, i, options.window), cutoff)
        model, columns, _ = relaxed.part(None if full else i, choices=True)
        if not model.integer.any():
            return None
        chosen = targets(form, i, units, np.searchsorted(columns, relaxed.columns[i]), lower, upper)
        visits = Sweep(chosen, rules, tally)
        program = IntegerProgram(model)
        for k, side in visits:
            limit = min(options.time_limit, tally.seconds_left)
            bound, point = program.minimise(int(chosen.columns[k]), SIGNS[side], limit)
            if point is not None:
                visits.attain(point)
            if np.isfinite(bound):
                visits.record(k, side, bound - PADDING * max(1.0, abs(bound)))
            else:
                tally.counts["failures"] += 1
                log.info("mip: a program of %s gave no bound; the earlier one stays", form.values[i].place.prefix)
        return visits.lower, visits.upper

    with limited(options.budget):
        tight = rounds(unrolled, bounds, visit, full, options.rounds, options.tolerance, tally)
    log.info("%s: %s", options, tight.detail)
    return replace(tight, limit=cutoff)


class IntegerProgram:
    """One mixed-integer program inside HiGHS whose objective changes in place."""

    def __init__(self, model: MipModel) -> None:
        from highspy import Highs, HighsVarType

        lp = highs_lp(model)
        kinds = (HighsVarType.kContinuous, HighsVarType.kInteger)
        lp.integrality_ = [kinds[integral] for integral in model.integer.tolist()]
        self.highs: Any = Highs()  # type: ignore[no-untyped-call]
        self.highs.setOptionValue("output_flag", False)
        if self.highs.passModel(lp).name == "kError":
            raise SolverFailure("HiGHS refused the arrays of a program of mip bounds")
        self.columns = model.columns

    def minimise(self, column: int, sign: float, seconds: float) -> tuple[float, Array | None]:
        """HiGHS's dual bound of sign * x[column] within `seconds` (-inf where it has none), and a feasible point."""
        highs = self.highs
        cost = np.zeros(self.columns)
        cost[column] = sign
        highs.changeColsCost(self.columns, np.arange(self.columns, dtype=np.int32), cost)
        highs.clearSolver()
        highs.setOptionValue("time_limit", highs.getRunTime() + max(seconds, 1e-3))
        highs.run()
        status, info = highs.getModelStatus().name, highs.getInfo()
        if status not in {"kOptimal", "kTimeLimit"}:
            return -np.inf, None
        point = np.array(highs.getSolution().col_value) if info.primal_solution_status == FEASIBLE else None
        bound = float(info.mip_dual_bound)
        return (bound if np.isfinite(bound) else -np.inf), point


class _AnySign(BigM):
    """Big-M that also takes units proven stable since the form was reduced."""

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Bounds that reach zero from either side are valid too."""
        return super().relu(model, x, np.minimum(lower, 0.0), np.maximum(upper, 0.0), place)


def _window(form: NormalForm, i: int, window: int) -> Any:
    """The formulation of each value in the program of value i."""
    depth = np.cumsum([isinstance(value, Relu | Max) for value in form.values])
    exact, relaxed = _AnySign(), Triangle()

    def formulation(j: int) -> Formulation:
        return exact if window == 0 or 0 <= depth[i] - depth[j] < window else relaxed

    return formulation
