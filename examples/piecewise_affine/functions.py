"""Two functions of the plane with four affine pieces each, which two ReLUs can say, and samples of them.

`crossing`: the pieces meet in two lines that cross.

    f(x, y) = 0.4 x - 0.3 y + relu(x + 0.5 y - 0.1) - 1.2 relu(y - 0.6 x + 0.15)

`bent`: the second border depends on the first, so that it bends where it meets it: a ReLU of a ReLU.

    f(x, y) = 0.3 y - 0.8 h + relu(1.5 h - y - 0.3),   h = relu(x + 0.3 y + 0.1)

Both are written down as their pieces; the formulas above are what a network has to find.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Border:
    """Where the plane is cut: the points with x · normal + offset = 0, one line on each side of an earlier border.

    normals (2, 2), offsets (2,): for points behind the earlier border, and in front of it.
    """

    normals: ArrayLike
    offsets: ArrayLike

    def front(self, points: Array, side: NDArray[np.intp]) -> NDArray[np.intp]:
        """1 for points (N, 2) in front and 0 behind, given on which side of the earlier border they are (N,)."""
        distance = np.einsum("ij,ij->i", np.asarray(self.normals)[side], points) + np.asarray(self.offsets)[side]
        return (distance > 0).astype(np.intp)


@dataclass(frozen=True)
class PiecewiseAffine:
    """Four affine pieces between two borders.

    gradients (4, 2), offsets (4,): of the pieces behind both borders, in front of the second, of the first, of both.
    """

    name: str
    first: Border
    second: Border
    gradients: ArrayLike
    offsets: ArrayLike

    def piece(self, points: Array) -> NDArray[np.intp]:
        """The number of the piece that each point (N, 2) is in."""
        side = self.first.front(points, np.zeros(len(points), dtype=np.intp))
        return 2 * side + self.second.front(points, side)

    def __call__(self, points: Array) -> Array:
        """Values (N,) at points (N, 2)."""
        piece = self.piece(points)
        return np.einsum("ij,ij->i", np.asarray(self.gradients)[piece], points) + np.asarray(self.offsets)[piece]

    def samples(self, count: int, seed: int) -> tuple[Array, Array]:
        """Random points of the square [-1, 1]² and their values."""
        points = np.random.default_rng(seed).uniform(-1, 1, (count, 2))
        return points, self(points)


def grid(side: int = 200) -> Array:
    """The points (side², 2) of a grid over the square [-1, 1]², y running fastest."""
    axis = np.linspace(-1, 1, side)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)


CROSSING = PiecewiseAffine(
    "crossing",
    first=Border([[1.0, 0.5]] * 2, [-0.1] * 2),
    second=Border([[-0.6, 1.0]] * 2, [0.15] * 2),
    gradients=[[0.4, -0.3], [1.12, -1.5], [1.4, 0.2], [2.12, -1.0]],
    offsets=[0.0, -0.18, -0.1, -0.28],
)
BENT = PiecewiseAffine(
    "bent",
    first=Border([[1.0, 0.3]] * 2, [0.1] * 2),
    second=Border([[0.0, -1.0], [1.5, -0.55]], [-0.3, -0.15]),
    gradients=[[0.0, 0.3], [0.0, -0.7], [-0.8, 0.06], [0.7, -0.49]],
    offsets=[0.0, -0.3, -0.08, -0.23],
)
FUNCTIONS = {function.name: function for function in (CROSSING, BENT)}
