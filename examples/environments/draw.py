"""Pictures of the plane, without a display."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE, SMOOTH = 320, 3
"""Pixels of a side, and how many times finer it is drawn."""


class Picture:
    """A white square of `extent` px of the world; y points up."""

    def __init__(self, extent: float, background: str = "#fbfbf8") -> None:
        self.scale, self.side = SIZE * SMOOTH / extent, SIZE * SMOOTH
        self.image = Image.new("RGB", (self.side, self.side), background)
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, corners: NDArray[np.float64], colour: str) -> None:
        """A filled polygon (k, 2)."""
        self.draw.polygon([self._at(corner) for corner in corners], fill=colour)

    def circle(self, centre: NDArray[np.float64], radius: float, colour: str) -> None:
        """A filled circle."""
        (x, y), r = self._at(centre), radius * self.scale
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def line(self, points: NDArray[np.float64], width: float, colour: str) -> None:
        """A line of some width through points (k, 2)."""
        self.draw.line([self._at(p) for p in points], fill=colour, width=round(width * self.scale), joint="curve")

    def pixels(self) -> NDArray[np.uint8]:
        """The picture, (SIZE, SIZE, 3)."""
        return np.asarray(self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS), dtype=np.uint8)

    def _at(self, point: NDArray[np.float64]) -> tuple[float, float]:
        return float(point[0]) * self.scale, self.side - float(point[1]) * self.scale
