"""The default policy: what pays for itself in the search that follows, and no more.

1. `crown`, for at most half of the time that is left (`runtime.deadline`). With more than `DEEP` layers over the
   horizon, `crown(window=WINDOW)`, and nothing more, since its time grows with the square of the depth and what is far
   back is forgotten by then.
2. Nothing more up to `FEW` unstable units, and up to `MANY` where step 4 is out of the question: search is as fast.
3. A few samples and the root relaxation say how hard a search is to be expected (`relu2mip.bounds.difficulty`), and so
   how many seconds it takes (`expected`). All that follows ends within a `SHARE` of the time that is left.
4. `split`, if cells of the free inputs can be enumerated (`VOLUME`), for half of these seconds; for twice as many where
   it is sure to end (`CELLS`). If it settles less than `LEAST` of the units it is undone: a start and bounds that
   exclude other plans cost some solvers more than they bring.
5. A search for a plan and rounds of `cutoff`, for a fifth of them, if more than `MANY` units are unstable still and
   half of a round can be done.

What gains nothing then makes the whole little longer. Thresholds are measured on the problems of benchmarks/planning.py
(docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from relu2mip.bounds.crown import Crown
from relu2mip.bounds.cutoff import Cutoff
from relu2mip.bounds.difficulty import gap
from relu2mip.bounds.split import Split
from relu2mip.errors import InvalidOption
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.normal_form import Max, Relu
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import limited, now, seconds_left
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

DEEP = 120
WINDOW = 24
FEW, MANY = 50, 100
SHARE = 0.2
LEAST = 0.15

PROGRAM = 0.16
"""Seconds that a linear program of `cutoff` takes, to those of `crown` over the whole horizon."""

CELLS = 4096
"""Most cells of a round of `split`."""

VOLUME = 2**20
"""Most cells that the free inputs may make, eight to a continuous one and its values to a discrete one."""


@dataclass(frozen=True)
class Auto(Part):
    """Choose by size and time. budget: seconds for all of it.  rounds: of cutoff, at most.  seed: of the sampling.

    Source: measured; the progression from cheap to dear methods is that of Tjeng, Xiao, Tedrake (ICLR 2019).
    """

    budget: float = 10.0
    rounds: int = 2
    seed: int = 0
    name: ClassVar[str] = "auto"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        if not self.budget > 0 or self.rounds < 1 or self.seed < 0:
            raise InvalidOption("auto: budget must be positive, rounds at least 1, seed at least 0")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """See the module's text."""
        share = SHARE * seconds_left()
        with limited(self.budget):
            deep = sum(isinstance(value, Relu | Max) for value in bounds.form.values) > DEEP
            begun = now()
            with limited(seconds_left() / 2):
                found = Crown(WINDOW if deep else 0).tighten(unrolled, bounds)
            found = replace(found, detail={**found.detail, "unstable": bounds.joined(found).unstable})
            if deep:
                return found
            with limited(share):
                return self._further(unrolled, bounds, found, now() - begun)

    def _further(self, unrolled: Unrolled, given: Bounds, found: Tightened, crown: float) -> Tightened:
        """The methods after CROWN, which found this in so many seconds."""
        bounds = given.joined(found)
        volume = _volume(unrolled, bounds)
        if bounds.unstable <= (FEW if volume <= VOLUME else MANY) or 2 * crown >= seconds_left():
            return found
        box = {name: (bounds.lower[i], bounds.upper[i]) for name, i in bounds.form.inputs.items()}
        quick = Sampling(samples=128, elites=16, rounds=6, seed=self.seed)
        known = cross_entropy(unrolled.objective(), box, quick)
        known = bounds.plan if bounds.plan is not None and bounds.plan.better_than(known) else known
        hardness = gap(unrolled, bounds, known, self.seed)
        found = replace(found, detail={**found.detail, "gap": hardness})
        share = 2.0 if volume <= CELLS else 0.5
        search = expected(bounds.unstable, hardness)
        left = min(share * search, seconds_left())
        if volume <= VOLUME and search > 2 * crown and left > 0:
            tighter = Split(cells=CELLS, budget=left, seed=self.seed).tighten(unrolled, _with_plan(bounds, known))
            known = tighter.plan or known
            paid = bounds.joined(tighter).unstable <= (1 - LEAST) * bounds.unstable
            found = found.then(tighter if paid else Tightened(found.lower, found.upper, detail=tighter.detail))
            bounds = given.joined(found)
        left = min(expected(bounds.unstable, hardness) / 5, seconds_left())
        if bounds.unstable > MANY and left > bounds.unstable * PROGRAM * crown:
            with limited(left):
                plan = find_plan(unrolled, bounds, Sampling(seed=self.seed), known, seconds_left())
                cutoff = Cutoff(rounds=self.rounds, budget=left, seed=self.seed)
                found = found.then(cutoff.tighten(unrolled, _with_plan(bounds, plan)))
        return found


def expected(unstable: int, hardness: float) -> float:
    """Seconds that a search over so many unstable units takes at least, by a fast solver on one core.

    They double with every 20 units. Where the root is near a plan, fewer of the units count.
    """
    return float(0.3 * 2.0 ** min((unstable * min(1.0, hardness) ** 0.5 - 55) / 20, 100.0))


def seconds_of_search(bounds: Bounds) -> float:
    """What `expected` says of bounds that this policy found; 0 where it did not look how hard the search is."""
    hardness = [p.detail["gap"] for p in bounds.provenance if "gap" in p.detail]
    return expected(bounds.unstable, hardness[-1]) if hardness else 0.0


def _with_plan(bounds: Bounds, plan: Plan) -> Bounds:
    """The bounds with a plan to start from, if it is feasible."""
    return replace(bounds, plan=plan) if plan.feasible else bounds


def _volume(unrolled: Unrolled, bounds: Bounds) -> float:
    """How many cells the free inputs make."""
    objective, count = unrolled.objective(), 1.0
    for name, i in bounds.form.inputs.items():
        for levels, low, high in zip(objective.levels(name), bounds.lower[i], bounds.upper[i], strict=True):
            count *= 1 if low == high else 8 if levels is None else levels.size
    return count
