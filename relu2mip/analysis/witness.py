"""Witnesses: points of a box at which an entry of a network's Jacobian is not 0, found by evaluating there.

An entry counts as not 0 above `ROUNDING` times the sum of the absolute weights of all its paths, which is how large it
could be if nothing cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from relu2mip.analysis.pointwise import jacobians_at
from relu2mip.arrays import Array, Mask, dense
from relu2mip.normal_form import Affine, Input, Max, NormalForm

SAMPLES = 256
"""Random points where Jacobians are evaluated."""

ROUNDING = 1e-12
"""An entry below this share of the sum of all its paths is rounding of a 0."""

PIECES, HALVINGS, NEAR = 32, 8, (0.0, 1e-9, 1e-6, 1e-3)
"""How a line is searched: into how many pieces it is cut, how often, and how far beside it points are tried, as shares
of the box."""


@dataclass(frozen=True, eq=False)
class Witnesses:
    """What looks for points: a form, the box of its inputs, laid end to end, and the values that are its outputs."""

    form: NormalForm
    low: Array
    high: Array
    outputs: tuple[int, ...]

    @cached_property
    def smallest(self) -> Array:
        """Absolute values of entries up to here are rounding, (outputs, inputs)."""
        return ROUNDING * paths(self.form, self.outputs)

    def at(self, points: Array) -> Mask:
        """Which entries are not 0 at points (B, inputs), (B, outputs, inputs)."""
        return np.asarray(np.abs(self._jacobians(points)) > self.smallest)

    def random(self) -> Array:
        """For each entry one of some random points, always the same, where it is not 0; (outputs, inputs, inputs).

        NaN where there is none.
        """
        points = np.random.default_rng(0).uniform(self.low, self.high, (SAMPLES, self.low.size))
        there = self.at(points)
        anywhere: Mask = np.asarray(there.any(axis=0))
        return np.where(anywhere[..., None], points[there.argmax(axis=0)], np.nan)

    def between(self, start: Array, i: int, end: float, j: int) -> Array | None:
        """A point where output j has a slope by input i, on the line from a point along that input, or beside it.

        The piece of the line where the output rises most steeply has such points; kinks may lie along the line, so
        points beside it are tried, too.
        """
        a, b = float(start[i]), end
        rng = np.random.default_rng(0)
        width = self.high - self.low
        for _ in range(HALVINGS):
            line = np.repeat(start[None], PIECES + 1, axis=0)
            line[:, i] = np.linspace(a, b, PIECES + 1)
            steepest = int(np.abs(np.diff(self._values(line)[:, j])).argmax())
            a, b = line[steepest, i], line[steepest + 1, i]
            tried = np.repeat(start[None], 8 * len(NEAR), axis=0)
            tried[:, i] = (a + b) / 2
            tried += np.repeat(NEAR, 8)[:, None] * width * rng.uniform(-1, 1, tried.shape)
            tried = np.clip(tried, self.low, self.high)
            if (there := self.at(tried)[:, j, i]).any():
                return np.asarray(tried[int(there.argmax())])
        return None

    def _split(self, points: Array) -> dict[str, Array]:
        ends = np.cumsum([self.form.values[i].size for i in self.form.inputs.values()])[:-1]
        return dict(zip(self.form.inputs, np.split(points, ends, axis=1), strict=True))

    def _values(self, points: Array) -> Array:
        every = self.form.evaluate_all(self._split(points))
        return np.concatenate([np.broadcast_to(every[k], (len(points), every[k].shape[-1])) for k in self.outputs], 1)

    def _jacobians(self, points: Array) -> Array:
        names = {str(k): k for k in self.outputs}
        own = NormalForm(self.form.values, self.form.inputs, names)
        return jacobians_at(own, self._split(points), {name: own.values[k].size for name, k in names.items()})


def paths(form: NormalForm, outputs: tuple[int, ...]) -> Array:
    """The sum of the absolute weights of all paths from each input to each output, (outputs, inputs)."""
    inputs = tuple(form.inputs.values())
    ends = np.cumsum([0, *(form.values[i].size for i in inputs)])
    found: list[Array] = []
    for i, value in enumerate(form.values):
        made = np.zeros((value.size, int(ends[-1])))
        if isinstance(value, Affine):
            pairs = zip(value.inputs, value.matrices, strict=True)
            made = reduce(np.add, (np.abs(dense(matrix)) @ found[k] for k, matrix in pairs), made)
        elif isinstance(value, Input):
            at = inputs.index(i)
            made[:, ends[at] : ends[at + 1]] = np.eye(value.size)
        elif isinstance(value, Max):
            made = np.maximum.reduceat(found[value.input][value.members], value.starts[:-1], axis=0)
        else:
            made = found[value.input]
        found.append(made)
    return np.concatenate([found[i] for i in outputs])
