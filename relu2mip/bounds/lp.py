"""Optimisation-based bound tightening: each unit's minimum and maximum over a linear relaxation of the problem.

Units are relaxed by the triangle of their bounds (`relu2mip.formulations.triangle`); sets are column bounds, linear
constraints and control rates are rows. `scope = "prefix"` has everything up to the unit in its program, and what the
problem says of that; `scope = "full"` the whole horizon, so that sets of later steps count too. Units are visited layer
by layer, and each layer's program has the triangles of the bounds found before it.

One program stays inside HiGHS (`relu2mip.lp.persistent`), sides are left out by what earlier points attain
(`relu2mip.lp.sweep`), and each bound is recomputed from the duals so that it holds whatever the solver did
(`relu2mip.lp.duals`). Where a solve fails, the earlier bound stays.

Source: Tjeng, Xiao, Tedrake, "Evaluating Robustness of Neural Networks with Mixed Integer Programming" (ICLR 2019),
section 4.3, for the progression from intervals to LPs.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.bounds.walk import rounds, targets
from relu2mip.errors import CrossedBounds, InvalidOption, SolverFailure
from relu2mip.formulations import Triangle
from relu2mip.formulations.relaxed_model import Prefix, relaxed_model
from relu2mip.lp.persistent import Basis, PersistentLp
from relu2mip.lp.sweep import Rules, Targets
from relu2mip.lp.tally import Tally
from relu2mip.lp.tighten import Empty, sweep
from relu2mip.mip import MipModel
from relu2mip.normal_form import NormalForm
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import limited
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)

SCOPES, GOALS = ("prefix", "full"), ("width", "sign")
TRIANGLE = Triangle()


@dataclass(frozen=True)
class Lp(Part):
    """Optimisation-based tightening by linear programs over the triangle relaxation.

    scope: "prefix" knows what comes before a unit, "full" the whole horizon too.  budget: seconds.  count: most
    programs, 0 for no limit.  rounds: most sweeps over all units; one that changes nothing is the last.  goal: "width"
    narrows every unit, "sign" leaves a ReLU's unit alone once it must stay unstable.  tolerance: a side that can move
    by less, relative to its width, is left.  processes: each takes a share of a layer's units (start them under
    `if __name__ == "__main__":`).
    """

    scope: str = "prefix"
    budget: float = 10.0
    count: int = 0
    rounds: int = 1
    goal: str = "width"
    tolerance: float = 1e-3
    processes: int = 1
    name: ClassVar[str] = "lp"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        check_options(self.name, self.scope, self.goal, self.budget, self.count, self.rounds, self.tolerance)
        if self.processes < 1:
            raise InvalidOption(f"lp: processes is {self.processes}; give at least 1")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """See the module's text; raises `CrossedBounds` where a program proves that no point satisfies the sets."""
        return tighten_lp(unrolled, bounds, self)


def tighten_lp(unrolled: Unrolled, bounds: Bounds, options: Lp, cutoff: float | None = None) -> Tightened:
    """Tighten bounds by linear programs.

    cutoff: the objective of a known plan, as the model minimises it. Then the row "objective <= cutoff" joins every
    program, and the bounds hold only for plans at least that good, which `Bounds.cutoff` says. Needs scope "full" and
    a linear objective; raises `InvalidOption` else.
    """
    if cutoff is not None and options.scope != "full":
        raise InvalidOption('lp: a cutoff needs scope "full": the cost is known at the end of the horizon')
    tally = Tally(options.budget, options.count)
    rules = Rules(options.tolerance, options.goal)
    full = options.scope == "full"
    with limited(options.budget), _workers(options.processes) as executor:
        layers = _Layers(unrolled, cutoff, full, rules, tally, executor, options.processes)
        tight = rounds(unrolled, bounds, layers.visit, full, options.rounds, options.tolerance, tally)
    log.info("%s: %s", options, tight.detail)
    return replace(tight, cutoff=cutoff)


class _Layers:
    """The program of each layer in turn; the basis of one is where the next starts."""

    def __init__(
        self,
        unrolled: Unrolled,
        cutoff: float | None,
        full: bool,
        rules: Rules,
        tally: Tally,
        executor: Executor | None,
        processes: int,
    ) -> None:
        self.unrolled, self.cutoff, self.full, self.rules, self.tally = unrolled, cutoff, full, rules, tally
        self.executor, self.processes = executor, processes
        self.lp = PersistentLp()
        self.form: NormalForm | None = None

    def visit(
        self, form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], i: int, units: Index
    ) -> tuple[Array, Array] | None:
        """Bounds of some units of value i; None where writing the program took what was left of the time."""
        first = form is not self.form
        if first or self.full:
            self.relaxed = relaxed_model(self.unrolled, form, lower, upper, lambda _: TRIANGLE, self.cutoff)
        if first:
            self.form, self.basis, self.prefix = form, self.relaxed.start, Prefix(self.relaxed, form, TRIANGLE)
        elif self.basis.rows.size != self.relaxed.model.rows:
            self.basis = self.relaxed.start
        model, columns, rows = self.relaxed.part(None) if self.full else self.prefix.part(i, lower, upper)
        if self.tally.spent:
            self.tally.counts["unvisited"] += 2 * units.size
            return None
        start = Basis(self.basis.columns[columns], self.basis.rows[rows])
        chosen = targets(form, i, units, np.searchsorted(columns, self.relaxed.columns[i]), lower, upper)
        try:
            if self.executor is not None and units.size >= 2 * self.processes:
                low, high, basis = self._shared(self.executor, model, start, chosen)
            else:
                self.lp.load(model, start)
                low, high = sweep(self.lp, model, chosen, self.rules, self.tally)
                basis = self.lp.basis()
        except Empty:
            place = form.values[i].place.prefix
            better = "" if self.cutoff is None else f" with an objective of at most {self.cutoff:g}"
            raise CrossedBounds(
                f"{place}: a linear relaxation proves that no point of the sets{better} gets here; widen the sets, "
                "or the initial state"
            ) from None
        self.basis.columns[columns], self.basis.rows[rows] = basis.columns, basis.rows
        return low, high

    def _shared(self, executor: Executor, model: MipModel, start: Basis, chosen: Targets) -> tuple[Array, Array, Basis]:
        shares = np.array_split(np.arange(chosen.columns.size), self.processes)
        left = self.tally.programs_left
        programs = max(1, int(left / self.processes)) if np.isfinite(left) else 0
        try:
            work = [
                executor.submit(_share, model, start, chosen.select(s), self.rules, self.tally.seconds_left, programs)
                for s in shares
            ]
            results = [future.result() for future in work]
        except BrokenProcessPool as error:
            raise SolverFailure(
                f"lp: a process of {self.processes} died; start a script that asks for processes under "
                '`if __name__ == "__main__":`, or leave processes at 1'
            ) from error
        for *_, counts in results:
            self.tally.counts.update(counts)
        return np.concatenate([r[0] for r in results]), np.concatenate([r[1] for r in results]), results[0][2]


def _share(
    model: MipModel, start: Basis, chosen: Targets, rules: Rules, seconds: float, programs: int
) -> tuple[Array, Array, Basis, dict[str, int]]:
    """One process's share of a layer."""
    lp, tally = PersistentLp(), Tally(seconds, programs)
    lp.load(model, start)
    low, high = sweep(lp, model, chosen, rules, tally)
    return low, high, lp.basis(), dict(tally.counts)


@contextmanager
def _workers(processes: int) -> Iterator[Executor | None]:
    if processes == 1:
        yield None
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        yield executor


def check_options(name: str, scope: str, goal: str, budget: float, count: int, most: int, tolerance: float) -> None:
    """Raise `InvalidOption` for what `lp` and `mip` cannot take."""
    if scope not in SCOPES or goal not in GOALS:
        raise InvalidOption(
            f'{name}: give scope "prefix" or "full" and goal "width" or "sign", not {scope!r}, {goal!r}'
        )
    if not budget > 0 or count < 0 or most < 1 or not 0 <= tolerance < 1:
        raise InvalidOption(
            f"{name}: give a positive budget, a count of 0 or more, 1 or more rounds and a tolerance in [0, 1)"
        )
