"""Plans for a search: one to start from by sampling, and better ones out of the points that it meets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array
from relu2mip.incumbent.best import offer
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.improve import improve
from relu2mip.incumbent.rival import rival
from relu2mip.incumbent.start import start_from
from relu2mip.mip import MipModel
from relu2mip.mip.aids import better
from relu2mip.mip.judge import SOLUTION
from relu2mip.normal_form import NormalForm
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled


@dataclass(frozen=True, eq=False)
class PlanHeuristic:
    """A `relu2mip.mip.aids.Heuristic` that knows the network.

    unrolled, bounds: of the problem, where plans are improved.  form: what the model encodes.
    """

    unrolled: Unrolled
    bounds: Bounds
    form: NormalForm

    @property
    def unit(self) -> float:
        """That of the problem's objective."""
        return self.unrolled.objective().unit

    def find(self, model: MipModel, seconds: float) -> Array | None:
        """All columns at the best plan that sampling, descending and polishing find."""
        plan = find_plan(self.unrolled, self.bounds, seconds=seconds)
        return start_from(plan, model, self.form) if plan.feasible else None

    def cost(self, model: MipModel, x: Array) -> float:
        """That of the plan that the inputs of a point make, infinite where it leaves the sets.

        -inf where unproven bounds make another network of the model.
        """
        if not self.bounds.sound:
            return -np.inf
        plan = self.plan_at(model, x)
        return plan.cost if plan.violation <= SOLUTION else np.inf

    def rival(self, model: MipModel, x: Array | None) -> float:
        """That of the best of some random plans, and of the neighbours of the plan of a point."""
        if not self.bounds.sound:
            return np.inf
        plan = rival(self.unrolled, None if x is None else self.plan_at(model, x))
        return np.inf if plan is None else plan.cost

    def improve(self, model: MipModel, x: Array, seconds: float) -> Array | None:
        """All columns at the plan that the inputs of a point make, after descending and polishing."""
        plan = self.plan_at(model, x)
        offer(self.unrolled, plan)
        plan = improve(self.unrolled, self.bounds, plan, seconds)
        if not plan.feasible or not better(plan.cost, model.objective(x), self.unrolled.objective().unit):
            return None
        return start_from(plan, model, self.form)

    def plan_at(self, model: MipModel, x: Array) -> Plan:
        """The plan whose inputs a point holds, as the network evaluates it; the binaries do not matter."""
        objective, known = self.unrolled.objective(), model.values or {}
        columns = {name: known[self.form.values[i].place.prefix] for name, i in self.form.inputs.items()}
        inputs = objective.snap({name: x[at][None] for name, at in columns.items()})
        cost, violation = objective.evaluate(inputs)
        return Plan({name: value[0] for name, value in inputs.items()}, float(cost[0]), float(violation[0]))
