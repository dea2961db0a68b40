"""Whatever is thrown at a controller, it returns a control of its set, says what was wrong, and goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import product

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.backends import protocol
from relu2mip.control import Controller, Mip, Mppi, Plan, Planner, Rung, planner
from relu2mip.control.planner import Planning
from relu2mip.errors import InfeasibleProblem, SolverFailure
from tests.control_problems import POINT

PERIOD = 0.02

OBSERVATIONS: dict[str, tuple[Callable[[np.ndarray], object], str]] = {
    "right": (lambda state: state, ""),
    "outside": (lambda state: state + np.array([9.0, -9.0]), ""),
    "nan": (lambda state: np.array([np.nan, state[1]]), "observation has nan at entry 0"),
    "infinite": (lambda state: np.array([state[0], np.inf]), "observation has inf at entry 1"),
    "long": (lambda state: np.zeros(3), r"observation has shape (3,); give (2,)"),
    "text": (lambda state: "nonsense", "observation is 'nonsense'"),
    "nothing": (lambda state: None, "observation is None"),
}
"""What may be seen in place of a state, and what the log then says."""


def failing(error: Exception) -> Planning:
    def plan(*_: object) -> Plan:
        raise error

    return plan


def broken(working: Planning) -> Planning:
    def plan(problem: r2m.Trajectory, start: np.ndarray | None, seconds: float) -> Plan:
        made = working(problem, start, seconds)
        return replace(made, controls=np.full_like(made.controls, np.nan), states=np.full_like(made.states, np.nan))

    return plan


def late(working: Planning) -> Planning:
    def plan(problem: r2m.Trajectory, start: np.ndarray | None, seconds: float) -> Plan:
        time.sleep(1.5 * PERIOD)
        return working(problem, start, seconds)

    return plan


def killed(problem: r2m.Trajectory) -> Planning:
    """Branch and bound whose limit is over before it has begun."""
    working = Mip(anew="always").prepared(problem)
    return lambda now, start, seconds: working(now, None, 1e-9)


def missing(problem: r2m.Trajectory) -> Planning:
    """Branch and bound by a backend that is not installed, with time enough to notice."""
    working = Mip(backend="gurobi", anew="always").prepared(problem)
    return lambda now, start, seconds: working(now, None, 10.0)


MOODS: dict[str, tuple[Callable[[r2m.Trajectory], Planning], str]] = {
    "good": (Mppi(rounds=2, samples=64).prepared, ""),
    "killed": (killed, ""),
    "failing": (lambda problem: failing(SolverFailure("gone")), "SolverFailure: gone"),
    "missing": (missing, "gurobipy is not installed"),
    "infeasible": (lambda problem: failing(InfeasibleProblem("none")), "InfeasibleProblem: none"),
    "broken": (lambda problem: broken(planner("cem(rounds=1)").prepared(problem)), "is not (4, 1) finite controls"),
    "late": (lambda problem: late(planner("cem(rounds=1,samples=64)").prepared(problem)), ""),
}
"""What planners may do, and what the log then says."""


class Moody(Planner):
    """Does what it is told, step by step."""

    name = "moody"

    def __init__(self, moods: Iterator[str]) -> None:
        self.moods = moods

    def prepared(self, problem: r2m.Trajectory) -> Planning:
        working = {mood: make(problem) for mood, (make, _) in MOODS.items()}
        return lambda *given: working[next(self.moods)](*given)


@pytest.fixture(autouse=True)
def no_gurobi(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where gurobipy is not installed."""
    monkeypatch.setattr(protocol, "find_spec", lambda package: None if package == "gurobipy" else find_spec(package))


@pytest.mark.parametrize("steps", [2 * len(OBSERVATIONS) * len(MOODS), pytest.param(1000, marks=pytest.mark.slow)])
def test_faults_never_end_a_loop(steps: int) -> None:
    rng, every = np.random.default_rng(0), list(product(OBSERVATIONS, MOODS))
    rounds = [every[k] for _ in range(steps // len(every) + 1) for k in rng.permutation(len(every))][:steps]
    problem = POINT.changed(controls=r2m.Finite([[-1, 0, 1]]))
    controller = Controller(problem, Moody(mood for _, mood in rounds), period=PERIOD)
    state = np.array([2.0, 0.0])
    for t, (kind, mood) in enumerate(rounds):
        see, seen_wrong = OBSERVATIONS[kind]
        control = controller.act(see(state))  # type: ignore[arg-type]
        assert control.shape == (1,)
        assert control[0] in {-1.0, 0.0, 1.0}
        step = controller.log[-1]
        assert step.number == t
        np.testing.assert_array_equal(step.control, control)
        told = "; ".join(step.faults)
        assert seen_wrong in told
        assert MOODS[mood][1] in told or "InfeasibleProblem" in told, "bounds may prove it before a solver is asked"
        assert step.faults or not (seen_wrong or MOODS[mood][1])
        assert np.isfinite(step.state).all()
        if kind == "outside":
            assert step.rung != Rung.PLAN, "no plan is feasible where the state is outside of its set for good"
        if mood == "late":
            assert step.overrun > 0
        state = np.clip(problem.rollout(control[None], state)[1], -3, 3)
    assert len(controller.log) == steps
    assert {step.rung for step in controller.log} >= {Rung.PLAN, Rung.SOFTENED}
    assert controller.overruns >= sum(mood == "late" for _, mood in rounds)


def test_a_search_that_failed_is_logged_where_the_plan_in_hand_outlived_it() -> None:
    controller = Controller(POINT, "hybrid(backend=gurobi,share=0.1)", period=1.0)
    controller.act([1.0, 0.0])
    (step,) = controller.log
    assert step.rung == Rung.PLAN
    assert "gurobipy is not installed" in step.stopped
    assert step.faults == (step.stopped,)


@pytest.mark.parametrize("mood", [mood for mood, (_, told) in MOODS.items() if told])
def test_strict_raises_what_the_planner_raises(mood: str) -> None:
    controller = Controller(POINT, Moody(iter([mood])), period=PERIOD, strict=True)
    with pytest.raises(r2m.Relu2MipError) as raised:
        controller.act([1.0, 0.0])
    assert MOODS[mood][1] in f"{type(raised.value).__name__}: {raised.value}"


@pytest.mark.parametrize("kind", [kind for kind, (_, told) in OBSERVATIONS.items() if told])
def test_strict_names_what_is_wrong_with_an_observation(kind: str) -> None:
    see, told = OBSERVATIONS[kind]
    controller = Controller(POINT, "cem(rounds=1)", period=PERIOD, strict=True)
    with pytest.raises(r2m.Relu2MipError) as raised:
        controller.act(see(np.array([1.0, 0.0])))  # type: ignore[arg-type]
    assert told in str(raised.value)
