"""`Push-v0`: push an object to a pose.

The state is four points fixed to the object (key_0_x ... key_3_y) and the pusher; the stage cost is the mean distance
of the points from where they are at the target pose. Shapes: "T", "L", "box".
"""

import numpy as np
import pymunk
from numpy.typing import NDArray

from environments.draw import Picture
from environments.task import PUSHER, WORKSPACE, Array, Scene, Task, clear

SUCCESS = 10.0
"""Largest mean distance of the points from the target that counts as there, px."""

BAR, STEM, BOX = (-60, 0, 60, 30), (-15, -90, 15, 0), (-50, -35, 50, 35)
SHAPES = {"T": (BAR, STEM), "L": ((-60, 0, 40, 30), (-60, -90, -30, 0)), "box": (BOX,)}
"""Rectangles (left, bottom, right, top), before they are centred on the centre of mass."""

POINTS = {
    "T": ((-60, 15), (60, 15), (0, 15), (0, -90)),
    "L": ((-60, 15), (40, 15), (-45, 15), (-45, -90)),
    "box": ((-50, -35), (50, -35), (50, 35), (-50, 35)),
}


class Push(Task):
    """Push an object to a pose. The layout is the pose (x, y, angle)."""

    state_names = (*(f"key_{k}_{axis}" for k in range(4) for axis in "xy"), "pusher_x", "pusher_y")
    full_state_names = ("x", "y", "angle", "pusher_x", "pusher_y")

    def __init__(self, shape: str = "T", render_mode: str | None = None) -> None:
        if shape not in SHAPES:
            raise ValueError(f"there is no shape {shape!r}; give one of {', '.join(SHAPES)}")
        super().__init__(8, render_mode)
        corners = [np.array([(a, b), (c, b), (c, d), (a, d)], dtype=float) for a, b, c, d in SHAPES[shape]]
        areas = np.array([(c - a) * (d - b) for a, b, c, d in SHAPES[shape]], dtype=float)
        centre = sum(area * part.mean(axis=0) for area, part in zip(areas, corners, strict=True)) / areas.sum()
        self.parts = [part - centre for part in corners]
        self.points = np.array(POINTS[shape], dtype=float) - centre
        self.layout = np.zeros(3)

    def keypoints(self, pose: Array) -> Array:
        """The four points at a pose, (8,)."""
        return _placed(self.points, pose).ravel()

    def draw_pose(self, rng: np.random.Generator) -> Array:
        """A random pose in the middle of the workspace."""
        return np.array([*rng.uniform(0.3 * WORKSPACE, 0.7 * WORKSPACE, 2), rng.uniform(-np.pi, np.pi)])

    def draw_layout(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """See `Task`."""
        pose = self.draw_pose(rng)
        return pose, clear(rng, lambda place: self.distance(pose, place) > PUSHER + 1, pose[:2], 40, 110)

    def draw_target(self, rng: np.random.Generator) -> Array:
        """See `Task`."""
        while True:
            target = self.keypoints(self.draw_pose(rng))
            if (target >= 0).all() and (target <= WORKSPACE).all():
                return target

    def moved(self, layout: Array, pusher: Array, control: Array) -> Array:
        """See `Task`."""
        scene, body = Scene(pusher), pymunk.Body()
        scene.add([pymunk.Poly(body, part.tolist()) for part in self.parts], layout[:2], layout[2], 40.0)
        scene.move(control)
        return np.array([*body.position, body.angle])

    def seen(self, layout: Array) -> Array:
        """See `Task`."""
        return self.keypoints(layout)

    def cost(self, state: Array) -> float:
        """The mean distance of the points from the target."""
        return float(np.linalg.norm((state[:8] - self.target).reshape(4, 2), axis=1).mean())

    def success(self, state: Array) -> bool:
        """See `Task`."""
        return self.cost(state) < SUCCESS

    def distance(self, pose: Array, place: Array) -> float:
        """How far a place is from the object, negative inside."""
        body = pymunk.Body()
        found = []
        for part in self.parts:
            shape = pymunk.Poly(body, _placed(part, pose).tolist())
            shape.cache_bb()
            found.append(shape.point_query(tuple(place)).distance)
        return float(min(found))

    def picture(self) -> NDArray[np.uint8]:
        """See `Task`."""
        picture = Picture(WORKSPACE)
        target = _pose_of(self.points, self.target)
        for part in self.parts:
            picture.polygon(_placed(part, target), "#b7dfc0")
        for part in self.parts:
            picture.polygon(_placed(part, self.layout), "#4878a8")
        for point in _placed(self.points, self.layout):
            picture.circle(point, 4, "#1b3350")
        picture.circle(self.pusher, PUSHER, "#d1495b")
        return picture.pixels()


def _placed(points: Array, pose: Array) -> Array:
    c, s = np.cos(pose[2]), np.sin(pose[2])
    return np.asarray(points @ np.array([[c, s], [-s, c]]) + pose[:2])


def _pose_of(points: Array, keypoints: Array) -> Array:
    """The pose that puts the points nearest to keypoints (Kabsch)."""
    seen, middle = keypoints.reshape(-1, 2), points.mean(axis=0)
    a, b = points - middle, seen - seen.mean(axis=0)
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    pose = np.array([0.0, 0.0, angle])
    pose[:2] = seen.mean(axis=0) - _placed(middle[None], pose)[0]
    return pose
