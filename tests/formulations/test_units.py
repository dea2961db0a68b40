"""Every formulation on every backend gives the same answer in any units."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import relu2mip as r2m
from benchmarks.trials.draw import classic
from benchmarks.trials.judge import Case, judged
from benchmarks.trials.plans import enumerated
from benchmarks.trials.sketch import Sketch, Units
from benchmarks.trials.systems import SYSTEMS
from relu2mip.errors import CapabilityMissing
from tests.brute_force import box_optimum
from tests.formulations.test_exactness import EXACT, ONLY_ON, SMALL_NETS, must_refuse
from tests.units import BOX_UNITS, BoxUnits

FAST = {"leaky-relu", "group-max", "mlp 3-4-4-2"}
NETS = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in SMALL_NETS]


@pytest.mark.parametrize("formulation", EXACT)
@pytest.mark.parametrize("units", BOX_UNITS, ids=str)
@pytest.mark.parametrize("name", NETS)
def test_the_optimum_over_a_box_knows_no_units(name: str, units: BoxUnits, formulation: str, backend: str) -> None:
    base, best, spread = box_problem(name)
    compiled = r2m.compile(units.problem(base), formulation=formulation)
    if must_refuse(backend, formulation, compiled.model):
        with pytest.raises(CapabilityMissing):
            compiled.solve(backend)
        return
    answer = compiled.solve(backend, gap=1e-6)
    assert answer.has_plan
    assert answer.status == "optimal"
    assert answer.objective / units.factor == pytest.approx(best, rel=1e-6, abs=1e-5 * spread)
    assert answer.bound / units.factor == pytest.approx(best, rel=1e-5, abs=1e-5 * spread)
    true = float(units.problem(base).evaluate(_flat(answer, base.net))[0])
    assert true / units.factor == pytest.approx(best, rel=1e-6, abs=1e-5 * spread)


@pytest.mark.parametrize("formulation", EXACT)
@pytest.mark.parametrize("system", ["all 1e-6", "pressure", "mixed"])
def test_the_best_plan_knows_no_units(system: str, formulation: str, backend: str) -> None:
    base = small_plan()
    plans = enumerated(base.problem())
    units = SYSTEMS[system](base, plans, np.random.default_rng(0))
    problem = base.problem(units)
    other = enumerated(problem)
    assert other.best / units.cost == pytest.approx(plans.best, abs=1e-6 * plans.spread)
    verdict = judged(problem, other, Case(formulation, backend, "crown", gap=1e-6))
    if backend != ONLY_ON.get(formulation, backend):
        assert [fault.kind for fault in verdict.faults] == ["refused"]
        return
    assert not verdict.faults
    assert verdict.answer.status == "optimal"


def test_rewritten_problems_are_the_same_problems() -> None:
    base = small_plan()
    plain = enumerated(base.problem())
    for name, system in SYSTEMS.items():
        units: Units = system(base, plain, np.random.default_rng(1))
        other = enumerated(base.problem(units))
        np.testing.assert_allclose(other.costs / units.cost, plain.costs, atol=1e-6 * plain.spread, err_msg=name)
        assert (other.feasible == plain.feasible).all()
        states = (other.states - units.states.offset) / units.states.scale
        np.testing.assert_allclose(states, plain.states, atol=1e-6 * plain.width.max(), err_msg=name)


def small_plan() -> Sketch:
    """Two steps of a network 3-8-8-2 with three values of its control: nine plans, some outside the box of states."""
    base = replace(classic(3), horizon=2, states=None, terminal=None, rate=None, rows=())
    reached = enumerated(base.problem()).states[:, 1:, 0]
    top = np.sort(reached.max(axis=1))
    return replace(base, states=(np.full(2, -20.0), np.array([(top[-2] + top[-1]) / 2, 20.0])))


@cache
def box_problem(name: str) -> tuple[r2m.BoxProblem, float, float]:
    """A conformance network over a box, its optimum, and the range of its objective."""
    net = SMALL_NETS[name]
    problem = r2m.BoxProblem(net, -1.0, 1.5, np.arange(1.0, net.output_size + 1))
    points = np.random.default_rng(0).uniform(*problem.limits, (500, net.input_size))
    return problem, box_optimum(problem), max(1e-6, float(np.ptp(problem.evaluate(points))))


def _flat(answer: r2m.Answer, net: r2m.Graph) -> np.ndarray:
    return np.concatenate([np.ravel(answer.inputs[port.name]) for port in net.inputs])
