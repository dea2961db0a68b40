"""The default policy: as much tightening as pays for the size of the problem.

1. `crown` over the whole horizon; with more than `DEEP` layers over the horizon, `crown(window=WINDOW)`, since its time
   grows with the square of the depth and what is far back is forgotten by then.
2. Up to `FEW` unstable units, nothing more: branch and bound is faster than further bounds.
3. Else a plan by sampling and polishing, from which the search starts, `cutoff` rounds inside the budget, and
   `structure` for the units that are left.

The thresholds are measured on the example models (docs/performance.md).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from relu2mip.bounds.bounds import Bounds
from relu2mip.bounds.crown import Crown
from relu2mip.bounds.cutoff import Cutoff
from relu2mip.bounds.lp import described
from relu2mip.bounds.structure import Structure
from relu2mip.errors import InvalidOption
from relu2mip.normal_form import Max, Relu
from relu2mip.normal_form.unrolled import Unrolled

DEEP = 120
WINDOW = 24
FEW = 60


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
        bounds = Crown(WINDOW if depth > DEEP else 0).tighten(unrolled, bounds)
        if bounds.unstable <= FEW or depth > DEEP:
            return replace(bounds, detail={"unstable": bounds.unstable})
        bounds = Cutoff(rounds=self.rounds, budget=self.budget, seed=self.seed).tighten(unrolled, bounds)
        implied = Structure(seed=self.seed).tighten(unrolled, bounds)
        return replace(implied, detail={**bounds.detail, **implied.detail})

    def __str__(self) -> str:
        return described(self.name, self, Auto())
