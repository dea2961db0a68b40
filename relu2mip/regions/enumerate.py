"""The activation regions of a step inside its bounds, exactly, by linear programs.

A pattern says of each ReLU whether it is active, and of each maximum which member attains it. Depth first over the
units in topological order; under a partial pattern every value is affine in the step's inputs, so the points that have
it are a polyhedron, and two linear programs decide whether the search goes on:

    the polyhedron, in the box of the inputs, has a point inside of all its sides;
    a point of it is within the bounds of the pre-activations and of the step's outputs.

Polyhedra without such a point inside are the common sides of others, which cover them: closed sets, they meet there.
Both programs stay in HiGHS; a child whose parent's point lies in it needs none.

Source: Serra, Tjandraatmadja, Ramalingam, "Bounding and Counting Linear Regions of Deep Neural Networks" (ICML 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import Relu2MipError
from relu2mip.lp.polyhedron import Polyhedron
from relu2mip.normal_form import Affine, Input, Max, Relu
from relu2mip.regions.steps import Step
from relu2mip.runtime.deadline import expired

THIN = 1e-8
"""A polyhedron whose largest ball has at most this radius, the box being [-1, 1]^n, counts as having no inside."""

FLAT = 1e-12
"""A pre-activation that changes by less than this share of the width of its bounds is constant."""

IMPLIED = 1e-9
"""A side that the ranges of a region violate by at most this share of the box's width is left out."""

ROUNDING = 1e-14
"""And besides by this share of its numbers."""

GRID = 2.0**30
"""Ends of intervals are rounded outwards to this part of the box's width; a tenth of it is taken for rounding error."""

SAMPLES = 2000
"""Points tried before any linear program: with more patterns among them than the limit, none is needed."""


class TooManyRegions(Relu2MipError, RuntimeError):
    """A step with more activation regions than the limit."""


class RegionsOutOfTime(TooManyRegions):
    """The budget ended before all regions of a step were found."""


@dataclass(frozen=True, eq=False)
class Region:
    """One region over the inputs v of a step, (n,), and its affine map to the outputs y, (m,).

    {v: matrix @ v <= limit, lower <= v <= upper},  y = gain @ v + offset.  `lower` and `upper` are the ranges of v over
    the region, `least` and `most` those of y; rows that the ranges imply are left out.  pattern: of each ReLU unit
    1 where it is active, else 0, and of each maximum the number of its member, in topological order.
    """

    pattern: tuple[int, ...]
    matrix: Array
    limit: Array
    lower: Array
    upper: Array
    gain: Array
    offset: Array
    least: Array
    most: Array


def enumerate_regions(step: Step, limit: int = 64) -> list[Region]:
    """All regions of a step, in the order of their patterns; none where nothing is within the bounds.

    Raises `TooManyRegions`, naming the step, beyond `limit`, and `RegionsOutOfTime` at the end of the budget.
    """
    if _sampled(step) > limit:
        raise _too_many(step, limit)
    return sorted(_Search(step, limit).run(), key=lambda region: region.pattern)


def _too_many(step: Step, limit: int) -> TooManyRegions:
    return TooManyRegions(
        f"{step.place.prefix}: the step has more than {limit} activation regions; "
        "tighten the bounds, drop units from the network, or raise the limit"
    )


def _sampled(step: Step) -> int:
    """How many patterns random points within the bounds have."""
    rng = np.random.default_rng(0)
    form = step.form
    points = {str(k): rng.uniform(step.lower[i], step.upper[i], (SAMPLES, form.values[i].size))
              for i, k in enumerate(step.inputs)}  # fmt: skip
    values = [np.broadcast_to(x, (SAMPLES, x.shape[1])) for x in form.evaluate_all(points)]
    inside = np.ones(SAMPLES, dtype=bool)
    for x, low, high in zip(values, step.lower, step.upper, strict=True):
        inside &= ((x >= low) & (x <= high)).all(axis=1)
    patterns = [np.zeros((SAMPLES, 0), dtype=np.intp)]
    for value in form.values:
        if isinstance(value, Relu):
            patterns.append((values[value.input] > 0).astype(np.intp))
        elif isinstance(value, Max):
            groups = np.split(values[value.input][:, value.members], value.starts[1:-1], axis=1)
            patterns += [group.argmax(axis=1)[:, None] for group in groups]
    return len(np.unique(np.concatenate(patterns, axis=1)[inside], axis=0))


@dataclass(frozen=True, eq=False)
class _Points:
    """A point inside of all sides, and one within the bounds."""

    inside: Array
    within: Array


class _Search:
    """The depth-first search, over t in [-1, 1]^n with v = middle + half t for the inputs that are not fixed.

    What is left to do is a stack of `tasks`, the last one first: steps of any depth fit.
    """

    def __init__(self, step: Step, limit: int) -> None:
        self.step, self.limit = step, limit
        low, high = step.box
        self.free = np.flatnonzero(low < high)
        self.middle, self.half = np.where(low < high, (low + high) / 2, low), (high - low) / 2
        self.inside, self.within = Polyhedron(self.free.size, slack=True), Polyhedron(self.free.size)
        self.start = _Points(np.zeros(self.free.size), np.zeros(self.free.size))
        self.maps: list[tuple[Array, Array]] = []
        self.pattern: list[int] = []
        self.sides: list[tuple[Array, Array]] = []
        self.found: list[Region] = []
        self.tasks: list[Callable[[], None]] = []
        at = 0
        for value in step.form.values[: len(step.inputs)]:
            rows = np.arange(at, at + value.size)
            at += value.size
            self.maps.append((np.diag(self.half)[rows][:, self.free], self.middle[rows]))

    def run(self) -> list[Region]:
        """All regions."""
        self._value(len(self.step.inputs), self.start)
        while self.tasks:
            self.tasks.pop()()
        return self.found

    def _value(self, i: int, points: _Points) -> None:
        """Go on with value i of the step, every one before it being affine."""
        if i == len(self.step.form.values):
            self._bounded(list(self.step.results), points, self._leaf)
            return
        value = self.step.form.values[i]
        match value:
            case Affine():
                weights, constant = np.zeros((value.size, self.free.size)), value.bias.copy()
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    weights += matrix @ self.maps[k][0]
                    constant += matrix @ self.maps[k][1]
                self._set(i, weights, constant)
                self.tasks.append(lambda: self._value(i + 1, points))
            case Relu():
                self._bounded([value.input], points, lambda p: self._relu(i, value, 0, p))
            case Max():
                self._bounded([value.input], points, lambda p: self._max(i, value, 0, p))
            case Input():
                raise AssertionError("inputs come first")

    def _set(self, i: int, weights: Array, constant: Array) -> None:
        del self.maps[i:]
        self.maps.append((weights, constant))

    def _relu(self, i: int, value: Relu, unit: int, points: _Points) -> None:
        weights, constant = self.maps[value.input]
        if unit == value.size:
            active = np.array(self.pattern[len(self.pattern) - value.size :], dtype=float)
            self._set(i, active[:, None] * weights, active * constant)
            self.tasks.append(lambda: self._value(i + 1, points))
            return
        width = self._width(value.input)[[unit]]

        def phase(active: int) -> None:
            sign = -1.0 if active else 1.0
            side = sign * weights[[unit]], sign * constant[[unit]]
            tie = np.array([active == 1])
            self._branch(active, *side, width, tie, points, lambda p: self._relu(i, value, unit + 1, p))

        self.tasks += [partial(phase, 1), partial(phase, 0)]

    def _max(self, i: int, value: Max, group: int, points: _Points) -> None:
        weights, constant = self.maps[value.input]
        if group == value.size:
            chosen = value.members[value.starts[:-1] + self.pattern[len(self.pattern) - value.size :]]
            self._set(i, weights[chosen], constant[chosen])
            self.tasks.append(lambda: self._value(i + 1, points))
            return
        members = value.members[value.starts[group] : value.starts[group + 1]]
        width = self._width(value.input)

        def member(number: int) -> None:
            best, others = members[number], np.delete(members, number)
            sides = weights[others] - weights[best], constant[others] - constant[best]
            tie = np.delete(np.arange(members.size), number) > number
            widths = width[others] + width[best]
            self._branch(number, *sides, widths, tie, points, lambda p: self._max(i, value, group + 1, p))

        self.tasks += [partial(member, number) for number in reversed(range(members.size))]

    def _width(self, i: int) -> Array:
        return self.step.upper[i] - self.step.lower[i]

    def _branch(
        self,
        choice: int,
        weights: Array,
        constant: Array,
        width: Array,
        tie: np.ndarray,
        points: _Points,
        go_on: Callable[[_Points], None],
    ) -> None:
        """Go on where weights @ t + constant <= 0, if anything is there; a constant 0 counts where `tie` says so."""
        if expired():
            raise RegionsOutOfTime(
                f"{self.step.place.prefix}: the time is over before all activation regions of the step are found; "
                "raise time_limit, or take the formulation big-m"
            )
        norm = np.linalg.norm(weights, axis=1)
        flat = norm <= FLAT * width
        if (constant[flat] > 0).any() or ((constant[flat] == 0) & ~tie[flat]).any():
            return
        weights, constant = weights[~flat] / norm[~flat, None], constant[~flat] / norm[~flat]
        self.inside.push(weights, -constant)
        self.within.push(weights, -constant)
        self.sides.append((weights, constant))
        self.pattern.append(choice)
        self.tasks.append(lambda: self._leave(constant.size))
        inside: Array | None = points.inside
        if (weights @ points.inside + constant > -THIN).any():
            inside = self.inside.maximise(np.r_[np.zeros(self.free.size), 1.0])
            inside = None if inside is None or inside[-1] <= THIN else inside[:-1]
        if inside is not None:
            within: Array | None = points.within
            if (weights @ points.within + constant > 0).any():
                within = self.within.maximise(np.zeros(self.free.size))
            if within is not None:
                found = _Points(inside, within)
                self.tasks.append(lambda: go_on(found))

    def _leave(self, rows: int) -> None:
        """Undo a branch."""
        self.pattern.pop()
        self.sides.pop()
        self.within.pop(rows)
        self.inside.pop(rows)

    def _bounded(self, values: list[int], points: _Points, go_on: Callable[[_Points], None]) -> None:
        """Go on within the bounds of these values, if anything is there."""
        weights = np.concatenate([self.maps[k][0] for k in values])
        constant = np.concatenate([self.maps[k][1] for k in values])
        low = np.concatenate([self.step.lower[k] for k in values]) - constant
        high = np.concatenate([self.step.upper[k] for k in values]) - constant
        scale = np.maximum(np.linalg.norm(weights, axis=1), FLAT * np.maximum(1.0, high - low))
        reach = np.abs(weights).sum(axis=1)
        # A side that the cube alone implies needs no row.
        low, high = np.where(low > -reach, low, -np.inf), np.where(high < reach, high, np.inf)
        kept = np.isfinite(low) | np.isfinite(high)
        weights, low, high = (weights / scale[:, None])[kept], (low / scale)[kept], (high / scale)[kept]
        self.within.push(weights, high, low)
        up, down = np.isfinite(high), np.isfinite(low)
        self.sides.append((np.concatenate([weights[up], -weights[down]]), np.concatenate([-high[up], low[down]])))
        activity = weights @ points.within
        within: Array | None = points.within
        if ((activity > high) | (activity < low)).any():
            within = self.within.maximise(np.zeros(self.free.size))
        self.tasks.append(lambda: self._unbound(int(kept.sum())))
        if within is not None:
            found = _Points(points.inside, within)
            self.tasks.append(lambda: go_on(found))

    def _unbound(self, rows: int) -> None:
        """Undo what `_bounded` added."""
        self.sides.pop()
        self.within.pop(rows)

    def _leaf(self, points: _Points) -> None:
        if len(self.found) == self.limit:
            raise _too_many(self.step, self.limit)
        free, half, middle = self.free, self.half, self.middle
        lower, upper = middle - half, middle + half
        low, high = self._ranges(np.eye(free.size))
        snap = np.floor(low * GRID + 0.1) / GRID, np.ceil(high * GRID - 0.1) / GRID
        lower[free] = np.maximum(lower[free], middle[free] + half[free] * snap[0])
        upper[free] = np.minimum(upper[free], middle[free] + half[free] * snap[1])
        gain, offset = self._joined(list(self.step.results))
        least, most = self._ranges(gain)
        pad = (np.abs(gain).sum(axis=1) + np.abs(offset)) / GRID
        floor, ceiling = self.step.limits
        matrix, limit = self._rows()
        implied = np.maximum(matrix, 0) @ upper + np.minimum(matrix, 0) @ lower
        needed = implied > limit + IMPLIED * np.abs(matrix) @ half + ROUNDING * np.abs(limit)
        full = np.zeros((offset.size, half.size))
        full[:, free] = gain / half[free]
        self.found.append(
            Region(
                pattern=tuple(self.pattern),
                matrix=matrix[needed],
                limit=limit[needed],
                lower=lower,
                upper=upper,
                gain=full,
                offset=offset - full @ middle,
                least=np.maximum(floor, least + offset - pad),
                most=np.minimum(ceiling, most + offset + pad),
            )
        )

    def _joined(self, values: list[int]) -> tuple[Array, Array]:
        return tuple(np.concatenate(part) for part in zip(*(self.maps[k] for k in values), strict=True))  # type: ignore[return-value]

    def _rows(self) -> tuple[Array, Array]:
        """The sides as matrix @ v <= limit over the inputs, the largest entry of each row being 1."""
        weights = np.concatenate([np.zeros((0, self.free.size)), *(w for w, _ in self.sides)])
        constant = np.concatenate([np.zeros(0), *(c for _, c in self.sides)])
        _, first = np.unique(np.c_[weights, constant].round(12), axis=0, return_index=True)
        weights, constant = weights[np.sort(first)], constant[np.sort(first)]
        matrix = np.zeros((constant.size, self.half.size))
        matrix[:, self.free] = weights / self.half[self.free]
        limit = matrix @ self.middle - constant
        scale = np.abs(matrix).max(axis=1, initial=0.0)
        scale = np.where(scale > 0, scale, 1.0)
        return matrix / scale[:, None], limit / scale

    def _ranges(self, rows: Array) -> tuple[Array, Array]:
        """The smallest and largest value of each row over the region."""
        ends = np.zeros((2, len(rows)))
        for j, row in enumerate(rows):
            for k, sign in enumerate((-1.0, 1.0)):
                point = self.within.maximise(sign * row) if row.any() else np.zeros(self.free.size)
                # Within tolerances, a polyhedron that holds one point may seem to hold none.
                ends[k, j] = sign * np.abs(row).sum() if point is None else row @ point
        return ends[0], ends[1]
