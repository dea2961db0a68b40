"""`Rope-v0`: push a rope into a shape.

The rope is 20 segments with stiff joints; the state is four points along it (key_0_x ... key_3_y) and the pusher, so it
does not say all of where the rope is. The stage cost is the mean distance of the points from the target's. Target
shapes: "line", "arc", "corner".
"""

from itertools import pairwise

import numpy as np
import pymunk
from numpy.typing import NDArray

from environments.draw import Picture
from environments.task import PUSHER, WORKSPACE, Array, Scene, Task, clear

SEGMENTS, LENGTH, RADIUS = 20, 14.0, 4.0
SUCCESS = 20.0
"""Largest mean distance of the points from the target that counts as there, px."""

STIFFNESS, DAMPING = 3e4, 1e3
SHAPES = ("line", "arc", "corner")
KEYS = np.array([0, 7, 13, 20])
"""Which of the 21 ends of segments are observed."""


class Rope(Task):
    """Push a rope into a shape. The layout is the pose (x, y, angle) of each segment, one after the other."""

    state_names = (*(f"key_{k}_{axis}" for k in range(4) for axis in "xy"), "pusher_x", "pusher_y")

    def __init__(self, shape: str = "line", render_mode: str | None = None) -> None:
        if shape not in SHAPES:
            raise ValueError(f"there is no target shape {shape!r}; give one of {', '.join(SHAPES)}")
        self.shape = shape
        super().__init__(8, render_mode)
        self.layout = np.zeros(3 * SEGMENTS)

    def draw_layout(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """A rope that bends at random."""
        while True:
            bends = np.repeat(rng.normal(0.0, 0.12, 4), 5)
            ends = chain(np.cumsum(bends) + rng.uniform(-np.pi, np.pi))
            ends += rng.uniform(0.35, 0.65, 2) * WORKSPACE - ends.mean(axis=0)
            if (ends > 20).all() and (ends < WORKSPACE - 20).all():
                break

        def free(place: Array) -> bool:
            return bool(np.linalg.norm(ends - place, axis=1).min() > PUSHER + RADIUS + LENGTH / 2 + 2)

        return _poses(ends), clear(rng, free, ends[rng.integers(len(ends))], PUSHER + RADIUS + LENGTH / 2 + 3, 70)

    def draw_target(self, rng: np.random.Generator) -> Array:
        """The shape, turned and placed at random."""
        turn = {"line": 0.0, "arc": np.pi / SEGMENTS, "corner": 0.0}[self.shape]
        angles = turn * np.arange(SEGMENTS)
        if self.shape == "corner":
            angles = np.where(np.arange(SEGMENTS) < SEGMENTS // 2, 0.0, np.pi / 2)
        while True:
            ends = chain(angles + rng.uniform(-np.pi, np.pi))
            ends += rng.uniform(0.35, 0.65, 2) * WORKSPACE - ends.mean(axis=0)
            if (ends > 0).all() and (ends < WORKSPACE).all():
                return ends[KEYS].ravel()

    def moved(self, layout: Array, pusher: Array, control: Array) -> Array:
        """See `Task`."""
        scene, bodies = Scene(pusher, iterations=10), list[pymunk.Body]()
        half = LENGTH / 2
        for x, y, angle in layout.reshape(-1, 3):
            body = pymunk.Body()
            shape = pymunk.Segment(body, (-half, 0), (half, 0), RADIUS)
            shape.filter = pymunk.ShapeFilter(group=1)
            bodies.append(scene.add([shape], (x, y), angle, LENGTH / 2))
        for a, b in pairwise(bodies):
            spring = pymunk.DampedRotarySpring(a, b, 0.0, STIFFNESS, DAMPING)
            scene.space.add(pymunk.PivotJoint(a, b, (half, 0), (-half, 0)), spring)
        scene.move(control)
        return np.array([(*body.position, body.angle) for body in bodies]).ravel()

    def seen(self, layout: Array) -> Array:
        """See `Task`."""
        return ends_of(layout)[KEYS].ravel()

    def cost(self, state: Array) -> float:
        """The mean distance of the points from the target."""
        return float(np.linalg.norm((state[:8] - self.target).reshape(4, 2), axis=1).mean())

    def success(self, state: Array) -> bool:
        """See `Task`."""
        return self.cost(state) < SUCCESS

    def picture(self) -> NDArray[np.uint8]:
        """See `Task`."""
        picture = Picture(WORKSPACE)
        ends = ends_of(self.layout)
        for point in self.target.reshape(-1, 2):
            picture.circle(point, 9, "#9fd0ab")
        picture.line(ends, 2 * RADIUS, "#4878a8")
        for point in ends[KEYS]:
            picture.circle(point, 5, "#1b3350")
        picture.circle(self.pusher, PUSHER, "#d1495b")
        return picture.pixels()


def ends_of(layout: Array) -> Array:
    """The ends of the segments, (21, 2); where two meet, their middle."""
    x, y, angle = layout.reshape(-1, 3).T
    centre, arm = np.stack([x, y], axis=1), LENGTH / 2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    first, last = centre - arm, centre + arm
    return np.concatenate([first[:1], (first[1:] + last[:-1]) / 2, last[-1:]])


def chain(angles: Array) -> Array:
    """The ends of segments at these angles, from the origin, (segments + 1, 2)."""
    steps = LENGTH * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def _poses(ends: Array) -> Array:
    along = np.diff(ends, axis=0)
    angle = np.unwrap(np.arctan2(along[:, 1], along[:, 0]))
    return np.column_stack([(ends[1:] + ends[:-1]) / 2, angle]).ravel()
