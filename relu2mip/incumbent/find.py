"""Find a good plan: sample, descend, polish, and again while it gets better."""

from __future__ import annotations

from relu2mip.arrays import Array
from relu2mip.bounds.bounds import Bounds
from relu2mip.incumbent.descend import descend
from relu2mip.incumbent.plan import Plan
from relu2mip.incumbent.polish import polish
from relu2mip.incumbent.sample import Sampling, cross_entropy
from relu2mip.normal_form.unrolled import Unrolled

ROUNDS = 4
"""Most rounds of descending and polishing."""


def find_plan(unrolled: Unrolled, bounds: Bounds, sampling: Sampling | None = None, known: Plan | None = None) -> Plan:
    """The best plan found inside the bounds of the inputs, or `known` where that is better; it may be infeasible."""
    plan = cross_entropy(unrolled.objective(), _box(bounds), sampling)
    return improve(unrolled, bounds, known if known is not None and known.better_than(plan) else plan)


def improve(unrolled: Unrolled, bounds: Bounds, plan: Plan) -> Plan:
    """Descend and polish in turn while the plan gets better."""
    objective, box = unrolled.objective(), _box(bounds)
    for _ in range(ROUNDS):
        before, plan = plan, descend(objective, box, plan)
        if plan.feasible:
            plan = polish(unrolled, bounds, plan)
        if plan is before:
            break
    return plan


def _box(bounds: Bounds) -> dict[str, tuple[Array, Array]]:
    return {name: (bounds.lower[i], bounds.upper[i]) for name, i in bounds.form.inputs.items()}
