"""How hard a search is to be expected: how far the root relaxation is from a plan, among the costs of random plans.

With U the cost of the best plan, L the optimum of the linear relaxation by triangles and M the median cost of random
plans, the gap is (U - L) / (M - U): what is left to prove, relative to what the choice of a plan matters. Units and
offsets of the cost cancel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from relu2mip.errors import Relu2MipError
from relu2mip.formulations import Triangle
from relu2mip.formulations.relaxed_model import relaxed_model
from relu2mip.mip.outer_approximation import tangent_relaxation
from relu2mip.mip.run import run
from relu2mip.normal_form import Relu
from relu2mip.options import SolveOptions
from relu2mip.passes import specialise
from relu2mip.registry import backends
from relu2mip.runtime.deadline import expired, seconds_left
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import FEASIBLE, Plan
from relu2mip.unrolled.unrolled import Unrolled

SAMPLES = 64
"""Random plans."""


def gap(unrolled: Unrolled, bounds: Bounds, plan: Plan, seed: int = 0) -> float:
    """The gap of the module's text, at least 0; infinite where nothing is known."""
    rng, objective = np.random.default_rng(seed), unrolled.objective()
    inputs = {
        name: rng.uniform(bounds.lower[i], bounds.upper[i], (SAMPLES, bounds.lower[i].size))
        for name, i in bounds.form.inputs.items()
    }
    cost, violation = objective.evaluate(objective.snap(inputs))
    root = relaxation(unrolled, bounds)
    usual = float(np.median(cost[violation <= FEASIBLE])) if (violation <= FEASIBLE).any() else plan.cost
    return max(0.0, (plan.cost - root) / (usual - plan.cost)) if usual > plan.cost else np.inf


def both_signs(unrolled: Unrolled, seed: int = 0) -> int:
    """How many units take both signs at random inputs that the sets allow: no bounds decide those.

    So a tree has at least as many; 0 where the sets allow none of the inputs.
    """
    rng, objective = np.random.default_rng(seed), unrolled.objective()
    drawn = {name: rng.uniform(low, high, (SAMPLES, low.size)) for name, (low, high) in objective.box.items()}
    inputs = objective.snap(drawn)
    allowed = objective.evaluate(inputs)[1] <= FEASIBLE
    values = unrolled.form.evaluate_all(inputs)
    signs = [values[value.input][allowed] for value in unrolled.form.values if isinstance(value, Relu)]
    return sum(int(((y > 0).any(axis=0) & (y < 0).any(axis=0)).sum()) for y in signs)


def relaxation(unrolled: Unrolled, bounds: Bounds) -> float:
    """The optimum of the linear relaxation; -inf where there is none in time."""
    if expired():
        return -np.inf
    rewrite = specialise(unrolled.form, bounds.lower, bounds.upper)
    reduced = bounds.select(rewrite)
    relaxed = relaxed_model(unrolled, reduced.form, reduced.lower, reduced.upper, lambda _: Triangle())
    try:
        model = tangent_relaxation(relaxed.model)
        linear = replace(model, integer=np.zeros(model.columns, dtype=bool))
        found = run(linear, backends["highs"](), SolveOptions(time_limit=max(1e-3, min(60.0, seconds_left()))))
    except Relu2MipError:
        return -np.inf
    return found.objective if found.x is not None else -np.inf
