"""Tightening by blocks of steps with prices between them: what plans as good as a known one can do in each step.

Bounds of single units leave a gap between steps: a relaxation of one step is loose, and the next step starts from what
it allows. Here each step keeps its binaries, in a program of its own, and prices tie the steps
(`relu2mip.decomposition`). With L_b the priced cost of block b, v_b its proven minimum, and U the cost of a known plan,

    sum_b v_b  is a bound of the objective,  and  L_b(z) <= v_b + (U - sum_b v_b)  for every plan as good as U ,

since no other block can cost less than its minimum. So

    raise the prices (`ascend`), then repeat:
        in each window of steps, with this row for its blocks, find how far states and controls can go;
        carry that to all units by CROWN;
        raise the prices,

until the bound reaches U, or a round narrows next to nothing. The rows L_b >= v_b at the last prices go with the bounds
to the program, whose root relaxation then has their bound. The bounds hold for plans with cost at most U
(`Provenance.cutoff`), and rest on a solver's word about its programs (`Grade.TRUSTED`).

Source: Lagrangean decomposition (Guignard, Kim, Mathematical Programming 1987) with range reduction by its bound, as
in Tawarmalani, Sahinidis, "Global optimization of mixed-integer nonlinear programs" (2004), section 4.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array
from relu2mip.bounds.crown import Crown
from relu2mip.bounds.cutoff import above
from relu2mip.bounds.walk import returned
from relu2mip.decomposition import Ascended, Stages, ascend, narrowed
from relu2mip.decomposition import Blocks as Shared
from relu2mip.errors import CrossedBounds, InvalidOption, UnknownOption
from relu2mip.formulations import BigM
from relu2mip.formulations.relaxed_model import relaxed_model
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.portfolio import Portfolio
from relu2mip.incumbent.sample import Sampling
from relu2mip.mip.outer_approximation import tangent_relaxation
from relu2mip.mip.solver import Holder
from relu2mip.normal_form import Input
from relu2mip.options import Part, settle
from relu2mip.passes import specialise
from relu2mip.registry import backends
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.runtime.progress import report
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.known_rows import KnownRows
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)

SEARCH = 0.05
"""Share of the time for a better plan before all else: every row rests on its cost."""


@dataclass(frozen=True)
class Blocks(Part):
    """Blocks of steps with prices between them.

    steps: of a block.  window: steps of the programs that narrow states and controls.  rounds, iterations: at most; of
    prices in a round.  budget: seconds for all of it.  time_limit: seconds of one program.  tolerance: a round that
    narrows by less, in the mean over states and controls, is the last.  rows: hand the rows L_b >= v_b to the search.
    backend: solves the programs.  seed: of the search for a plan.
    """

    steps: int = 1
    window: int = 2
    rounds: int = 2
    iterations: int = 30
    budget: float = 60.0
    time_limit: float = 2.0
    tolerance: float = 0.03
    rows: bool = True
    backend: str = "highs"
    seed: int = 0
    name: ClassVar[str] = "blocks"
    grade: ClassVar[Grade] = Grade.TRUSTED

    def __post_init__(self) -> None:
        settle(self)
        if min(self.steps, self.window, self.rounds, self.iterations) < 1 or self.seed < 0:
            raise InvalidOption("blocks: steps, window, rounds and iterations must be at least 1, seed at least 0")
        if not (self.budget > 0 and self.time_limit > 0 and 0 <= self.tolerance < 1):
            raise InvalidOption("blocks: budget and time_limit must be positive, tolerance in [0, 1)")
        if self.backend not in backends:
            raise UnknownOption("option of bounds blocks: backend", self.backend, backends)

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """See the module's text. Without a feasible plan, or a horizon, the bounds are those of CROWN."""
        with limited(self.budget):
            first = Crown().tighten(unrolled, bounds)
            bounds = bounds.joined(first)
            kept = kept_of(unrolled)
            if len(set(kept.values())) < 2 or expired():
                return replace(first, detail={"rounds": 0})
            plan = _plan(unrolled, bounds, self.seed)
            if not plan.feasible:
                log.info("blocks: no feasible plan was found; the bounds stay as they were")
                return replace(first, detail={"rounds": 0, "plan": 0})
            return _Rounds(self, unrolled, bounds, plan, kept).run()


@dataclass(eq=False)
class _Rounds:
    """The rounds. ends: the values between steps, and the last step that each belongs to.

    prices: the best so far, for the next ascent.  least, rows: what the last one proved.
    """

    options: Blocks
    unrolled: Unrolled
    bounds: Bounds
    plan: Plan
    ends: Mapping[str, int]
    least: float = -np.inf
    rows: KnownRows = field(default_factory=KnownRows.none)
    counts: Counter[str] = field(default_factory=Counter)
    prices: Array | None = None

    @property
    def limit(self) -> float:
        """The objective above which no plan is of interest."""
        return above(self.unrolled, self.plan.cost)

    def run(self) -> Tightened:
        holder: Holder = backends[self.options.backend]()
        priced = self._priced(holder)
        while priced is not None and self.counts["rounds"] < self.options.rounds:
            before = self.bounds
            try:
                moved = self._narrow(*priced)
            except CrossedBounds as error:
                # The plan keeps every row, so this can only be a solver's word that is not true.
                log.warning("blocks: a round contradicts the plan in hand and is dropped: %s", error)
                self.bounds = before
                break
            self.counts["rounds"] += 1
            priced = self._priced(holder)
            log.info("blocks: narrowed by %.3f, bound %g of %g", moved, self.least, self.plan.cost)
            if moved < self.options.tolerance:
                break
        detail = {"rounds": 0, **self.counts, "plan": 1, "bound": self.least}
        bounds = self.bounds
        return Tightened(
            bounds.lower, bounds.upper, self.plan, self.limit, detail=detail, least=self.least, rows=self.rows
        )

    def _priced(self, holder: Holder) -> tuple[Shared, Ascended] | None:
        """Blocks inside the bounds, and their best prices; None where there is nothing more to prove or no time."""
        options = self.options
        blocks = Shared.of(stages_of(self.unrolled, self.bounds, self.ends), options.steps, holder)
        prices = self.prices
        if prices is None or prices.size != blocks.column.size:
            prices = blocks.start(seconds_left())
        report("bounds: prices between steps")
        best = ascend(blocks, prices, self.limit, options.iterations, options.time_limit)
        self.counts["programs"] += sum(window.programs for window in blocks.windows)
        if not np.isfinite(best.least):
            self.counts["failures"] += 1
            return None
        self.prices, self.least = best.prices, max(self.least, min(best.least, self.plan.cost))
        report(bound=self.least)
        if options.rows:
            self.rows = _rows(blocks, best)
        return None if expired() or self.least >= self.plan.cost else (blocks, best)

    def _narrow(self, blocks: Shared, best: Ascended) -> float:
        """Narrow states and controls, and what follows from them; the mean share by which they were narrowed."""
        report("bounds: states and controls of plans as good")
        options = self.options
        found = narrowed(blocks, best, self.limit, options.window, self._values(), options.time_limit)
        self.counts.update(programs=found.programs, failures=found.failures)
        rewrite = specialise(self.unrolled.form, self.bounds.lower, self.bounds.upper)
        reduced = self.bounds.select(rewrite)
        lows, highs = list(reduced.lower), list(reduced.upper)
        for name, columns in blocks.stages.kept.items():
            i = reduced.form.outputs[name]
            lows[i], highs[i] = found.lower[columns], found.upper[columns]
        whole = returned(self.bounds, rewrite, lows, highs)
        self.bounds = whole.joined(Crown().tighten(self.unrolled, whole))
        return found.share

    def _values(self) -> Mapping[str, Array]:
        """States and controls of the plan."""
        form = self.unrolled.form
        values = form.evaluate_all({name: np.asarray(x)[None] for name, x in self.plan.inputs.items()})
        return {name: values[form.outputs[name]][0] for name in self.ends}


def kept_of(unrolled: Unrolled) -> dict[str, int]:
    """The values between steps by name, in order, and the last step of each: x[t] ends step t - 1."""
    ends = {}
    for name, i in unrolled.form.outputs.items():
        _, at, step = name.rpartition("@")
        if at and step.isdigit() and i in unrolled.domain:
            own = isinstance(unrolled.form.values[i], Input)
            ends[name] = int(step) if own else max(0, int(step) - 1)
    return dict(sorted(ends.items(), key=lambda item: item[1]))


def stages_of(unrolled: Unrolled, bounds: Bounds, ends: Mapping[str, int]) -> Stages:
    """The program of a problem inside bounds by steps, with a linear cost."""
    reduced = bounds.select(specialise(unrolled.form, bounds.lower, bounds.upper))
    relaxed = relaxed_model(unrolled, reduced.form, reduced.lower, reduced.upper, lambda _: BigM())
    kept = {name: relaxed.columns[reduced.form.outputs[name]] for name in ends}
    return Stages.of(tangent_relaxation(relaxed.model), kept, ends)


def _rows(blocks: Shared, best: Ascended) -> KnownRows:
    """That each block costs its proven minimum at least, at the best prices."""
    matrix = sp.csr_array(np.array(blocks.costs(best.prices)))
    used = np.flatnonzero(abs(matrix).sum(axis=0))
    names = blocks.stages.model.column_names
    return KnownRows(tuple(names[int(j)] for j in used), sp.csr_array(matrix[:, used]), best.bounds)


def _plan(unrolled: Unrolled, bounds: Bounds, seed: int) -> Plan:
    """A good plan: every row of this method rests on its cost."""
    known = bounds.plan
    if known is None or not known.feasible:
        known = find_plan(unrolled, bounds, Sampling(seed=seed), known, seconds_left())
    return Portfolio.of(unrolled, known, seed).run(SEARCH * seconds_left())
