"""Where a pusher should go to push from: a target for it in the stage cost, so that short plans know where to go.

    reference = reference_of("probe", "push", target, problem)
    Controller(problem, "hybrid", period=0.5, reference=reference)

`behind`: the far side of the middle of the object, or of the disc or point of a rope that is furthest from its target,
opposite to where that has to go. `probe`: straight pushes through each point from all around are tried on the model;
the place where that one first touches something which gains most a step, the steps of the way there included.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.tasks import Array
from environments.task import PUSHER, REACH

import relu2mip as r2m

DIRECTIONS = 24
"""Directions of straight pushes."""

STRIDE, TOUCH = 25.0, 2.0
"""How far a probe goes in a step, and how far something has to move for it to have been touched, px."""

ROOM = 35.0
"""How far from every point of what moves a probe begins, at least, px."""

BEHIND = {"push": 80.0, "sort-2": 35.0, "rope": 30.0}
"""How far behind the middle is, px."""


def reference_of(kind: str, task: str, target: Array, problem: r2m.Trajectory) -> Callable[[int, Array], Array]:
    """The target of the cost at each step, (n,): the points of `target`, and for the pusher a place of this kind."""

    def behind(state: Array) -> Array:
        points, to = state[:-2].reshape(-1, 2), target.reshape(-1, 2)
        if task == "push":
            middle, way = points.mean(axis=0), (to - points).mean(axis=0)
        else:
            k = int(np.linalg.norm(to - points, axis=1).argmax())
            middle, way = points[k], to[k] - points[k]
        return np.asarray(middle - BEHIND[task] * way / max(float(np.linalg.norm(way)), 1e-9))

    def probe(state: Array) -> Array:
        return probed(problem, target, state, whole=task == "push")

    place = {"none": lambda state: state[-2:], "behind": behind, "probe": probe}[kind]
    return lambda step, state: np.concatenate([target, place(state)])


def probed(problem: r2m.Trajectory, target: Array, state: Array, whole: bool) -> Array:
    """The place, (2,). whole: the points are of one solid thing, and none of it is further out than they are."""
    points, pusher = state[:-2].reshape(-1, 2), state[-2:]
    anchors = np.concatenate([points, points.mean(axis=0)[None]]) if whole else points
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    way = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lines, ways = np.repeat(anchors, DIRECTIONS, axis=0), np.tile(way, (len(anchors), 1))
    back = np.arange(0.0, 400.0, 5.0)
    places = lines[:, None] - back[None, :, None] * ways[:, None]
    if whole:
        middle = points.mean(axis=0)
        radius = np.linalg.norm(points - middle, axis=1).max() + PUSHER
        free = np.linalg.norm(places - middle, axis=2) > radius
    else:
        free = np.linalg.norm(places[:, :, None] - points, axis=3).min(axis=2) > ROOM
    # From the first place on the way back from which on all is free.
    first = free.shape[1] - np.argmin(free[:, ::-1], axis=1)
    begins = lines - (back[np.minimum(first, back.size - 1)])[:, None] * ways
    steps = problem.horizon
    starts = np.concatenate([np.broadcast_to(state[:-2], (len(lines), len(state) - 2)), begins], axis=1)
    controls = np.repeat(np.clip(STRIDE * ways, -REACH, REACH)[:, None], steps, axis=1)
    turned = problem.changed(initial_state=state)
    found = turned.rollout(controls, starts[:, None])
    errors = np.linalg.norm((found[..., :-2] - target).reshape(*found.shape[:2], -1, 2), axis=3).mean(axis=2)
    moved = np.abs(np.diff(found[..., :-2], axis=1)).max(axis=2) > TOUCH
    touched = np.argmax(moved, axis=1)
    at = found[np.arange(len(lines)), touched, -2:]
    inside = ((at > 0) & (at < 500)).all(axis=1) & moved.any(axis=1)
    # By how much a push makes things better in a step, the steps of the way to it included.
    going = np.linalg.norm(at - pusher, axis=1) / REACH
    pushing = np.arange(steps + 1) - touched[:, None]
    rate = (errors[:, :1] - errors) / (going[:, None] + np.maximum(pushing, 1))
    rate = np.where(inside, rate.max(axis=1), -np.inf)
    return np.asarray(at[np.argmax(rate)] if rate.max() > 0 else pusher)
