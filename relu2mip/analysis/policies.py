"""Policies that rollouts follow: random, scripted or learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from relu2mip.accept import refuse
from relu2mip.analysis.system import System
from relu2mip.arrays import Array
from relu2mip.errors import UnknownOption

Policy: TypeAlias = Callable[[System, int, np.random.Generator], Array]
"""A control (m,) for a system where it is, the number of the step, and a generator."""

HELD = 8
"""Steps that the policy "held" keeps a control."""


def uniform(system: System, step: int, rng: np.random.Generator) -> Array:
    """Uniform within the limits, a new one each step."""
    return rng.uniform(system.low, system.high)


def zero(system: System, step: int, rng: np.random.Generator) -> Array:
    """0, or the nearest that the limits allow."""
    return np.clip(np.zeros_like(system.low), system.low, system.high)


def held() -> Policy:
    """Uniform within the limits, kept for some steps."""
    last: list[Array] = []

    def policy(system: System, step: int, rng: np.random.Generator) -> Array:
        if step % HELD == 0 or not last:
            last[:] = [rng.uniform(system.low, system.high)]
        return last[0]

    return policy


def learned(model: Any) -> Policy:
    """What a model with `predict(observation)` says, such as one of Stable-Baselines3, within the limits."""

    def policy(system: System, step: int, rng: np.random.Generator) -> Array:
        action = model.predict(system.observation, deterministic=True)[0]
        return np.clip(np.asarray(action, dtype=np.float64).reshape(-1), system.low, system.high)

    return policy


POLICIES: dict[str, Callable[[], Policy]] = {"random": lambda: uniform, "held": held, "zero": lambda: zero}


def policy_of(given: str | Any) -> Policy:
    """A policy: a name, a function (system, step, generator) -> control, or a model with `predict`.

    Raises `UnknownOption` for an unknown name and `InvalidProblem` for anything else.
    """
    if isinstance(given, str):
        if given not in POLICIES:
            raise UnknownOption("policy", given, POLICIES)
        return POLICIES[given]()
    if hasattr(given, "predict"):
        return learned(given)
    if not callable(given):
        refuse(given, "policy", f"one of {', '.join(POLICIES)}, a function of (system, step, generator), or a model")
    made: Policy = given
    return made
