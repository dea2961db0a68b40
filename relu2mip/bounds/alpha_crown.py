"""Alpha-CROWN: CROWN with the lower slopes of every bound optimised.

CROWN bounds each unit by the best of a few choices of lower slopes alpha. Any alpha in [0, 1] is sound, so here each
bound ascends its own: one slope for every unstable ReLU before it (for a maximum, the weights of its members), by
projected gradient steps, all bounds of a value in one batch. The layers go in topological order, each to convergence
before the next: with tighter pre-activations the best bound of a later unit is never looser, so nothing is gained by
optimising them jointly, and a unit whose sign is settled leaves the batch and every later pass.

With earlier bounds fixed, the best alpha gives the optimum of the linear program over the triangle relaxations (Salman
et al. 2019), without a linear program. The steps run in torch; their result is only a choice of slopes. Each bound is
then computed anew from its slopes by the pass that CROWN uses, in numpy with outward slack, so no arithmetic of torch
enters a bound. Where time is up (`runtime.deadline`), the best slopes so far count. CROWN over the whole form runs
first and is intersected: never looser.

Source: Xu et al., "Fast and Complete: Enabling Complete Neural Network Verification with Rapid and Massively Parallel
Incomplete Verifiers" (ICLR 2021), section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from relu2mip.arrays import Index
from relu2mip.bounds.crown import SLOPES, Crown, Relaxation, both_signs, only_signs_matter, undecided
from relu2mip.devices import DEVICES
from relu2mip.errors import InvalidOption, Relu2MipError
from relu2mip.options import Part, settle
from relu2mip.runtime.deadline import expired
from relu2mip.threads import one_thread
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

if TYPE_CHECKING:
    from relu2mip.bounds.slope_ascent import SlopeAscent

BATCH = 1 << 22
"""How many slopes are optimised at once, at most (unless one unit alone has more); each takes about 100 bytes."""


@dataclass(frozen=True)
class AlphaCrown(Part):
    """Backward linear relaxation with optimised lower slopes.

    iterations: steps at most.  learning_rate: the first step, of slopes in [0, 1].  patience: after so many steps that
    brought a bound nothing its steps are halved; at 1/50 of the first it is done.  window: how many layers of ReLUs or
    maxima a pass goes back, 0 for all.  device: "cpu" (one thread), "cuda", or "auto" (cuda where there is one).
    """

    iterations: int = 200
    learning_rate: float = 0.5
    patience: int = 5
    window: int = 0
    device: str = "cpu"
    name: ClassVar[str] = "alpha-crown"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def __post_init__(self) -> None:
        settle(self)
        if self.iterations < 0 or self.patience < 1 or self.window < 0:
            raise InvalidOption(
                f"alpha-crown: iterations={self.iterations}, patience={self.patience}, window={self.window}; "
                "iterations and window are at least 0, patience at least 1"
            )
        if not 0 < self.learning_rate <= 1:
            raise InvalidOption(f"alpha-crown: learning_rate is {self.learning_rate}; give a number in (0, 1]")
        if self.device not in DEVICES:
            raise InvalidOption(f"alpha-crown: device is {self.device!r}; give {', '.join(DEVICES)}")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """CROWN, then slopes value by value. Raises `Relu2MipError` without torch, or without the device asked for."""
        try:
            from relu2mip.bounds.slope_ascent import SlopeAscent
        except ImportError as error:
            raise Relu2MipError(
                'bounds alpha-crown optimise with torch: install it with pip install "relu2mip[torch]"'
            ) from error
        found = Crown().tighten(unrolled, bounds)
        lower, upper = list(found.lower), list(found.upper)
        relaxed = Relaxation(bounds.form, lower, upper, self.window)
        ascent = SlopeAscent(relaxed, self.iterations, self.learning_rate, self.patience, self.device)
        with one_thread():
            for i in range(len(bounds.form.values)):
                relaxed.tighten(i)
                for units in _batches(relaxed, undecided(bounds.form, i, lower[i], upper[i]), i):
                    if expired():
                        break
                    _optimise(relaxed, ascent, i, units)
                relaxed.relax(i)
        return replace(found, lower=tuple(lower), upper=tuple(upper))


def _optimise(relaxed: Relaxation, ascent: SlopeAscent, i: int, units: Index) -> None:
    """Tighten both bounds of some units of value i, from CROWN's best choice of slopes for each."""
    rows = both_signs(units, relaxed.form.values[i].size)
    bounds = relaxed.minimum({i: np.tile(rows, (SLOPES, 1))}, i).reshape(SLOPES, -1)
    slopes = ascent.ascend(i, rows, bounds.argmax(axis=0), only_signs_matter(relaxed.form, i))
    if slopes:
        low = relaxed.minimum({i: rows}, i, slopes)
        relaxed.narrow(i, units, low[: units.size], -low[units.size :])


def _batches(relaxed: Relaxation, units: Index, i: int) -> Iterator[Index]:
    slopes = sum(sides.above.size for j, sides in relaxed.sides.items() if j < i)
    count = max(1, BATCH // max(1, 2 * slopes))
    for at in range(0, units.size, count):
        yield units[at : at + count]
