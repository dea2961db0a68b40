"""Programs around a plan: against sampling the box, and the whole problem where the box is everything."""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Bounds, Crown, compute_bounds
from relu2mip.incumbent.neighbourhood import around, neighbourhoods
from relu2mip.incumbent.space import Met, Space
from relu2mip.ir.samples import integrator
from relu2mip.mip import Stop
from relu2mip.trajectory.names import name_of
from relu2mip.unrolled.plan import Plan
from relu2mip.unrolled.unrolled import Unrolled
from tests.forms import mlp


def problem(seed: int, controls: r2m.Box | r2m.Finite = r2m.Box(-1, 1)) -> r2m.Trajectory:  # noqa: B008 - frozen
    return r2m.Trajectory(
        mlp([4, 8, 3], seed=seed, scale=0.8), 3, [0.5, -0.5, 0.2], controls, "change", states=r2m.Box(-9, 9),
        cost=r2m.costs.L1(state=1.0, control=0.1),
    )  # fmt: skip


def plan_at(unrolled: Unrolled, controls: np.ndarray) -> Plan:
    objective = unrolled.objective()
    inputs = {name: (low + high)[None] / 2 for name, (low, high) in objective.box.items()}
    inputs |= {name_of("control", t): u[None] for t, u in enumerate(controls)}
    cost, violation = objective.evaluate(inputs)
    return Plan({name: x[0] for name, x in inputs.items()}, float(cost[0]), float(violation[0]))


def crown(unrolled: Unrolled) -> Bounds:
    return compute_bounds(unrolled, [Crown()])


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_a_box(seed: int) -> None:
    rng, unrolled = np.random.default_rng(seed), problem(seed).unrolled
    plan = plan_at(unrolled, rng.uniform(-0.8, 0.8, (3, 1)))
    found, stop = around(unrolled, plan, 0.1, crown, 20.0)
    assert stop is Stop.OPTIMAL
    for name, (low, high) in unrolled.objective().box.items():
        assert (np.abs(found.inputs[name] - plan.inputs[name]) <= 0.1 * (high - low) + 1e-9).all()
        assert (found.inputs[name] >= low).all()
        assert (found.inputs[name] <= high).all()
    batch = {
        name: np.clip(x + 0.1 * np.ptp(unrolled.objective().box[name], axis=0) * rng.uniform(-1, 1, (5000, x.size)),
                      *unrolled.objective().box[name])
        for name, x in plan.inputs.items()
    }  # fmt: skip
    assert found.cost <= unrolled.objective().evaluate(batch)[0].min() + 1e-6
    assert found.cost < plan.cost


@pytest.mark.parametrize("controls", [r2m.Box(-1, 1), r2m.Finite([-1.0, 0.0, 1.0])])
def test_a_box_of_everything_gives_the_optimum(controls: r2m.Box | r2m.Finite) -> None:
    whole = problem(5, controls)
    found, stop = around(whole.unrolled, plan_at(whole.unrolled, np.zeros((3, 1))), 1.0, crown, 20.0)
    assert stop is Stop.OPTIMAL
    assert found.cost == pytest.approx(r2m.solve(whole, bounds="crown").objective, abs=1e-5)


def test_a_plan_stays_on_its_side_of_an_obstacle() -> None:
    wall = r2m.AnyOf(r2m.Box([-4, -4], [-0.2, 4]), r2m.Box([0.2, -4], [4, 4]), steps=[2])
    split = r2m.Trajectory(
        integrator(), 2, [0.0, 0.0], r2m.Box(-1, 1), "change", states=r2m.Box(-4, 4),
        cost=r2m.costs.L1(target=[1.0, 0.0], state=1.0), constraints=[wall],
    )  # fmt: skip
    left = next(
        plan for u in np.linspace(-1, 1, 41)
        if (plan := plan_at(split.unrolled, np.full((2, 1), u))).feasible and u < 0
    )  # fmt: skip
    found, _ = around(split.unrolled, left, 1.0, crown, 20.0)
    objective = split.unrolled.objective()
    sides = [objective.binaries({name: x[None] for name, x in plan.inputs.items()}) for plan in (left, found)]
    assert all((sides[0][name] == sides[1][name]).all() for name in sides[0])
    assert found.cost <= left.cost


def test_searches_until_the_box_is_everything() -> None:
    whole = problem(2)
    objective = whole.unrolled.objective()
    met = Met(Space.of(objective, objective.box, 1), plan_at(whole.unrolled, np.full((3, 1), 0.9)))
    rounds = neighbourhoods(met, whole.unrolled, crown)
    worked = 0
    while next(rounds):
        worked += 1
        assert worked < 100
    assert met.plan is not None
    assert met.plan.cost == pytest.approx(r2m.solve(whole, bounds="crown").objective, abs=1e-5)
    assert not next(rounds)
