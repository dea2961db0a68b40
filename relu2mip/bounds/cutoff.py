"""Cutoff rounds: a good plan's cost U joins the programs, and "cost <= U" tightens every step of the horizon.

    find a plan (sampling, gradient descent, a program at its activation pattern), U = its cost
    repeat: tighten controls, states and pre-activations by LPs over the whole horizon with the row  cost <= U,
            propagate the result with CROWN, look for a better plan inside the tighter boxes

until a round settles next to nothing. What holds afterwards holds only for plans with cost at most U
(`Provenance.cutoff`): the optimum among them, so the optimum found inside these bounds is the optimum.

A quadratic objective takes part through tangents below it. Where no feasible plan is found the bounds stay as they
were, and the provenance says so (`detail["plan"] = 0`).

Source: the "optimality-based" tightening of global optimisation, Ryoo, Sahinidis, "Global optimization of nonconvex
NLPs and MINLPs with applications in process design" (1995), with linear programs in place of marginal values.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

from relu2mip.bounds.ibp import Ibp
from relu2mip.bounds.lp import Lp, tighten_lp
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.sample import Sampling
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)

SLACK = 1e-6
"""U is raised by this, relative to how much costs differ, so that solver tolerances never cut off the plan itself."""

ROUNDING = 1e-12
"""U is raised by this, relative to itself."""


def above(unrolled: Unrolled, cost: float) -> float:
    """A limit on the objective that a plan of this cost keeps in spite of tolerances and rounding."""
    return cost + SLACK * unrolled.objective().unit + ROUNDING * abs(cost)


@dataclass(frozen=True)
class Cutoff(Part):
    """Tightening by the cost of a known plan.

    rounds: most rounds.  budget: seconds for all of them.  least: a round that settles less than this share of the
    unstable units is the last.  tolerance: a side that can move by less, relative to its width, is left.  seed: of the
    sampling.
    """

    rounds: int = 4
    budget: float = 20.0
    least: float = 0.05
    tolerance: float = 1e-2
    seed: int = 0
    name: ClassVar[str] = "cutoff"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        if self.rounds < 1 or not self.budget > 0 or min(self.least, self.tolerance, self.seed) < 0:
            raise InvalidOption(
                "cutoff: rounds must be at least 1, budget positive, least, tolerance and seed at least 0"
            )

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """See the module's text."""
        with limited(self.budget):
            return self._rounds(unrolled, bounds.joined(Ibp().tighten(unrolled, bounds)))

    def _rounds(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:

        sampling = Sampling(seed=self.seed)
        plan = bounds.plan
        if not expired() and (plan is None or not plan.feasible):
            plan = find_plan(unrolled, bounds, sampling, plan, seconds_left())
        counts: Counter[str] = Counter(plan=int(plan is not None and plan.feasible), rounds=0)
        if plan is None or not plan.feasible:
            log.info("cutoff: no feasible plan was found; the bounds stay as they were")
            return Tightened(bounds.lower, bounds.upper, detail=dict(counts))
        found = Tightened(bounds.lower, bounds.upper)
        for _ in range(self.rounds):
            if (left := seconds_left()) <= 0:
                break
            limit = above(unrolled, plan.cost)
            options = Lp(scope="full", budget=left, rounds=1, tolerance=self.tolerance)
            try:
                tighter = tighten_lp(unrolled, bounds, options, cutoff=limit)
            except CrossedBounds as error:
                # The plan itself satisfies every row, so this can only be rounding.
                log.warning("cutoff: the last round contradicts the plan in hand and is dropped: %s", error)
                break
            counts["rounds"] += 1
            counts.update({key: value for key, value in tighter.detail.items() if key != "rounds"})
            before, found, bounds = bounds.unstable, found.then(tighter), bounds.joined(tighter)
            if bounds.unstable > (1 - self.least) * before or expired():
                break
            plan = find_plan(unrolled, bounds, sampling, plan, seconds_left())
        return replace(found, detail=dict(counts), plan=plan)
