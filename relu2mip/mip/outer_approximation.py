"""A convex separable quadratic cost as tangent cuts, added in rounds, for solvers without mixed-integer quadratics.

Each squared column x in [l, u] gets an epigraph column z in [min x^2, max x^2] / s, s = max x^2 (so that the solver's
feasibility tolerance is relative to the cost), with cuts at points a:

    s z >= 2 a x - a^2                      continuous x: the tangent at a
    s z >= (2 k + 1) x - k (k + 1)          integral x: the chord from k = floor(a) to k + 1, the hull of the integers

Cuts spread over the bounds come first. Then each round solves, takes the point's true cost as an upper bound and the
solver's proven bound as a lower one (a relaxation's bound is one of the problem), and adds the cuts at the point.
Between these rounds, linear programs with the integers fixed at the point add cuts there until little is left to gain.

Source: Duran, Grossmann, "An outer-approximation algorithm for a class of mixed-integer nonlinear programs" (1986).
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.errors import CapabilityMissing
from relu2mip.mip.aids import NO_AIDS, Aids
from relu2mip.mip.capability import Capability, able
from relu2mip.mip.extend import with_columns, with_rows
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import DerivedBlock
from relu2mip.mip.separator import Cuts
from relu2mip.mip.solution import Solution, Stop
from relu2mip.mip.solver import Solver
from relu2mip.mip.supervise import cut_short
from relu2mip.options import SolveOptions
from relu2mip.runtime.deadline import at_most
from relu2mip.runtime.progress import report, unreported

TANGENT_CUTS = "quadratic cost to tangent cuts"
FIRST_CUTS = 9
ABSOLUTE_GAP = 1e-9
EXACT = 1e-9
INTEGRAL = 1e-5
LINEAR_ROUNDS = 20
SMALLEST = 1e-12
"""A column nearer to 0 than this is 0 but for rounding: cuts in units of its square have coefficients too large."""

TOLERANCE = 1e-7
"""The violation of a row that solvers may leave, where nothing else is asked for: so much stays of a gap."""

ROW_TOLERANCE = 2 * TOLERANCE
"""Cuts that are wrong by less may be there already."""

log = logging.getLogger(__name__)


def outer_approximate(model: MipModel, backend: Solver, options: SolveOptions, aids: Aids = NO_AIDS) -> Solution:
    """Solve a model with a quadratic cost on a backend without; time and node limits are shared by the rounds.

    Half of the gap is the solver's, so that the other half is left for the cuts. Raises `CapabilityMissing` where a
    squared column has an infinite bound.
    """
    search = _Search(model, backend, options, aids)
    if model.integer.any():
        search.refine(model.lower, model.upper)
    while True:
        known = search.objective, search.bound
        found = search.solve(search.relaxation, options.gap / 2, search.aids)
        search.bound = max(search.bound, found.bound)
        report(plan=search.objective, bound=search.bound)
        if found.x is None or found.stop is not Stop.OPTIMAL or search.closed:
            break
        error = search.squares.error(found.x)
        if error.max() <= (ROW_TOLERANCE if known == (search.objective, search.bound) else EXACT):
            found = replace(found, message="the gap left is within the solver's feasibility tolerance")
            break
        if stop := search.limit_reached():
            found = replace(found, stop=stop)
            break
        assert found.x is not None
        search.cut(found.x)
        integers = np.where(model.integer, np.round(found.x[: model.columns]), np.nan)
        if model.integer.any():
            search.refine(np.fmax(model.lower, integers), np.fmin(model.upper, integers))
    return search.solution(found)


class _Search:
    """The state of the rounds: the relaxation with its cuts, the best point, the proven bound, and what was spent."""

    def __init__(self, model: MipModel, backend: Solver, options: SolveOptions, aids: Aids) -> None:
        self.model, self.backend = model, backend
        self.options = replace(options, tolerance=options.tolerance or TOLERANCE)
        self.begun = time.perf_counter()
        self.squares = _Squares.of(model)
        self.relaxation = self.squares.relaxation(model)
        self.aids = aids.through(model, self.squares)
        self.best: Array | None = None
        self.objective, self.bound, self.nodes = np.inf, -np.inf, 0

    @property
    def seconds_left(self) -> float:
        """Of the time limit, and of the budget around it."""
        return at_most(self.options.time_limit - (time.perf_counter() - self.begun))

    @property
    def closed(self) -> bool:
        """Whether the gap between the best point and the bound is what was asked for."""
        return self.objective - self.bound <= max(self.options.gap * abs(self.objective), ABSOLUTE_GAP)

    def limit_reached(self) -> Stop | None:
        """The limit that leaves nothing for another round."""
        if self.seconds_left <= 0:
            return cut_short()
        return Stop.NODE_LIMIT if self.options.node_limit and self.nodes >= self.options.node_limit else None

    def solve(self, relaxation: MipModel, gap: float, aids: Aids = NO_AIDS) -> Solution:
        """Solve a relaxation within what is left of the limits; keep its point if it is integral and better."""
        if self.seconds_left <= 0:
            return Solution(cut_short())
        nodes = max(self.options.node_limit - self.nodes, 1) if self.options.node_limit else 0
        options = replace(self.options, gap=gap, time_limit=max(self.seconds_left, 1e-3), node_limit=nodes)
        with unreported():
            found = self.backend.solve(relaxation, options, aids)
        self.nodes += found.nodes
        if found.x is not None:
            x = found.x[: self.model.columns]
            objective = self.model.objective(x)
            if objective < self.objective and np.abs(x - np.round(x))[self.model.integer].max(initial=0.0) <= INTEGRAL:
                self.best, self.objective = x, objective
                self.relaxation = self.relaxation.with_start(self.squares.apply(x))
        log.debug("objective %g, bound %g (best %g)", found.objective, found.bound, self.objective)
        return found

    def cut(self, x: Array) -> None:
        """Add the cuts at a point of the relaxation that it violates."""
        wrong = np.flatnonzero(self.squares.error(x) > EXACT)
        self.relaxation = self.squares.tangents(self.relaxation, wrong, x[self.squares.columns[wrong]])

    def refine(self, lower: Array, upper: Array) -> None:
        """Rounds without integrality between these bounds: they cost little and place cuts where they count."""
        for _ in range(LINEAR_ROUNDS):
            old = self.relaxation
            bounds = (np.r_[lower, old.lower[lower.size :]], np.r_[upper, old.upper[upper.size :]])
            linear = replace(old, lower=bounds[0], upper=bounds[1], integer=np.zeros_like(old.integer), start=None)
            found = self.solve(linear, self.options.gap / 2)
            if found.x is None or self.limit_reached():
                return
            if self.model.objective(found.x[: lower.size]) - found.objective <= self.options.gap / 4 * abs(
                found.objective
            ):
                return
            self.cut(found.x)

    def solution(self, last: Solution) -> Solution:
        """The result, in the words of the last round."""
        seconds = time.perf_counter() - self.begun
        if self.best is None:
            return replace(last, bound=max(self.bound, last.bound), nodes=self.nodes, seconds=seconds)
        stop, message = Stop.OPTIMAL if self.closed else last.stop, last.message
        if stop in (Stop.INFEASIBLE, Stop.UNBOUNDED):
            stop, message = Stop.FAILED, f"{self.backend.name} called a problem with a point {last.stop}"
        return replace(
            last,
            stop=stop,
            x=self.best,
            objective=self.objective,
            bound=self.bound,
            nodes=self.nodes,
            seconds=seconds,
            message=message,
        )


def tangent_relaxation(model: MipModel) -> MipModel:
    """The model with a linear objective below its quadratic one; its own columns stay the first."""
    return model if model.quadratic is None else _Squares.of(model).relaxation(model)


@dataclass(frozen=True, eq=False)
class _Squares:
    """The squared columns; epigraph columns from `first` on stand for their squares, in units of `scale`."""

    columns: Index
    integer: Mask
    scale: Array
    first: int

    @classmethod
    def of(cls, model: MipModel) -> _Squares:
        assert model.quadratic is not None
        columns = np.flatnonzero(model.quadratic)
        largest = np.maximum(np.abs(model.lower[columns]), np.abs(model.upper[columns]))
        if np.isinf(largest).any():
            column = int(columns[np.argmax(np.isinf(largest))])
            raise CapabilityMissing(
                f"column {model.column_names[column]} is squared in the cost and lies in [{model.lower[column]:g}, "
                f"{model.upper[column]:g}]; tangent cuts need finite bounds: bound it, or use a backend that takes a "
                f"{Capability.QUADRATIC} ({able([Capability.QUADRATIC])})"
            )
        scale = np.where(largest > SMALLEST, largest**2, 1.0)
        return cls(columns, model.integer[columns], scale, model.columns)

    def relaxation(self, model: MipModel) -> MipModel:
        """The model with epigraph columns for its squares, and cuts spread over the bounds."""
        assert model.quadratic is not None
        lower, upper = model.lower[self.columns], model.upper[self.columns]
        smallest = np.clip(0.0, lower, upper) ** 2 / self.scale
        largest = np.maximum(np.abs(lower), np.abs(upper)) ** 2 / self.scale
        names = DerivedBlock(model.column_names, self.columns, ".square")
        cost = model.quadratic[self.columns] * self.scale
        start = None if model.start is None else self.apply(model.start)[model.columns :]
        linear = replace(model, quadratic=None)
        extended = with_columns(linear, names, smallest, largest, cost=cost, start=start)
        which = np.tile(np.arange(self.columns.size), FIRST_CUTS)
        return self.tangents(extended, which, np.linspace(lower, upper, FIRST_CUTS).reshape(-1))

    def tangents(self, model: MipModel, which: Index, points: Array) -> MipModel:
        """The model with the cut of each of the columns `which` at its point."""
        floor = np.floor(points)
        slope = np.where(self.integer[which], 2 * floor + 1, 2 * points)
        level = np.where(self.integer[which], floor * (floor + 1), points**2)
        _, distinct = np.unique(np.stack([which, slope]), axis=1, return_index=True)
        which, slope, level = which[distinct], slope[distinct], level[distinct]
        rows = np.arange(which.size)
        values = np.concatenate([np.ones(which.size), -slope / self.scale[which]])
        place = (np.tile(rows, 2), np.concatenate([self.first + which, self.columns[which]]))
        matrix = sp.csr_array((values, place), shape=(which.size, model.columns))
        names = DerivedBlock(model.column_names, self.columns[which], ".tangent")
        return with_rows(model, names, matrix, lower=-level / self.scale[which])

    def error(self, x: Array) -> Array:
        """By how much the epigraph columns of a point are smaller than the squares."""
        return x[self.columns] ** 2 / self.scale - x[self.first : self.first + self.columns.size]

    def apply(self, x: Array) -> Array:
        """A point with its squares appended."""
        return np.concatenate([x, x[self.columns] ** 2 / self.scale])

    def invert(self, x: Array) -> Array:
        """A point without its squares."""
        return x[: self.first]

    def cut(self, cuts: Cuts) -> Cuts:
        """Rows of the model, with nothing in the epigraph columns."""
        matrix = sp.csr_array(cuts.matrix)
        wide = sp.csr_array((matrix.data, matrix.indices, matrix.indptr), (len(cuts), self.first + self.columns.size))
        return replace(cuts, matrix=wide)
