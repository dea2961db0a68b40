"""Problems and systems that tests of control share."""

from __future__ import annotations

import numpy as np

import relu2mip as r2m
from relu2mip.ir.samples import integrator

POINT = r2m.Trajectory(
    integrator(),
    horizon=4,
    initial_state=r2m.Box(-3, 3),
    predicts="change",
    controls=r2m.Box(-1, 1),
    states=r2m.Box(-3, 3),
    cost=r2m.costs.L1(state=[1.0, 0.2], control=0.05),
    period=0.5,
)
"""A point on a line: position and velocity."""


def model(problem: r2m.Trajectory = POINT):
    """The network of a problem as the system itself."""

    def step(state: np.ndarray, control: np.ndarray) -> np.ndarray:
        return problem.rollout(control[None], state)[1]

    return step
