"""The default policy: as much tightening as pays for the size of the problem.

1. `crown` over the whole horizon; with more than `DEEP` layers over the horizon, `crown(window=WINDOW)`, and nothing
   more, since its time grows with the square of the depth and what is far back is forgotten by then.
2. `split`, if cells of the free inputs can be enumerated (`VOLUME`) and more units are unstable than it leaves.
3. Above `FEW` unstable units, a plan by sampling and polishing, from which the search starts, `cutoff` rounds inside
   the budget, and `structure` for the units that are left. Below, branch and bound is faster than further bounds.

The thresholds are measured on the example models (docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from relu2mip.bounds.bounds import BoundMethod, Bounds
from relu2mip.bounds.crown import Crown
from relu2mip.bounds.cutoff import Cutoff
from relu2mip.bounds.lp import described
from relu2mip.bounds.split import Split
from relu2mip.bounds.structure import Structure
from relu2mip.errors import InvalidOption
from relu2mip.normal_form import Max, Relu
from relu2mip.normal_form.unrolled import Unrolled

DEEP = 120
WINDOW = 24
FEW = 60

CELLS = 4096
"""Most cells of a round of `split`."""

VOLUME = 2**20
"""Most cells that the free inputs may make, eight to a continuous one and its values to a discrete one."""


@dataclass(frozen=True)
class Auto:
    """Choose by size. budget: seconds for cutoff rounds.  rounds: most of them.  seed: of the sampling.

    Source: measured; the progression from cheap to dear methods is that of Tjeng, Xiao, Tedrake (ICLR 2019).
    """

    budget: float = 10.0
    rounds: int = 2
    seed: int = 0
    name: ClassVar[str] = "auto"
    sound: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.budget > 0 or self.rounds < 1 or self.seed < 0:
            raise InvalidOption("auto: budget must be positive, rounds at least 1, seed at least 0")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        """See the module's text."""
        depth = sum(isinstance(value, Relu | Max) for value in bounds.form.values)
        bounds = _then(unrolled, bounds, Crown(WINDOW if depth > DEEP else 0))
        bounds = replace(bounds, detail={"unstable": bounds.unstable})
        if depth > DEEP:
            return bounds
        split = Split(cells=CELLS, budget=self.budget, seed=self.seed)
        if bounds.unstable > split.few and _volume(unrolled, bounds) <= VOLUME:
            bounds = _then(unrolled, bounds, split)
        if bounds.unstable > FEW:
            bounds = _then(unrolled, bounds, Cutoff(rounds=self.rounds, budget=self.budget, seed=self.seed))
            bounds = _then(unrolled, bounds, Structure(seed=self.seed))
        return bounds

    def __str__(self) -> str:
        return described(self.name, self, Auto())


def _then(unrolled: Unrolled, bounds: Bounds, method: BoundMethod) -> Bounds:
    """The bounds after one more method, with what was found and counted before it."""
    tighter = method.tighten(unrolled, bounds)
    limits = [limit for limit in (bounds.limit, tighter.limit) if limit is not None]
    return replace(
        tighter,
        plan=tighter.plan or bounds.plan,
        limit=min(limits, default=None),
        detail={**bounds.detail, **tighter.detail},
    )


def _volume(unrolled: Unrolled, bounds: Bounds) -> float:
    """How many cells the free inputs make."""
    objective, count = unrolled.objective(), 1.0
    for name, i in bounds.form.inputs.items():
        for levels, low, high in zip(objective.levels(name), bounds.lower[i], bounds.upper[i], strict=True):
            count *= 1 if low == high else 8 if levels is None else levels.size
    return count
