"""How far places are from sets that are not convex: against a loop over constraints, places, sets and rows."""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.trajectory.choices import Alternatives
from relu2mip.trajectory.clearance import Clearance

STATES, HORIZON = 3, 4


def constraints() -> list[Alternatives]:
    """Constraints with unlike numbers of sets, rows and places."""
    made = [
        r2m.AnyOf(r2m.Box([-1, -2, -3], [0.2, 2, 3]), r2m.Box([0.5, -1, -1], [1, 0.4, np.inf])),
        r2m.Outside(r2m.Ball([0.1, 0.2], 0.5, faces=5), between=2, name="ball"),
        r2m.Outside(r2m.Box([0.0, -0.3], [0.7, 0.4]), path=np.linspace(0, 0.3, 2 * HORIZON).reshape(HORIZON, 2)),
        r2m.AnyOf(r2m.Linear(state=[[1, 1, 0], [0, 1, -1]], upper=[0.3, 0.1]), r2m.Box(0.4, 0.9), r2m.Box(-9, -0.8)),
        r2m.AnyOf(r2m.Box(-0.5, 0.5), steps=[2, 4]),
    ]
    return [one for part in made for one in part.alternatives(STATES, HORIZON)]


def away(made: Alternatives, states: np.ndarray, size: np.ndarray, place: int) -> tuple[float, int]:
    """How far a place is from the nearest set of a constraint, and which one that is."""
    t, share = made.step[place], made.share[place]
    z = states[t] if share == 0 else states[t] + share * (states[t + 1] - states[t])
    worst = []
    for matrix, lower, upper in made.sets:
        scale = np.abs(matrix) @ size
        worst.append(np.max(np.r_[(matrix @ z - upper[place]) / scale, (lower[place] - matrix @ z) / scale]))
    return min(worst), int(np.argmin(worst))


@pytest.mark.parametrize("seed", range(3))
def test_like_a_loop(seed: int) -> None:
    rng, parts = np.random.default_rng(seed), constraints()
    size, states = rng.uniform(0.5, 2.0, STATES), rng.normal(size=(6, HORIZON + 1, STATES))
    seen = []
    for clearance in Clearance.of(parts, size):
        excess, nearest = clearance.excess(states), clearance.nearest(states[0])
        for a, member in enumerate(clearance.members.tolist()):
            made = parts[member]
            seen.append(member)
            assert (clearance.reached == made.reached).all()
            for place in range(made.step.size):
                wanted = [away(made, x, size, place) for x in states]
                assert np.allclose(excess[:, place, a], [distance for distance, _ in wanted])
                assert nearest[place, a] == wanted[0][1]
    assert sorted(seen) == list(range(len(parts)))


def test_slopes_are_derivatives() -> None:
    rng = np.random.default_rng(1)
    states, size, step = rng.normal(size=(4, HORIZON + 1, STATES)), np.ones(STATES), 1e-6
    for clearance in Clearance.of([one for one in constraints() if not one.share.any()], size):
        total = np.zeros_like(states)
        batch, place, slopes = clearance.slopes(states)
        np.add.at(total, (batch, clearance.reached[place]), slopes)
        for at in np.ndindex(*states.shape):
            moved = states.copy()
            moved[at] += step
            both = (np.maximum(clearance.excess(x), 0.0)[at[0]].sum() for x in (moved, states))
            assert np.subtract(*both) / step == pytest.approx(total[at], abs=1e-4)
