"""A box with two corners that a hand pushes to the right: contact, rest, and a hand whose motion is known."""

from __future__ import annotations

import numpy as np

from relu2mip.frontends.sparsify import Coordinates, Transitions

STATES = ("corner_0_x", "corner_0_y", "corner_1_x", "corner_1_y", "hand_x", "hand_y")
CONTROLS = ("push_x", "push_y")
COORDINATES = Coordinates(features=("corner_0 - hand", "corner_1 - hand", "push"), known={"hand": "hand + push"})


def pushing(rollouts: int = 30, steps: int = 12, seed: int = 0, wall: float = np.inf) -> Transitions:
    """Transitions, those marked in which the corners move; the hand stays on its side of the wall."""
    rng = np.random.default_rng(seed)
    right, up = np.eye(2)
    hand = rng.uniform(-1, 1, (rollouts, 2))
    corner = rng.uniform(-1, 1, (rollouts, 2)) + 1.2 * right
    controls = rng.uniform(-0.5, 0.5, (rollouts, steps, 2)) + 0.2 * right
    states = []
    for t in range(steps + 1):
        states.append(np.concatenate([corner, corner + 0.5 * up, hand], axis=1))
        if t < steps:
            hand = np.minimum(hand + controls[:, t], wall)
            corner = corner + np.maximum(hand - corner, 0) * right
    data = Transitions.of_trajectories(np.stack(states, axis=1), controls, None, STATES, CONTROLS)
    return data.with_motion(["corner_0", "corner_1"], tolerance=1e-4)
