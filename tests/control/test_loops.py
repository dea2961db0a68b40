"""Loops with disturbances and with a delay of two steps: on CartPole, and on random networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.control import Controller, Run, simulate
from relu2mip.control.environment import Environment
from tests.conftest import ROOT
from tests.control_problems import model
from tests.forms import mlp

PLANNER = "cem(rounds=3,samples=128,elites=16)"
"""So many rounds whatever the machine: the same run each time."""

PENDING = [[1.0], [-1.0]]
"""The controls on their way before the first step."""


def cartpole(**more: object) -> r2m.Trajectory:
    return r2m.Trajectory(
        r2m.load(ROOT / "examples/cartpole/family/units-16.onnx"), 10, r2m.Box([-1.5, -2, -0.3, -3], [1.5, 2, 0.3, 3]),
        r2m.Finite([-1, 1]), states=r2m.Box([-2.4, -6, -0.5, -6], [2.4, 6, 0.5, 6]), period=1.0,
        cost=r2m.costs.L1(state=[0.2, 0.05, 1.0, 0.1], terminal=[1.0, 0.5, 5.0, 0.5]), **more,
    )  # fmt: skip


def environment(delayed: bool) -> Environment:
    gymnasium = pytest.importorskip("gymnasium")

    class Delayed(gymnasium.Wrapper):
        """Does what it was told two steps before."""

        def reset(self, **given: object):
            self.pending = [1, 0]
            return self.env.reset(**given)

        def step(self, action: int):
            self.pending.append(action)
            return self.env.step(self.pending.pop(0))

    made = gymnasium.make("CartPole-v1")
    return Environment(Delayed(made) if delayed else made, actions=[-1.0, 1.0])


@pytest.mark.parametrize("seed", range(4))
def test_the_pole_stands_in_spite_of_disturbances(seed: int) -> None:
    controller, noise = Controller(cartpole(), PLANNER), [0.01, 0.02, 0.01, 0.02]
    run = simulate(controller, environment(delayed=False), 100, seed, disturbance=noise)
    assert len(run) == 100
    assert run.planned == 1.0
    calm = simulate(controller, environment(delayed=False), 100, seed)
    assert np.nanmedian(run.error) > 3 * np.nanmedian(calm.error), "the log shows the disturbance"


@pytest.mark.parametrize("seed", range(3))
def test_the_pole_stands_with_a_delay_of_two_steps_that_the_model_knows(seed: int) -> None:
    noise = [0.0, 0.0, 0.005, 0.01]
    aware = Controller(cartpole(delay=2, previous_controls=PENDING), PLANNER)
    unaware = Controller(cartpole(), PLANNER)
    run, worse = (simulate(one, environment(delayed=True), 100, seed, disturbance=noise) for one in (aware, unaware))
    assert len(run) == 100
    assert run.planned == 1.0
    assert swing(worse) > 2 * swing(run)
    calm, worse = (simulate(one, environment(delayed=True), 30, seed) for one in (aware, unaware))
    assert np.nanmedian(worse.error) > 2 * np.nanmedian(calm.error)


def swing(run: Run) -> float:
    """How far the pole leans, in the mean."""
    return float(np.abs(run.states[:, 2]).mean())


def random_problem(seed: int, **more: object) -> r2m.Trajectory:
    """Hold a random system at the origin."""
    return r2m.Trajectory(
        mlp([5, 12, 12, 3], seed=seed, scale=1.0), 5, r2m.Box(-4, 4), r2m.Box(-1, 1), "state",
        states=r2m.Box(-50, 50), cost=r2m.costs.L1(state=1.0, control=0.01), period=1.0, **more,
    )  # fmt: skip


def cost_of(run: Run) -> float:
    return float(np.abs(run.states[1:]).sum())


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_random_systems_are_held_better_than_by_doing_nothing(seed: int, delay: int) -> None:
    plain = random_problem(seed)
    problem = replace(plain, delay=delay, previous_controls=np.zeros((delay, 2)) if delay else None)
    pending: list[np.ndarray] = []

    def system(state: np.ndarray, control: np.ndarray) -> np.ndarray:
        pending.append(control)
        return model(plain)(state, pending.pop(0))

    def ran(controller: Controller) -> Run:
        pending[:] = [np.zeros(2)] * delay
        given = {"initial_state": [1.0, -1.0, 0.5], "disturbance": [0.02, 0.02, 0.02]}
        return simulate(controller, system, 15, seed, **given)

    run = ran(Controller(problem, PLANNER))
    nothing = ran(Controller(replace(problem, controls=r2m.Box(0, 0)), PLANNER))
    assert run.planned == 1.0
    assert cost_of(run) < 0.8 * cost_of(nothing)
    assert 0 < np.nanmedian(run.error) < 0.01, "predictions know of the controls on their way; the rest is noise"
