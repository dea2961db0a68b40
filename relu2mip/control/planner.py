"""The base of planners: options that give a `Plan` by a deadline, and keep things from plan to plan."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

from numpy.typing import ArrayLike

from relu2mip.accept import numbers
from relu2mip.arrays import Array
from relu2mip.control.plan import Plan, plan_of, point_of
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.options import Part, parse
from relu2mip.registry import planners
from relu2mip.threads import products_on_one_thread
from relu2mip.trajectory.covered import require_free
from relu2mip.trajectory.problem import Trajectory
from relu2mip.unrolled.plan import Plan as Point

Planning: TypeAlias = "Callable[[Trajectory, Array | None, float], Plan]"
"""A planner at work: a plan for (problem, controls to start from or None, seconds)."""


class Planner(Part, ABC):
    """A frozen dataclass of a planner's options. See docs/extending/add-a-planner.md.

    A planner is anytime: at its deadline it returns the best plan that it has, evaluated by the network, feasible or
    not. And it is seeded: with the same problem and start, the same number of rounds gives the same plan.
    """

    @abstractmethod
    def prepared(self, problem: Trajectory) -> Planning:
        """A planner at work on problems that differ from this one in numbers: see `Trajectory.changed`."""

    def plan(self, problem: Trajectory, start: ArrayLike | None = None, deadline: float = math.inf) -> Plan:
        """A plan in at most `deadline` seconds. start: controls (H, m) to begin with, such as the last plan shifted.

        Raises `InvalidOption` for a deadline that is not positive, `InvalidProblem` for a start of another shape and
        where an obstacle covers the initial state, and `InfeasibleProblem` where it is proven that there is no plan.

        >>> import relu2mip as r2m
        >>> from relu2mip.control import Mip
        >>> from relu2mip.ir.samples import integrator
        >>> problem = r2m.Trajectory(
        ...     integrator(), horizon=3, initial_state=[1.0, 0.0], predicts="change",
        ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(state=1.0, control=0.1))
        >>> plan = Mip().plan(problem, deadline=5.0)
        >>> plan.controls.shape, plan.gap < 1e-3
        ((3, 1), True)
        """
        if not deadline > 0:
            raise InvalidOption(f"deadline is {deadline}; give a positive number of seconds")
        require_free(problem)
        controls = None
        if start is not None:
            controls = numbers(start, "start")
            if controls.shape != (problem.horizon, problem.m):
                raise InvalidProblem(f"start has shape {controls.shape}; give ({problem.horizon}, {problem.m})")
        return self.prepared(problem)(problem, controls, deadline)


def planner(spec: str | Planner) -> Planner:
    """The planner that a specification such as "mppi(samples=256)" names; raises `UnknownOption`."""
    if not isinstance(spec, str):
        if not isinstance(spec, Planner):
            raise InvalidOption(f"planner {spec!r}: give a name, or a planner of relu2mip.control")
        return spec
    chosen: list[Planner] = parse(spec, planners, "planner")
    if len(chosen) != 1:
        raise InvalidOption(f"planner {spec!r}: give exactly one")
    return chosen[0]


def searching(name: str, search: Callable[..., Point], options: Any) -> Planning:
    """A planner at work that only searches, as those of `relu2mip.incumbent` do, and proves nothing."""

    def plan(problem: Trajectory, start: Array | None, seconds: float) -> Plan:
        begun, objective = time.perf_counter(), problem.unrolled.objective()
        known = None if start is None else point_of(problem, start)
        with products_on_one_thread():
            point = search(objective, objective.box, options, seconds, known, problem.m)
        spent = time.perf_counter() - begun
        return plan_of(problem, point, seconds=spent, stopped="its rounds or its time ended", stages={name: spent})

    return plan
