"""Zonotopes: every value of a form over many small cells of the inputs at once, in one forward pass.

A value over a cell is written  y = c + G e,  e in [-1, 1]^S.  The first entries of e are the inputs that are free,
scaled to the cell; each nonlinear unit that a cell leaves undecided adds one of its own: with pre-activation x in
[l, u], l < 0 < u, and s = u / (u - l),

    relu(x) = s x - s l / 2 + e_new s l / 2 ,

the parallelogram of smallest area around the graph; a maximum without a member that dominates is an interval. What is
known of a value beforehand narrows its interval, and a state whose interval became much narrower than its zonotope
starts anew from it, as a box.

Cheaper than CROWN's backward passes, one forward pass for all values and cells, and looser over a large cell; over
small ones few units are undecided and both are nearly exact.

Source: Singh, Gehr, Mirman, Püschel, Vechev, "Fast and Effective Robustness Certification" (NeurIPS 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu2mip.arrays import Array, Index, Matrix, apply
from relu2mip.bounds.crown import ROUNDING
from relu2mip.normal_form import Affine, Input, Max, Relu
from relu2mip.normal_form.contenders import contenders, safest
from relu2mip.runtime.deadline import expired
from relu2mip.unrolled.bounds import Bounds
from relu2mip.unrolled.rounding import crossings

RESTART = 0.75
"""A state starts anew where its interval is narrower than this share of its zonotope's."""


@dataclass(frozen=True, eq=False)
class Zonotopes:
    """B cells of a form with d free inputs.

    centre (B, K), generators (B, K, S): of the outputs of the form, the values `outputs`, laid end to end.  lower,
    upper: of every value, (B, size) each.  emptied (B,): the first value that no point of the cell keeps within its
    bounds, -1 where there is none.  influence (B, d): by how much each free input spreads undecided units.  peak: the
    most numbers in the generators of one value.
    """

    centre: Array
    generators: Array
    lower: list[Array]
    upper: list[Array]
    emptied: Index
    influence: Array
    outputs: list[int]
    peak: int

    @property
    def box(self) -> tuple[Array, Array]:
        """Lower and upper bounds of the outputs, (B, K) each."""
        low, high = (np.concatenate([side[i] for i in self.outputs], axis=1) for side in (self.lower, self.upper))
        return low, high


class Propagation:
    """Forward passes over a form inside its bounds.

    free: of each input, by value, the units that are not fixed, and where they stand among all of these.  outputs: the
    values that the zonotopes are kept of.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.form, self.lower, self.upper = bounds.form, bounds.lower, bounds.upper
        self.outputs = list(dict.fromkeys(self.form.outputs.values()))
        self.free: dict[int, tuple[Index, slice]] = {}
        at = 0
        for i in self.form.inputs.values():
            units = np.flatnonzero(self.lower[i] < self.upper[i])
            self.free[i] = units, slice(at, at + units.size)
            at += units.size
        self._last_reader = [max(readers, default=-1) for readers in self.form.readers]
        self._magnitudes: dict[int, Matrix] = {}
        self._crossings = crossings(self.form, self.lower, self.upper)

    @property
    def box(self) -> tuple[Array, Array]:
        """The range of the free inputs, (d,) each."""
        low, high = (
            np.concatenate([np.zeros(0), *(side[i][units] for i, (units, _) in self.free.items())])
            for side in (self.lower, self.upper)
        )
        return low, high

    def points(self, free: Array) -> dict[str, Array]:
        """Inputs of the form by name, (B, size) each, at points (B, d) of the free ones."""
        batch = {}
        for name, i in self.form.inputs.items():
            units, where = self.free[i]
            batch[name] = np.tile(self.lower[i], (len(free), 1))
            batch[name][:, units] = free[:, where]
        return batch

    def run(self, low: Array, high: Array) -> Zonotopes | None:
        """Propagate the cells [low, high], (B, d) each; None where time is up before the last value."""
        state = _Pass(len(low), low.shape[1], self._crossings)
        for i, value in enumerate(self.form.values):
            if expired():
                return None
            known = np.tile(self.lower[i], (len(low), 1)), np.tile(self.upper[i], (len(low), 1))
            match value:
                case Input():
                    units, where = self.free[i]
                    known[0][:, units], known[1][:, units] = low[:, where], high[:, where]
                    state.input(units, where.start, *known)
                case Affine():
                    state.affine(value, self._magnitudes, *known)
                case Relu():
                    state.relu(value, *known)
                case Max():
                    state.max(value, *known)
            for k in set(value.reads):
                if self._last_reader[k] == i and k not in self.outputs:
                    state.forget(k)
        return state.result(self.outputs)


class _Pass:
    """One forward pass: what it knows of the values so far."""

    def __init__(self, count: int, free: int, crossings: list[Array]) -> None:
        self.count, self.free, self.symbols, self.crossings = count, free, free, crossings
        self.centre: list[Array] = []
        self.generators: list[Array] = []
        self.lower: list[Array] = []
        self.upper: list[Array] = []
        self.emptied = np.full(count, -1)
        self.influence = np.zeros((count, free))
        self.peak = 1

    def input(self, units: Index, first: int, lower: Array, upper: Array) -> None:
        generators = np.zeros((self.count, lower.shape[1], self.free))
        generators[:, units, first + np.arange(units.size)] = ((upper - lower) / 2)[:, units]
        self._add((lower + upper) / 2, generators, lower, upper)

    def affine(self, value: Affine, magnitudes: dict[int, Matrix], lower: Array, upper: Array) -> None:
        centre = np.tile(value.bias, (self.count, 1))
        magnitude = np.tile(np.abs(value.bias), (self.count, 1))
        parts = []
        for k, matrix in zip(value.inputs, value.matrices, strict=True):
            if id(matrix) not in magnitudes:
                magnitudes[id(matrix)] = abs(matrix)
            centre += apply(matrix, self.centre[k])
            magnitude += apply(magnitudes[id(matrix)], np.maximum(np.abs(self.lower[k]), np.abs(self.upper[k])))
            parts.append(_times(matrix, self.generators[k]))
        generators = _added(parts) if parts else np.zeros((self.count, value.size, self.free))
        radius = np.abs(generators).sum(axis=2) + ROUNDING * magnitude
        lower, upper = np.maximum(lower, centre - radius), np.minimum(upper, centre + radius)
        anew = (upper - lower) / 2 < RESTART * radius
        if value.kept and anew.any():
            generators = np.where(anew[:, :, None], 0.0, generators)
            generators = self._with_symbols(generators, np.where(anew, (upper - lower) / 2, 0.0))
            centre = np.where(anew, (lower + upper) / 2, centre)
        self._add(centre, generators, lower, upper)

    def relu(self, value: Relu, lower: Array, upper: Array) -> None:
        x = value.input
        low, high = self.lower[x], self.upper[x]
        undecided = (low < 0) & (high > 0)
        width = np.where(undecided, high - low, 1.0)
        slope = np.where(undecided, high / width, low >= 0)
        half = np.where(undecided, -slope * low / 2, 0.0)
        spread = np.abs(self.generators[x][:, :, : self.free])
        self.influence += np.matmul((half / width)[:, None, :], spread)[:, 0]
        generators = self._with_symbols(slope[:, :, None] * self.generators[x], half)
        box = np.maximum(lower, np.maximum(low, 0.0)), np.minimum(upper, np.maximum(high, 0.0))
        self._add(slope * self.centre[x] + half, generators, *box)

    def max(self, value: Max, lower: Array, upper: Array) -> None:
        x, members, starts = value.input, value.members, value.starts[:-1]
        low, high = self.lower[x][:, members], self.upper[x][:, members]
        floor = np.maximum.reduceat(low, starts, axis=1)
        lower, upper = np.maximum(lower, floor), np.minimum(upper, np.maximum.reduceat(high, starts, axis=1))
        # The member with the largest lower bound is the maximum everywhere if no other one can exceed that.
        dominates = np.add.reduceat(contenders(low, high, value.starts), starts, axis=1, dtype=np.intp) == 1
        places = np.where(safest(low, value.starts), np.arange(members.size), members.size)
        place = np.minimum.reduceat(places, starts, axis=1)
        best = members[place]
        rows = np.arange(self.count)[:, None]
        centre = np.where(dominates, self.centre[x][rows, best], (lower + upper) / 2)
        kept = np.where(dominates[:, :, None], self.generators[x][rows, best], 0.0)
        half = np.where(dominates, 0.0, (upper - lower) / 2)
        spread = np.abs(self.generators[x][rows, best, : self.free])
        self.influence += np.matmul(np.where(dominates, 0.0, 0.25)[:, None, :], spread)[:, 0]
        self._add(centre, self._with_symbols(kept, half), lower, upper)

    def forget(self, i: int) -> None:
        """Drop the generators of a value that nothing reads any more."""
        self.generators[i] = np.zeros((0, 0, 0))

    def result(self, outputs: list[int]) -> Zonotopes:
        """The outputs end to end."""
        centre = np.concatenate([self.centre[i] for i in outputs], axis=1)
        generators, at = np.zeros((*centre.shape, self.symbols)), 0
        for i in outputs:
            part = self.generators[i]
            generators[:, at : at + part.shape[1], : part.shape[2]] = part
            at += part.shape[1]
        return Zonotopes(centre, generators, self.lower, self.upper, self.emptied, self.influence, outputs, self.peak)

    def _with_symbols(self, generators: Array, half: Array) -> Array:
        """Generators with one more symbol, of this size, for each unit where any cell needs one."""
        units = np.flatnonzero(half.any(axis=0))
        more = np.zeros((self.count, half.shape[1], self.symbols + units.size))
        more[:, :, : generators.shape[2]] = generators
        more[:, units, self.symbols + np.arange(units.size)] = half[:, units]
        self.symbols += units.size
        return more

    def _add(self, centre: Array, generators: Array, lower: Array, upper: Array) -> None:
        crossed = lower - upper > self.crossings[len(self.centre)]
        self.emptied = np.where((self.emptied < 0) & crossed.any(axis=1), len(self.centre), self.emptied)
        self.peak = max(self.peak, generators.size)
        self.centre.append(centre)
        self.generators.append(generators)
        self.lower.append(np.minimum(lower, upper))
        self.upper.append(np.maximum(lower, upper))


def _added(parts: list[Array]) -> Array:
    """The sum of generators with different numbers of symbols."""
    parts = sorted(parts, key=lambda part: part.shape[2])
    total = parts.pop()
    for part in parts:
        total[:, :, : part.shape[2]] += part
    return total


def _times(matrix: Matrix, batch: Array) -> Array:
    """The matrix times each (n, s) of a batch (B, n, s)."""
    if isinstance(matrix, np.ndarray):
        return np.asarray(np.matmul(matrix, batch))
    count, size, width = batch.shape
    product = matrix @ batch.transpose(1, 0, 2).reshape(size, count * width)
    return np.ascontiguousarray(product.reshape(matrix.shape[0], count, width).transpose(1, 0, 2))
