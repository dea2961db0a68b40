"""Bounds from data: the smallest and largest value each unit takes over a data set. Unsound.

The choice of Liu et al., "Model-Based Control with Sparse Neural Dynamics" (NeurIPS 2023): a plan should stay where
the model has seen data, and there the pre-activations stay inside what the data showed. Nothing proves that they do:
the bounds may cut off the optimum, so they are marked unsound and every answer that rests on them says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array
from relu2mip.bounds.bounds import Bounds, intersect
from relu2mip.errors import CrossedBounds, InvalidOption, InvalidProblem
from relu2mip.normal_form import Affine, Max, Relu
from relu2mip.normal_form.unrolled import Unrolled


@dataclass(frozen=True)
class Data:
    """Minimum and maximum of every unit over samples, widened on each side by `margin` times their distance.

    samples: arrays by name. For a trajectory `state` (N, n) and `control` (N, m), with a window (N, window, n) and
    (N, window, m), oldest first; for a network over a box, its inputs by name, (N, size). Or `path`: an .npz file of
    such arrays. Apply it after a method that bounds everything, as in "ibp+data(path=transitions.npz)".
    """

    path: str = ""
    margin: float = 0.0
    samples: Mapping[str, Array] | None = None
    name: ClassVar[str] = "data"
    sound: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if (not self.path) == (self.samples is None):
            raise InvalidOption("data bounds need samples, or the path of an .npz file with them (not both)")
        if not self.margin >= 0:
            raise InvalidOption(f"data bounds: margin is {self.margin}; give 0 or more")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        """Intersect the bounds of every unit inside a step with those seen in the data; states and controls stay."""
        values = unrolled.step.evaluate_all(unrolled.step_inputs(self._load()))
        boxes: dict[int, tuple[Array, Array]] = {}
        for j, batch in enumerate(values):
            if isinstance(unrolled.step.values[j], Affine | Relu | Max):
                low, high = batch.min(axis=0), batch.max(axis=0)
                room = self.margin * (high - low)
                boxes[j] = low - room, high + room
        lower, upper = list(bounds.lower), list(bounds.upper)
        for i, j in unrolled.step_value.items():
            if j in boxes and i not in unrolled.domain:
                try:
                    lower[i], upper[i] = intersect(bounds.form, i, (lower[i], upper[i]), boxes[j])
                except CrossedBounds as error:
                    raise InvalidProblem(f"the data never reach where the sets are: {error}") from error
        return Bounds(bounds.form, tuple(lower), tuple(upper), bounds.provenance)

    def _load(self) -> Mapping[str, Array]:
        if self.samples is not None:
            return self.samples
        if not Path(self.path).is_file():
            raise InvalidProblem(f"data bounds: there is no file {self.path}")
        with np.load(self.path) as archive:
            return {key: archive[key] for key in archive.files}

    def __str__(self) -> str:
        what = f"path={self.path}" if self.path else "samples"
        return f"data({what},margin={self.margin:g})"
