"""Random dynamics networks: hidden layers are random, the output is fitted to a damped, mildly non-linear system.

Nearly all units are unstable over the box of states, which favours no method.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import InvalidOption
from relu2mip.frontends.onnx.chain import Layer, write_chain
from relu2mip.options import settle

STATE_LIMIT, CONTROL_LIMIT = 2.0, 1.0
"""The box of states and controls that a random network is made for."""


@dataclass(frozen=True)
class Random:
    """A random ReLU network of the change of state, drawn until random roll-outs stay in the state box.

    width: ReLUs of each of `layers` hidden layers.
    """

    width: int = 16
    layers: int = 2
    seed: int = 0
    states: int = 4
    controls: int = 1

    def __post_init__(self) -> None:
        settle(self)
        if min(self.width, self.layers, self.states, self.controls) < 1 or self.seed < 0:
            raise InvalidOption(f"random network: {self} must have sizes of at least 1 and a seed of at least 0")

    def __str__(self) -> str:
        """Its name, and that of its file."""
        sizes = "" if (self.states, self.controls) == (4, 1) else f"_{self.states}-{self.controls}"
        return f"random_{self.layers}x{self.width}{sizes}_{self.seed}"

    def write(self, folder: Path) -> Path:
        """Write its file, unless it is there: numbers that differ in the last digit would be another network."""
        path = folder.resolve() / f"{self}.onnx"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".part")
            write_chain(partial, self.drawn())
            partial.replace(path)
        return path

    def drawn(self) -> list[Layer]:
        """The layers, inputs first: states, then controls."""
        rng = np.random.default_rng(self.seed)
        n, m = self.states, self.controls
        while True:
            hidden = random_layers([n + m, *[self.width] * self.layers], rng)
            drive = rng.uniform(-1.0, 1.0, (m, n))
            coupling = rng.uniform(-1.0, 1.0, (n, n)) / n
            limit = np.array([STATE_LIMIT] * n + [CONTROL_LIMIT] * m)
            points = rng.uniform(-limit, limit, (4096, n + m))
            state, control = points[:, :n], points[:, n:]
            change = -0.3 * state + 0.15 * control @ drive + 0.1 * np.sin(2.0 * state @ coupling)
            features = np.column_stack([evaluate(hidden, points, relu_last=True), np.ones(len(points))])
            output = np.linalg.solve(features.T @ features + np.eye(self.width + 1), features.T @ change)
            layers: list[Layer] = [
                *hidden,
                (np.array(output[:-1], dtype=np.float64), np.array(output[-1], dtype=np.float64)),
            ]
            if _stays_in_box(layers, n, m, rng):
                return layers


def _stays_in_box(layers: list[Layer], n: int, m: int, rng: np.random.Generator) -> bool:
    """Whether 256 roll-outs of 200 steps under random controls stay in the state box."""
    x = rng.uniform(-1.0, 1.0, (256, n))
    for _ in range(200):
        u = rng.uniform(-CONTROL_LIMIT, CONTROL_LIMIT, (len(x), m))
        x = x + evaluate(layers, np.column_stack([x, u]))
        if np.abs(x).max() > STATE_LIMIT:
            return False
    return True


def random_layers(sizes: list[int], rng: np.random.Generator) -> list[Layer]:
    """A random ReLU chain with the given layer sizes, inputs first."""
    return [
        (rng.normal(0.0, (2.0 / fan_in) ** 0.5, (fan_in, fan_out)), rng.uniform(-0.5, 0.5, fan_out))
        for fan_in, fan_out in pairwise(sizes)
    ]


def evaluate(layers: list[Layer], points: Array, relu_last: bool = False) -> Array:
    """Values of a ReLU chain at points (batch, in)."""
    for index, (weight, bias) in enumerate(layers):
        points = points @ weight + bias
        if relu_last or index < len(layers) - 1:
            points = np.maximum(points, 0.0)
    return points
