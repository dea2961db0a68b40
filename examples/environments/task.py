"""What the contact tasks share: a pusher in the plane, things that it moves, and a target.

Everything is quasi-static: after each transition all is at rest, so the state is where things are, and the next state
is a function of state and control. The physics engine (pymunk) keeps impulses of contacts from step to step, so a space
is built anew for every transition; a step from a state that was set is then equal to the original, to the last digit.
Lengths are pixels.
"""

from abc import abstractmethod
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pymunk
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

WORKSPACE = 500.0
"""The pusher stays in [0, WORKSPACE]^2; what it pushes may leave it by its own size."""

BEYOND = 300.0
REACH = 30.0
"""How far a control moves the pusher in a step, at most, along each axis."""

PUSHER = 10.0
"""Radius of the pusher."""

SUBSTEPS, SUBSTEP = 10, 1 / 60
FRICTION = 400.0
"""Deceleration by the ground, px/s^2."""


class Scene:
    """A pymunk space with a pusher, for one transition.

    contact: coefficient of friction between things.  ground: deceleration by the ground, px/s^2.  density: of things.
    """

    contact, ground, density = 0.8, FRICTION, 1e-3

    def __init__(self, pusher: Array, iterations: int = 20) -> None:
        self.space = pymunk.Space()
        self.space.iterations = iterations
        self.pusher = pymunk.Body(body_type=pymunk.Body.KINEMATIC)
        self.pusher.position = tuple(pusher)
        circle = pymunk.Circle(self.pusher, PUSHER)
        circle.friction = self.contact
        self.space.add(self.pusher, circle)

    def add(self, shapes: list[pymunk.Shape], position: ArrayLike, angle: float, radius: float) -> pymunk.Body:
        """A body of these shapes on the rough ground; radius: of gyration, for friction against turning."""
        body = shapes[0].body
        for shape in shapes:
            shape.density, shape.friction = self.density, self.contact
        self.space.add(body, *shapes)
        body.position, body.angle = tuple(np.asarray(position, dtype=float)), float(angle)
        slide = pymunk.PivotJoint(self.space.static_body, body, (0, 0), body.center_of_gravity)
        turn = pymunk.GearJoint(self.space.static_body, body, 0.0, 1.0)
        slide.max_bias = turn.max_bias = 0.0
        slide.max_force = self.ground * body.mass
        turn.max_force = slide.max_force * radius
        self.space.add(slide, turn)
        return body

    def move(self, control: Array) -> None:
        """Move the pusher by a control, and everything that is in its way."""
        self.pusher.velocity = tuple(control / (SUBSTEPS * SUBSTEP))
        for _ in range(SUBSTEPS):
            self.space.step(SUBSTEP)


class Task(gymnasium.Env[Array, Array]):
    """A contact task.

    The observation is the `state` followed by the target; rewards are minus the stage cost over 100. A subclass has
    `layout`, everything that moves (which may be more than is observed), and maps it to states.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}
    state_names: tuple[str, ...]
    control_names = ("push_x", "push_y")
    compact = 1.0
    """1 where what is seen are points of one thing, 0 where each is a thing of its own."""

    def __init__(self, target_size: int, render_mode: str | None = None) -> None:
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f'render_mode is {render_mode!r}; give "rgb_array" or None')
        self.render_mode = render_mode
        self.action_space = gymnasium.spaces.Box(-REACH, REACH, (2,), np.float64)
        size = len(self.state_names) + target_size
        self.observation_space = gymnasium.spaces.Box(-BEYOND, WORKSPACE + BEYOND, (size,), np.float64)
        self.layout: Array = np.zeros(0)
        self.pusher: Array = np.zeros(2)
        self.target: Array = np.zeros(target_size)

    @abstractmethod
    def draw_layout(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """A random layout, and a place for the pusher that touches nothing."""

    @abstractmethod
    def draw_target(self, rng: np.random.Generator) -> Array:
        """A random target."""

    @abstractmethod
    def moved(self, layout: Array, pusher: Array, control: Array) -> Array:
        """The layout after the pusher has moved by a control that keeps it in the workspace."""

    @abstractmethod
    def seen(self, layout: Array) -> Array:
        """What of a layout is observed, all states but the pusher's."""

    @abstractmethod
    def cost(self, state: Array) -> float:
        """The stage cost at a state: a mean distance to the target, in px."""

    @abstractmethod
    def success(self, state: Array) -> bool:
        """Whether a state is at the target."""

    @abstractmethod
    def picture(self) -> NDArray[np.uint8]:
        """Where everything is, (height, width, 3)."""

    @property
    def state(self) -> Array:
        """What is observed of the layout, and the pusher."""
        return np.concatenate([self.seen(self.layout), self.pusher])

    difference: ClassVar[float] = 1e-6
    """Relative step for finite differences."""

    @property
    def full_state(self) -> Array:
        """Everything that the next state depends on: the layout and the pusher."""
        return np.concatenate([self.layout, self.pusher])

    @property
    def full_state_names(self) -> tuple[str, ...]:
        """Names of its entries."""
        return (*(f"layout_{k}" for k in range(self.layout.size)), "pusher_x", "pusher_y")

    def next_state(self, state: Array, control: Array) -> Array:
        """The full state after a control, from any full state."""
        return np.concatenate(self.transition(state[:-2], state[-2:], control))

    def contacts(self, state: Array, control: Array) -> int:
        """Whether a control moves anything but the pusher."""
        return int(np.abs(self.next_state(state, control)[:-2] - state[:-2]).max() > 1e-6)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """A random layout and target; options: `layout`, `pusher` or `target` to give them."""
        super().reset(seed=seed)
        given = options or {}
        for key in given:
            if key not in ("layout", "pusher", "target"):
                raise ValueError(f"reset has no option {key!r}; give layout, pusher or target")
        self.layout, self.pusher = self.draw_layout(self.np_random)
        self.target = self.draw_target(self.np_random)
        for key, value in given.items():
            setattr(self, key, self._checked(key, value))
        return self._observation(), self._info(0.0)

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """Move the pusher; an episode does not end at the target, so that staying there counts."""
        before = self.seen(self.layout)
        self.layout, self.pusher = self.transition(self.layout, self.pusher, np.asarray(action, dtype=np.float64))
        info = self._info(float(np.abs(self.seen(self.layout) - before).max()))
        return self._observation(), -info["cost"] / 100.0, False, False, info

    def transition(self, layout: Array, pusher: Array, control: Array) -> tuple[Array, Array]:
        """The layout and the pusher after a control, which is cut to the reach and to the workspace."""
        if not np.isfinite(control).all():
            raise ValueError(f"the control is {control}; give finite numbers")
        following = np.clip(pusher + np.clip(control, -REACH, REACH), 0.0, WORKSPACE)
        return self.moved(layout, pusher, following - pusher), following

    def render(self) -> NDArray[np.uint8] | None:
        """The picture, in mode "rgb_array"."""
        return self.picture() if self.render_mode == "rgb_array" else None

    def _checked(self, key: str, value: ArrayLike) -> Array:
        wanted = getattr(self, key)
        array = np.asarray(value, dtype=np.float64)
        if array.shape != wanted.shape or not np.isfinite(array).all():
            raise ValueError(f"{key} has shape {array.shape}; give {wanted.shape} finite numbers")
        low, high = (0.0, WORKSPACE) if key == "pusher" else (-BEYOND, WORKSPACE + BEYOND)
        if key == "target":
            low, high = 0.0, WORKSPACE
        if key != "layout" and ((array < low) | (array > high)).any():
            raise ValueError(f"{key} {array.round(1)} is outside the workspace, [{low:g}, {high:g}]; move it inside")
        return array

    def _observation(self) -> Array:
        return np.clip(np.concatenate([self.state, self.target]), -BEYOND, WORKSPACE + BEYOND)

    def _info(self, moved: float) -> dict[str, Any]:
        return {"cost": self.cost(self.state), "success": self.success(self.state), "moved": moved}


def clear(rng: np.random.Generator, free: Any, centre: Array, near: float, far: float) -> Array:
    """A random place for the pusher, `near` to `far` from a centre, where `free` says that nothing is."""
    for _ in range(1000):
        angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(near, far)
        place = centre + distance * np.array([np.cos(angle), np.sin(angle)])
        if (place >= 0).all() and (place <= WORKSPACE).all() and free(place):
            return place
    raise ValueError("there is no room for the pusher; give a layout with more")
