"""Close the loop: a controller acts on a system for some steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import numbers, shown
from relu2mip.arrays import Array
from relu2mip.control.controller import Controller
from relu2mip.control.environment import Environment, StepFunction, System
from relu2mip.control.run import Run
from relu2mip.errors import InvalidOption, InvalidProblem
from relu2mip.runtime.ctrl_c import stopped_by_ctrl_c
from relu2mip.runtime.deadline import limited
from relu2mip.trajectory.covered import require_free
from relu2mip.trajectory.sets import Box

Disturbance: TypeAlias = "ArrayLike | Callable[[np.random.Generator, int, Array], ArrayLike]"
"""Standard deviations of noise added to what is observed next, (n,), or what to add at (rng, step, state)."""


def simulate(
    controller: Controller,
    system: Any,
    steps: int,
    seed: int = 0,
    *,
    disturbance: Disturbance | None = None,
    initial_state: ArrayLike | None = None,
    watch: Callable[[Controller], None] | None = None,
    frames: bool = False,
) -> Run:
    """Run a controller on a system, from a reset of both; the run so far where Ctrl-C ends it.

    system: a function next_state = step(state, control), which starts at `initial_state` (by default the problem's
    point); a gymnasium environment, or an `Environment` that says what of it is state; or any `System`.  disturbance:
    moves the state of a step function, or what is observed of another system.  watch: called after each step.
    frames: keep the pictures that the system draws, for `Run.animate`.

    Raises `InvalidOption` for steps below 1, `InvalidProblem` where system and problem do not fit, where an obstacle
    covers the state to start from, or a reference is shorter than the steps and the horizon need.

    >>> import relu2mip as r2m
    >>> from relu2mip.control import Controller, simulate
    >>> from relu2mip.ir.samples import integrator
    >>> problem = r2m.Trajectory(
    ...     integrator(), horizon=3, initial_state=[1.0, 0.0], predicts="change",
    ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(state=1.0, control=0.1))
    >>> model = lambda x, u: problem.rollout(u[None], x)[1]
    >>> run = simulate(Controller(problem, "mip", period=1.0), model, steps=4)
    >>> run.states.shape, run.controls.shape
    ((5, 2), (4, 1))
    """
    for what, number, least in (("steps", steps, 1), ("seed", seed, 0)):
        if not isinstance(number, int | np.integer) or number < least:
            raise InvalidOption(f"{what} is {shown(number)}; give a whole number, at least {least}")
    problem, needed = controller.problem, steps - 1 + controller.problem.horizon
    if isinstance(controller.reference, np.ndarray) and len(controller.reference) < needed:
        raise InvalidProblem(
            f"reference: it has {len(controller.reference)} rows; {steps} steps with a horizon of {problem.horizon} "
            f"need {needed}: give more rows, or run fewer steps"
        )
    plant = _system(system, controller, initial_state)
    rng = np.random.default_rng(seed)
    controller.reset()
    controller.prepare()
    state = plant.reset(seed)
    states, rewards, pictures = [state], [], [plant.frame()] if frames else []
    with limited(float("inf")) as budget, stopped_by_ctrl_c(budget):
        for t in range(steps):
            control = controller.act(state)
            if budget.interrupted.is_set():
                break
            state, reward, ended = plant.step(control)
            if disturbance is not None:
                state = state + _moved(disturbance, rng, t, state)
                if isinstance(plant, StepFunction):
                    plant.state = state
            states.append(state)
            rewards.append(reward)
            pictures += [plant.frame()] if frames else []
            if watch is not None:
                watch(controller)
            if ended:
                break
    drawn = [picture for picture in pictures if picture is not None]
    return Run.of(controller, np.stack(states), np.array(rewards), seed, np.stack(drawn) if drawn else None)


def _system(system: Any, controller: Controller, initial_state: ArrayLike | None) -> System:
    problem = controller.problem
    if hasattr(system, "observation_space"):
        system = Environment(system)
    if isinstance(system, Environment):
        system.check(problem)
        return system
    if all(hasattr(system, name) for name in ("reset", "step", "frame")):
        return system  # type: ignore[no-any-return]
    if not callable(system):
        raise InvalidProblem("system: give a function step(state, control), a gymnasium environment, or a System")
    if initial_state is None:
        if isinstance(problem.initial_state, Box):
            raise InvalidProblem("initial_state: the problem gives a box of them; give the one to start from")
        initial_state = problem.initial_limits[0][-1]
    first = numbers(initial_state, "initial_state").reshape(-1)
    if first.shape != (problem.n,):
        raise InvalidProblem(f"initial_state has shape {first.shape}; give ({problem.n},)")
    require_free(problem, first)
    return StepFunction(system, first)


def _moved(disturbance: Disturbance, rng: np.random.Generator, step: int, state: Array) -> Array:
    what = "what disturbance returned" if callable(disturbance) else "disturbance"
    given = numbers(disturbance(rng, step, state) if callable(disturbance) else disturbance, what)
    if given.shape not in {(), state.shape}:
        raise InvalidProblem(f"{what} has shape {given.shape}; give {state.shape}, a number for each state")
    return given if callable(disturbance) else rng.standard_normal(state.size) * given
