"""`Sort-v0`: push discs of two or three colours to the piles of their colours.

The state is the centres of the discs (disc_0_x ... ) and the pusher; the stage cost is the mean distance of the discs
from the edges of their piles. Disc k has colour k modulo the number of piles.
"""

import numpy as np
import pymunk
from numpy.typing import NDArray

from environments.draw import Picture
from environments.task import PUSHER, WORKSPACE, Array, Scene, Task, clear

DISC, PILE = 20.0, 70.0
"""Radii of discs and piles; a disc belongs to its pile with its centre inside."""

COLOURS, PALE = ("#4878a8", "#e0a030", "#6a9f58"), ("#c5d6e6", "#f6e2bd", "#d0e3ca")


class Sort(Task):
    """Push discs to their piles. The layout is the centres of the discs, one after the other."""

    compact = 0.0

    def __init__(self, discs: int = 4, piles: int = 2, render_mode: str | None = None) -> None:
        if not 2 <= discs <= 8:
            raise ValueError(f"discs is {discs}; give 2 to 8")
        if piles not in (2, 3):
            raise ValueError(f"piles is {piles}; give 2 or 3")
        self.discs, self.piles = discs, piles
        self.state_names = (*(f"disc_{k}_{axis}" for k in range(discs) for axis in "xy"), "pusher_x", "pusher_y")
        super().__init__(2 * piles, render_mode)
        self.layout = np.zeros(2 * discs)

    def draw_layout(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """See `Task`."""
        places: list[Array] = []
        while len(places) < self.discs:
            place = rng.uniform(0.15 * WORKSPACE, 0.85 * WORKSPACE, 2)
            if all(np.linalg.norm(place - other) > 2 * DISC + 2 for other in places):
                places.append(place)
        centres = np.array(places)

        def free(place: Array) -> bool:
            return bool(np.linalg.norm(centres - place, axis=1).min() > DISC + PUSHER + 1)

        return centres.ravel(), clear(rng, free, centres[rng.integers(self.discs)], DISC + PUSHER + 2, 90)

    def draw_target(self, rng: np.random.Generator) -> Array:
        """The centres of the piles."""
        if self.piles == 2:
            return np.array([0.2, 0.5, 0.8, 0.5]) * WORKSPACE
        return np.array([0.2, 0.25, 0.8, 0.25, 0.5, 0.8]) * WORKSPACE

    def moved(self, layout: Array, pusher: Array, control: Array) -> Array:
        """See `Task`."""
        scene, bodies = Scene(pusher), []
        for centre in layout.reshape(-1, 2):
            body = pymunk.Body()
            bodies.append(scene.add([pymunk.Circle(body, DISC)], centre, 0.0, DISC / 1.5))
        edge = WORKSPACE + 1.0
        corners = [(-1.0, -1.0), (edge, -1.0), (edge, edge), (-1.0, edge)]
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            scene.space.add(pymunk.Segment(scene.space.static_body, a, b, 1.0))
        scene.move(control)
        return np.array([body.position for body in bodies]).ravel()

    def seen(self, layout: Array) -> Array:
        """See `Task`."""
        return layout

    def cost(self, state: Array) -> float:
        """The mean distance of the discs from the edges of their piles."""
        return float(np.maximum(self._away(state) - PILE, 0.0).mean())

    def success(self, state: Array) -> bool:
        """Whether every disc is in its pile."""
        return bool((self._away(state) <= PILE).all())

    def _away(self, state: Array) -> Array:
        centres = state[: 2 * self.discs].reshape(-1, 2)
        piles = self.target.reshape(-1, 2)[np.arange(self.discs) % self.piles]
        return np.asarray(np.linalg.norm(centres - piles, axis=1))

    def picture(self) -> NDArray[np.uint8]:
        """See `Task`."""
        picture = Picture(WORKSPACE)
        for k, pile in enumerate(self.target.reshape(-1, 2)):
            picture.circle(pile, PILE, PALE[k])
        for k, centre in enumerate(self.layout.reshape(-1, 2)):
            picture.circle(centre, DISC, COLOURS[k % self.piles])
        picture.circle(self.pusher, PUSHER, "#d1495b")
        return picture.pixels()
