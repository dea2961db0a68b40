"""Where a pusher should go to push from: a target for it in the stage cost, so that short plans know where to go.

    reference = reference_of("probe", "push", target, problem)
    Controller(problem, "hybrid", period=0.5, reference=reference)

`behind`: the far side of the middle of the object, or of the disc or point of a rope that is furthest from its target,
opposite to where that has to go. `probe`: straight pushes through each point from all around are tried on the model;
the place where that one first touches something which gains most a step, the steps of the way there included. `route`:
that, and the target moves along a way there that touches nothing, a step at a time.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.tasks import Array
from environments.task import PUSHER, REACH, WORKSPACE

import relu2mip as r2m

DIRECTIONS = 24
"""Directions of straight pushes."""

STRIDE, TOUCH = 25.0, 2.0
"""How far a probe goes in a step, and how far something has to move for it to have been touched, px."""

ROOM = 35.0
"""How far from every point of what moves a probe begins, at least, px."""

GRID = 25.0
"""Spacing of the nodes of ways, px."""

CLEARANCE = {"push": 30.0, "rope": 25.0, "sort-2": 33.0}
"""How far from the middle lines of things ways keep, px: half their width, and the pusher."""

THROUGH = 10.0
"""How many times longer, beside itself, a way through things counts."""

BEHIND = {"push": 80.0, "sort-2": 35.0, "rope": 30.0}
"""How far behind the middle is, px."""


_SIDE = int(WORKSPACE / GRID) + 1
NODES = GRID * np.stack(np.meshgrid(np.arange(_SIDE), np.arange(_SIDE), indexing="ij"), axis=-1).reshape(-1, 2)
_pairs = np.linalg.norm(NODES[:, None] - NODES, axis=2)
EDGES = np.nonzero((_pairs > 0) & (_pairs < 1.5 * GRID))
"""Nodes next to one another, along the axes and across."""


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

    def along(kind: str) -> Callable[[int, Array], Array]:
        def targets(step: int, state: Array) -> Array:
            ways = Ways.of(task, state) if kind == "route" else None
            place = probed(problem, target, state, task == "push", ways)
            places = place[None] if ways is None else ways.to(place, problem.horizon)
            return np.column_stack(
                [np.broadcast_to(target, (problem.horizon, target.size)), np.broadcast_to(places, (problem.horizon, 2))]
            )

        return targets

    if kind == "behind":
        return lambda step, state: np.concatenate([target, behind(state)])
    return along(kind)


@dataclass(frozen=True, eq=False)
class Ways:
    """Shortest ways of the pusher over a grid, from where it is; through things they count as many times as long.

    distance: to each node, px.  before: the node before each on its way.
    """

    pusher: Array
    distance: Array
    before: Array

    @classmethod
    def of(cls, task: str, state: Array) -> "Ways":
        """Around what a task's state shows: an object between its points, a rope along them, discs."""
        points, pusher = state[:-2].reshape(-1, 2), state[-2:]
        links = {"push": ((0, 1), (2, 3)), "rope": ((0, 1), (1, 2), (2, 3)), "sort-2": ((0, 0), (1, 1))}[task]
        share = np.linspace(0, 1, 9)[:, None]
        solid = np.concatenate([points[i] + share * (points[j] - points[i]) for i, j in links])
        inside = np.linalg.norm(NODES[:, None] - solid, axis=2).min(axis=1) < CLEARANCE[task]
        length = np.linalg.norm(NODES[EDGES[0]] - NODES[EDGES[1]], axis=1)
        weight = length * (1 + THROUGH * (inside[EDGES[0]] | inside[EDGES[1]]))
        graph = csr_array((weight, EDGES), shape=(len(NODES), len(NODES)))
        distance, before = dijkstra(graph, indices=nearest(pusher[None])[0], return_predecessors=True)
        return cls(pusher, distance, before)

    def to(self, place: Array, steps: int) -> Array:
        """Where the pusher is after each step on its way to a place, (steps, 2)."""
        nodes = [int(nearest(place[None])[0])]
        while self.before[nodes[-1]] >= 0:
            nodes.append(int(self.before[nodes[-1]]))
        corners = np.concatenate([self.pusher[None], NODES[nodes[-2:0:-1]], place[None]])
        gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
        at = np.minimum(REACH * np.arange(1, steps + 1), gone[-1])
        return np.column_stack([np.interp(at, gone, corners[:, k]) for k in range(2)])


def nearest(places: Array) -> NDArray[np.intp]:
    """The nodes nearest to places (k, 2)."""
    return np.linalg.norm(NODES[None] - places[:, None], axis=2).argmin(axis=1)


def probed(problem: r2m.Trajectory, target: Array, state: Array, whole: bool, ways: Ways | None = None) -> Array:
    """The place, (2,). whole: the points are of one solid thing, and none of it is further out than they are.

    ways: how far places are; without, straight on.
    """
    points, pusher = state[:-2].reshape(-1, 2), state[-2:]
    anchors = np.concatenate([points, points.mean(axis=0)[None]]) if whole else points
    angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    way = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lines, straight = np.repeat(anchors, DIRECTIONS, axis=0), np.tile(way, (len(anchors), 1))
    back = np.arange(0.0, 400.0, 5.0)
    places = lines[:, None] - back[None, :, None] * straight[:, None]
    if whole:
        middle = points.mean(axis=0)
        radius = np.linalg.norm(points - middle, axis=1).max() + PUSHER
        free = np.linalg.norm(places - middle, axis=2) > radius
    else:
        free = np.linalg.norm(places[:, :, None] - points, axis=3).min(axis=2) > ROOM
    # From the first place on the way back from which on all is free.
    first = free.shape[1] - np.argmin(free[:, ::-1], axis=1)
    begins = lines - (back[np.minimum(first, back.size - 1)])[:, None] * straight
    steps = problem.horizon
    starts = np.concatenate([np.broadcast_to(state[:-2], (len(lines), len(state) - 2)), begins], axis=1)
    controls = np.repeat(np.clip(STRIDE * straight, -REACH, REACH)[:, None], steps, axis=1)
    turned = problem.changed(initial_state=state)
    found = turned.rollout(controls, starts[:, None])
    errors = np.linalg.norm((found[..., :-2] - target).reshape(*found.shape[:2], -1, 2), axis=3).mean(axis=2)
    moved = np.abs(np.diff(found[..., :-2], axis=1)).max(axis=2) > TOUCH
    touched = np.argmax(moved, axis=1)
    at = found[np.arange(len(lines)), touched, -2:]
    inside = ((at > 0) & (at < WORKSPACE)).all(axis=1) & moved.any(axis=1)
    # By how much a push makes things better in a step, the steps of the way to it included.
    far = np.linalg.norm(at - pusher, axis=1) if ways is None else ways.distance[nearest(at)]
    going = far / REACH
    pushing = np.arange(steps + 1) - touched[:, None]
    rate = (errors[:, :1] - errors) / (going[:, None] + np.maximum(pushing, 1))
    rate = np.where(inside, rate.max(axis=1), -np.inf)
    return np.asarray(at[np.argmax(rate)] if rate.max() > 0 else pusher)
