"""Bounds from data: the smallest and largest value each unit takes over a data set. Unsound.

The choice of Liu et al., "Model-Based Control with Sparse Neural Dynamics" (NeurIPS 2023): a plan should stay where
the model has seen data, and there the pre-activations stay inside what the data showed. Nothing proves that they do:
the bounds may cut off the optimum, so they are marked unsound and every answer that rests on them says so. Half of the
data would say less than all of them: where time is up before the last sample, the bounds stay as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import CrossedBounds, InvalidOption, InvalidProblem
from relu2mip.normal_form import Affine, Max, NormalForm, Relu
from relu2mip.options import settle
from relu2mip.runtime.deadline import expired
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.intersect import intersect
from relu2mip.unrolled.provenance import Grade
from relu2mip.unrolled.tightened import Tightened
from relu2mip.unrolled.unrolled import Unrolled

log = logging.getLogger(__name__)

BATCH = 4096
"""Samples evaluated at once."""


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
    grade: ClassVar[Grade] = Grade.UNSOUND

    def __post_init__(self) -> None:
        settle(self)
        if (not self.path) == (self.samples is None):
            raise InvalidOption("data bounds need samples, or the path of an .npz file with them (not both)")
        if not self.margin >= 0:
            raise InvalidOption(f"data bounds: margin is {self.margin}; give 0 or more")

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Tightened:
        """Intersect the bounds of every unit inside a step with those seen in the data; states and controls stay."""
        boxes = self._seen(unrolled.step, unrolled.step_inputs(self._load()))
        if boxes is None:
            log.warning("data: time is up before all samples were seen; the bounds stay as they were")
            return Tightened(bounds.lower, bounds.upper, detail={"complete": 0})
        lower, upper = list(bounds.lower), list(bounds.upper)
        for i, j in unrolled.step_value.items():
            if j in boxes and i not in unrolled.domain:
                try:
                    lower[i], upper[i] = intersect(bounds.form, i, lower, upper, boxes[j])
                except CrossedBounds as error:
                    raise InvalidProblem(f"the data never reach where the sets are: {error}") from error
        return Tightened(tuple(lower), tuple(upper))

    def _seen(self, step: NormalForm, inputs: Mapping[str, Array]) -> dict[int, tuple[Array, Array]] | None:
        """The widened range of each value of a step that is no input; None where time is up before the last sample."""
        count = max(np.shape(x)[0] for x in inputs.values())
        ranges: dict[int, tuple[Array, Array]] = {}
        for at in range(0, count, BATCH):
            if expired():
                return None
            values = step.evaluate_all({name: np.asarray(x)[at : at + BATCH] for name, x in inputs.items()})
            for j, batch in enumerate(values):
                if isinstance(step.values[j], Affine | Relu | Max):
                    low, high = ranges.get(j, (np.inf, -np.inf))
                    ranges[j] = np.minimum(low, batch.min(axis=0)), np.maximum(high, batch.max(axis=0))
        rooms = {j: self.margin * (high - low) for j, (low, high) in ranges.items()}
        return {j: (low - rooms[j], high + rooms[j]) for j, (low, high) in ranges.items()}

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
