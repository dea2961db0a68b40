"""Tighten a form value by value with programs: the walk that `lp` and `mip` share.

Stable units go first, so that programs are small. Then each value of what is left gets its interval, a backward pass,
and programs for the units that those leave undecided; what follows it starts from the result. At the end the bounds
return to the whole form and CROWN carries them to the values that fused away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.bounds.crown import Crown, Relaxation, undecided
from relu2mip.lp.sweep import Targets
from relu2mip.lp.tally import Tally
from relu2mip.normal_form import Affine, Input, NormalForm, Relu
from relu2mip.passes import specialise
from relu2mip.passes.rewrite import Rewrite
from relu2mip.runtime.deadline import now
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.intersect import intersect
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

Visit: TypeAlias = "Callable[[NormalForm, Sequence[Array], Sequence[Array], int, Index], tuple[Array, Array] | None]"
"""Bounds of some units of a value, from (form, lower, upper, value, units); None where nothing was learnt."""


def walk(unrolled: Unrolled, bounds: Bounds, visit: Visit, inputs: bool, tally: Tally) -> Bounds:
    """One round over all values, whose bounds are finite.

    inputs: visit those too; programs that know what comes after them can narrow them.
    """
    rewrite = specialise(unrolled.form, bounds.lower, bounds.upper)
    reduced = bounds.select(rewrite)
    form, lower, upper = reduced.form, list(reduced.lower), list(reduced.upper)
    relaxed = Relaxation(form, lower, upper)
    for i, value in enumerate(form.values):
        relaxed.tighten(i)
        units = undecided(form, i, lower[i], upper[i])
        if inputs and isinstance(value, Input):
            units = np.flatnonzero(lower[i] < upper[i])
        if units.size and tally.spent:
            tally.counts["unvisited"] += 2 * units.size
        elif units.size:
            found = visit(form, lower, upper, i, units)
            if found is not None:
                relaxed.narrow(i, units, *found)
        relaxed.relax(i)
    tally.counts["rounds"] += 1
    whole = returned(bounds, rewrite, lower, upper)
    return whole.joined(Crown().tighten(unrolled, whole))


def rounds(
    unrolled: Unrolled, bounds: Bounds, visit: Visit, inputs: bool, most: int, tolerance: float, tally: Tally
) -> Tightened:
    """At most `most` walks, until the budget is spent or one moves no side by more than `tolerance` of its width.

    Programs end early enough for two passes of CROWN, the one of the walk and the one that carries its results on.
    """
    begun = now()
    bounds = bounds.joined(Crown().tighten(unrolled, bounds))
    tally.reserve = 2 * (now() - begun)
    if tally.spent:
        most, tally.counts["unvisited"] = 0, 2 * bounds.unstable
    for _ in range(most):
        before, bounds = bounds, walk(unrolled, bounds, visit, inputs, tally)
        if tally.spent or not _moved(before, bounds, tolerance):
            break
    return Tightened(bounds.lower, bounds.upper, detail=tally.detail())


def targets(
    form: NormalForm, i: int, units: Index, columns: Index, lower: Sequence[Array], upper: Sequence[Array]
) -> Targets:
    """The units of a value as targets in a model where the value has these columns."""
    value = form.values[i]
    free = isinstance(value, Input) or (isinstance(value, Affine) and value.kept) or i in form.outputs.values()
    signed = not free and all(isinstance(form.values[reader], Relu) for reader in form.readers[i])
    return Targets(columns[units], lower[i][units], upper[i][units], np.full(units.size, signed))


def returned(bounds: Bounds, rewrite: Rewrite, lower: Sequence[Array], upper: Sequence[Array]) -> Bounds:
    """The bounds of a rewritten form on the form it came from."""
    lows, highs = list(bounds.lower), list(bounds.upper)
    for (i, units), low, high in zip(rewrite.origin, lower, upper, strict=True):
        chosen = slice(None) if units is None else units
        new = lows[i].copy(), highs[i].copy()
        new[0][chosen], new[1][chosen] = low, high
        lows[i], highs[i] = intersect(bounds.form, i, lows, highs, new)
    return replace(bounds, lower=tuple(lows), upper=tuple(highs))


def _moved(before: Bounds, after: Bounds, tolerance: float) -> bool:
    """Whether any side moved inward by more than `tolerance` of the width it had."""
    for lows, highs, low, high in zip(before.lower, before.upper, after.lower, after.upper, strict=True):
        least = tolerance * (highs - lows)
        if ((low - lows > least) | (highs - high > least)).any():
            return True
    return False
