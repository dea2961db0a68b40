"""Find a good plan: sample, then improve the best one."""

from __future__ import annotations

from relu2mip.incumbent.best import offer
from relu2mip.incumbent.improve import improve
from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.runtime.deadline import limited
from relu2mip.threads import products_on_one_thread
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled


def find_plan(
    unrolled: Unrolled,
    bounds: Bounds,
    sampling: Sampling | None = None,
    known: Plan | None = None,
    seconds: float = 20.0,
) -> Plan:
    """The best plan found inside the bounds of the inputs, or `known` where that is better; it may be infeasible.

    seconds: after which sampling ends, and improving what it found; sooner where the budget around it ends.
    """
    with limited(seconds), products_on_one_thread():
        box = {name: (bounds.lower[i], bounds.upper[i]) for name, i in unrolled.form.inputs.items()}
        plan = cross_entropy(unrolled.objective(), box, sampling)
        plan = known if known is not None and known.better_than(plan) else plan
        offer(unrolled, plan)
        return improve(unrolled, bounds, plan, seconds)
