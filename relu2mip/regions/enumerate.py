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

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from relu2mip.arrays import Array, Mask
from relu2mip.errors import Relu2MipError
from relu2mip.lp.polyhedron import Polyhedron
from relu2mip.normal_form import Affine, Input, Max, Relu
from relu2mip.regions.region import Region, region
from relu2mip.regions.steps import Step
from relu2mip.runtime.deadline import expired

THIN = 1e-8
"""A polyhedron whose largest ball has at most this radius, the box being [-1, 1]^n, counts as having no inside."""

FLAT = 1e-12
"""A pre-activation that changes by less than this share of the width of its bounds is constant."""

SAMPLES = 2000
"""Points tried before any linear program: with more patterns among them than the limit, none is needed."""


class TooManyRegions(Relu2MipError, RuntimeError):
    """A step with more activation regions than the limit."""


class RegionsOutOfTime(TooManyRegions):
    """The budget ended before all regions of a step were found."""


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
class _Side:
    """Rows low <= weights @ t <= high.  limits: they are bounds, which need a point within and none inside."""

    weights: Array
    high: Array
    low: float | Array = -np.inf
    limits: bool = False

    def holds(self, t: Array, margin: float = 0.0) -> bool:
        """Whether a point is in all of its rows, away from their ends by the margin."""
        activity = self.weights @ t
        return bool((activity <= self.high - margin).all() and (activity >= self.low + margin).all())

    @property
    def rows(self) -> tuple[Array, Array]:
        """The same as weights @ t + constant <= 0."""
        low = np.broadcast_to(self.low, self.high.shape)
        up, down = np.isfinite(self.high), np.isfinite(low)
        weights = np.concatenate([self.weights[up], -self.weights[down]])
        return weights, np.concatenate([-self.high[up], low[down]])


@dataclass(frozen=True, eq=False)
class _Node:
    """A partial pattern: what is decided up to one unit of one value of the step.

    maps: every value before that one as weights @ t + constant.  sides: of the polyhedron of the pattern.  unit: the
    next one of a ReLU or maximum, -1 before its bounds are a side.  inside, within: a point inside of all sides, and
    one within the bounds.
    """

    maps: tuple[tuple[Array, Array], ...]
    inside: Array
    within: Array
    sides: tuple[_Side, ...] = ()
    pattern: tuple[int, ...] = ()
    unit: int = -1

    def beside(self, side: _Side, *choice: int) -> _Node:
        """A child with one more side, and the choice that it stands for."""
        return replace(self, sides=(*self.sides, side), pattern=(*self.pattern, *choice), unit=self.unit + 1)

    def mapped(self, weights: Array, constant: Array) -> _Node:
        """The node after a value whose map is known."""
        return replace(self, maps=(*self.maps, (weights, constant)), unit=-1)

    def joined(self, values: tuple[int, ...]) -> tuple[Array, Array]:
        """The maps of some values laid end to end."""
        chosen = [self.maps[k] for k in values]
        return np.concatenate([w for w, _ in chosen]), np.concatenate([c for _, c in chosen])


class _Search:
    """Depth first over nodes, with t in [-1, 1]^k for the k inputs that are not fixed; the last node comes first."""

    def __init__(self, step: Step, limit: int) -> None:
        self.step, self.limit = step, limit
        self.size = int(np.count_nonzero(step.box[0] < step.box[1]))
        self.inside, self.within = Polyhedron(self.size, slack=True), Polyhedron(self.size)
        self.sides: list[_Side] = []

    def run(self) -> list[Region]:
        """All regions."""
        found: list[Region] = []
        nodes = [_Node(self._inputs(), np.zeros(self.size), np.zeros(self.size))]
        while nodes:
            node = self._entered(nodes.pop())
            if node is None:
                continue
            if len(node.maps) < len(self.step.form.values) or node.unit < 0:
                nodes += reversed(list(self._children(node)))
                continue
            if len(found) == self.limit:
                raise _too_many(self.step, self.limit)
            rows = [side.rows for side in node.sides]
            sides = np.concatenate([w for w, _ in rows]), np.concatenate([c for _, c in rows])
            found.append(region(self.step, node.pattern, *sides, *node.joined(self.step.results), self.within))
        return found

    def _inputs(self) -> tuple[tuple[Array, Array], ...]:
        middle, half = self.step.centre
        weights = np.diag(half)[:, self.step.box[0] < self.step.box[1]]
        ends = np.cumsum([value.size for value in self.step.form.values[: len(self.step.inputs)]])[:-1]
        return tuple(zip(np.split(weights, ends), np.split(middle, ends), strict=True))

    def _entered(self, node: _Node) -> _Node | None:
        """The node with points of its polyhedron, which both programs then hold; None where there are none."""
        shared = next((k for k, (a, b) in enumerate(zip(self.sides, node.sides, strict=False)) if a is not b), None)
        shared = min(len(self.sides), len(node.sides)) if shared is None else shared
        while len(self.sides) > shared:
            self._pop(self.sides.pop())
        for side in node.sides[shared:]:
            self._push(side)
        if not node.sides:
            return node
        side, inside, within = node.sides[-1], node.inside, node.within
        if not side.limits and not side.holds(inside, THIN):
            found = self.inside.maximise(np.r_[np.zeros(self.size), 1.0])
            if found is None or found[-1] <= THIN:
                return None
            inside = found[:-1]
        if not side.holds(within):
            found = self.within.maximise(np.zeros(self.size))
            if found is None:
                return None
            within = found
        return replace(node, inside=inside, within=within)

    def _push(self, side: _Side) -> None:
        self.sides.append(side)
        self.within.push(side.weights, side.high, side.low)
        if not side.limits:
            self.inside.push(side.weights, side.high)

    def _pop(self, side: _Side) -> None:
        self.within.pop(side.high.size)
        if not side.limits:
            self.inside.pop(side.high.size)

    def _children(self, node: _Node) -> Iterator[_Node]:
        """The children of a node, in the order of patterns."""
        if len(node.maps) == len(self.step.form.values):
            yield node.beside(self._limits(node, self.step.results))
            return
        value = self.step.form.values[len(node.maps)]
        match value:
            case Affine():
                weights, constant = np.zeros((value.size, self.size)), value.bias
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    weights = weights + matrix @ node.maps[k][0]
                    constant = constant + matrix @ node.maps[k][1]
                yield node.mapped(weights, constant)
            case Relu() | Max():
                if node.unit < 0:
                    yield node.beside(self._limits(node, (value.input,)))
                elif node.unit < value.size:
                    yield from self._phases(node, value) if isinstance(value, Relu) else self._members(node, value)
                else:
                    yield self._decided(node, value)
            case Input():
                raise AssertionError("inputs come first")

    def _phases(self, node: _Node, value: Relu) -> Iterator[_Node]:
        weights, constant = (part[[node.unit]] for part in node.maps[value.input])
        width = self._width(value.input)[[node.unit]]
        for active in (0, 1):
            sign = -1.0 if active else 1.0
            yield from self._branch(node, active, sign * weights, sign * constant, width, np.array([active == 1]))

    def _members(self, node: _Node, value: Max) -> Iterator[_Node]:
        weights, constant = node.maps[value.input]
        members, width = value.members[value.starts[node.unit] : value.starts[node.unit + 1]], self._width(value.input)
        for number, best in enumerate(members):
            others = np.delete(members, number)
            tie = np.delete(np.arange(members.size), number) > number
            below = weights[others] - weights[best], constant[others] - constant[best]
            yield from self._branch(node, number, *below, width[others] + width[best], tie)

    def _decided(self, node: _Node, value: Relu | Max) -> _Node:
        """The node after a ReLU or maximum all of whose units are decided."""
        weights, constant = node.maps[value.input]
        chosen = np.array(node.pattern[len(node.pattern) - value.size :], dtype=np.intp)
        if isinstance(value, Relu):
            return node.mapped(chosen[:, None] * weights, chosen * constant)
        members = value.members[value.starts[:-1] + chosen]
        return node.mapped(weights[members], constant[members])

    def _width(self, i: int) -> Array:
        return self.step.upper[i] - self.step.lower[i]

    def _branch(
        self, node: _Node, choice: int, weights: Array, constant: Array, width: Array, tie: Mask
    ) -> Iterator[_Node]:
        """The child where weights @ t + constant <= 0, if anything is there; a constant 0 counts where `tie` says."""
        if expired():
            raise RegionsOutOfTime(
                f"{self.step.place.prefix}: the time is over before all activation regions of the step are found; "
                "raise time_limit, or take the formulation big-m"
            )
        norm = np.linalg.norm(weights, axis=1)
        flat = norm <= FLAT * width
        if not ((constant[flat] > 0).any() or ((constant[flat] == 0) & ~tie[flat]).any()):
            yield node.beside(_Side(weights[~flat] / norm[~flat, None], -constant[~flat] / norm[~flat]), choice)

    def _limits(self, node: _Node, values: tuple[int, ...]) -> _Side:
        """The bounds of some values as a side."""
        weights, constant = node.joined(values)
        low = np.concatenate([self.step.lower[k] for k in values]) - constant
        high = np.concatenate([self.step.upper[k] for k in values]) - constant
        scale = np.maximum(np.linalg.norm(weights, axis=1), FLAT * np.maximum(1.0, high - low))
        reach = np.abs(weights).sum(axis=1)
        # A side that the cube alone implies needs no row.
        low, high = np.where(low > -reach, low, -np.inf), np.where(high < reach, high, np.inf)
        kept = np.isfinite(low) | np.isfinite(high)
        return _Side((weights / scale[:, None])[kept], (high / scale)[kept], (low / scale)[kept], limits=True)
