"""The best plan near a plan: a mixed-integer program over a box around its inputs.

In a small box most units keep their phase, so that the program has few binaries and is solved in a moment; unlike the
program of one activation pattern (`polish`) it crosses kinks. The box grows where it has nothing better, and shrinks
where the solver does not finish. Source: local branching (Fischetti, Lodi, 2003), with a box for the Hamming ball.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from relu2mip.errors import Relu2MipError
from relu2mip.formulations import encode
from relu2mip.formulations.big_m import BigM
from relu2mip.incumbent.program import pinned, solved
from relu2mip.incumbent.space import Met
from relu2mip.incumbent.start import start_from
from relu2mip.mip import ModelBuilder, Stop
from relu2mip.passes import specialise
from relu2mip.runtime.deadline import seconds_left
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled

RADIUS, LEAST, MOST = 0.05, 1e-3, 1.0
"""Half-width of the box at first, the least and the most of them, as shares of the inputs' boxes."""

SECONDS = 0.2
"""Most of a solver for one program."""

UNITS = 60
"""Most units with two phases of a program that is solved; with more, the box is made smaller at once."""


def neighbourhoods(met: Met, unrolled: Unrolled, narrow: Callable[[Unrolled], Bounds]) -> Iterator[bool]:
    """One program after the other, each around the best plan met; false where there is nothing to do.

    narrow: a bound method, for the boxes.
    """
    radius, done = RADIUS, None
    while True:
        plan = met.plan
        worthwhile = plan is not None and plan.feasible and (plan is not done or radius < MOST)
        if plan is None or not worthwhile:
            yield False
            continue
        found, stop = around(unrolled, plan, radius, narrow, min(SECONDS, seconds_left() / 2))
        done = plan
        if stop is not Stop.OPTIMAL:
            radius = max(radius / 2, LEAST)
        elif found is plan:
            radius = min(2 * radius, MOST)
        met.take(found)
        yield True


def around(
    unrolled: Unrolled, plan: Plan, radius: float, narrow: Callable[[Unrolled], Bounds], seconds: float
) -> tuple[Plan, Stop]:
    """The best plan whose inputs lie within `radius` of those of a plan, as a share of their boxes."""
    domain, objective = dict(unrolled.domain), unrolled.objective()
    for name, i in unrolled.form.inputs.items():
        (low, high), x = domain[i], plan.inputs[name]
        domain[i] = np.maximum(low, x - radius * (high - low)), np.minimum(high, x + radius * (high - low))
    try:
        bounds = narrow(replace(unrolled, domain=domain))
        rewrite = specialise(unrolled.form, bounds.lower, bounds.upper)
        near, builder = bounds.select(rewrite), ModelBuilder()
        if near.unstable > UNITS:
            return plan, Stop.NODE_LIMIT
        values, _ = encode(near, BigM(), builder)
    except Relu2MipError:
        return plan, Stop.FAILED
    unrolled.write(builder, {name: values[i] for name, i in near.form.outputs.items()})
    model = pinned(builder.build(), objective, plan)
    model = model.with_start(start_from(plan, model, near.form))
    columns = {name: (model.values or {})[near.form.values[i].place.prefix] for name, i in near.form.inputs.items()}
    return solved(model, columns, objective, plan, seconds)
