"""A convex separable quadratic cost as tangent cuts, added in rounds, for solvers without mixed-integer quadratics.

Each squared column x in [l, u] gets an epigraph column z in [min x^2, max x^2] / s, s = max x^2 (so that the solver's
feasibility tolerance is relative to the cost), with cuts at points a:

    s z >= 2 a x - a^2                      continuous x: the tangent at a
    s z >= (2 k + 1) x - k (k + 1)          integral x: the chord from k = floor(a) to k + 1, the hull of the integers

Cuts spread over the bounds come first. Then each round solves, takes the point's true cost as an upper bound and the
solver's proven bound as a lower one (a relaxation's bound is one of the problem), and adds the cuts at the point.

Source: Duran, Grossmann, "An outer-approximation algorithm for a class of mixed-integer nonlinear programs" (1986).
"""

from __future__ import annotations

import itertools
import logging
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Mask
from relu2mip.errors import CapabilityMissing
from relu2mip.mip.capability import Capability, able
from relu2mip.mip.extend import with_columns, with_rows
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import DerivedBlock
from relu2mip.mip.solution import Solution, Stop
from relu2mip.options import SolveOptions

if TYPE_CHECKING:
    from relu2mip.backends.protocol import Backend

TANGENT_CUTS = "quadratic cost to tangent cuts"
FIRST_CUTS = 9
ABSOLUTE_GAP = 1e-9
EXACT = 1e-9
ROW_TOLERANCE = 2e-6
"""Twice what solvers leave unsatisfied of a row: cuts that are wrong by less may be there already."""

log = logging.getLogger(__name__)


def outer_approximate(model: MipModel, backend: Backend, options: SolveOptions) -> Solution:
    """Solve a model with a quadratic cost on a backend without; time and node limits are shared by the rounds.

    Half of the gap is the solver's, so that the other half is left for the cuts. Raises `CapabilityMissing` where a
    squared column has an infinite bound.
    """
    begun = time.perf_counter()
    squares = _Squares.of(model)
    relaxation = squares.relaxation(model)
    best: Solution | None = None
    bound, nodes = -np.inf, 0
    for number in itertools.count(1):
        seconds_left = options.time_limit - (time.perf_counter() - begun)
        limits = {"gap": options.gap / 2, "time_limit": max(seconds_left, 1e-3)}
        if options.node_limit:
            limits["node_limit"] = max(options.node_limit - nodes, 1)
        found = backend.solve(relaxation, replace(options, **limits))  # type: ignore[arg-type]
        nodes += found.nodes
        stop, message = found.stop, found.message
        risen = found.bound > bound
        bound = max(bound, found.bound) if stop is not Stop.INFEASIBLE else bound
        if found.x is not None:
            x = found.x[: model.columns]
            objective = model.objective(x)
            if best is None or objective < best.objective:
                best = replace(found, x=x, objective=objective)
            if best.objective - bound <= max(options.gap * abs(best.objective), ABSOLUTE_GAP):
                stop = Stop.OPTIMAL
            elif found.stop is Stop.OPTIMAL:
                error = squares.error(found.x)
                wrong = np.flatnonzero(error > EXACT)
                seconds_left = options.time_limit - (time.perf_counter() - begun)
                if not wrong.size or (error.max() <= ROW_TOLERANCE and not risen):
                    message = "the gap left is within the solver's feasibility tolerance"
                elif seconds_left <= 0:
                    stop = Stop.TIME_LIMIT
                elif options.node_limit and nodes >= options.node_limit:
                    stop = Stop.NODE_LIMIT
                else:
                    assert best.x is not None
                    relaxation = squares.cut(relaxation, wrong, x[squares.columns[wrong]])
                    relaxation = relaxation.with_start(squares.extended(best.x))
                    log.debug("round %d: objective %g, bound %g, %d cuts", number, best.objective, bound, wrong.size)
                    continue
        break
    seconds = time.perf_counter() - begun
    if best is None:
        return replace(found, nodes=nodes, seconds=seconds)
    if stop in (Stop.INFEASIBLE, Stop.UNBOUNDED):
        stop, message = Stop.FAILED, f"{backend.name} took back an incumbent: {stop}"
    bound = min(bound, best.objective)
    return replace(best, stop=stop, bound=bound, nodes=nodes, seconds=seconds, message=message)


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
        scale = np.where(largest > 0, largest**2, 1.0)
        return cls(columns, model.integer[columns], scale, model.columns)

    def relaxation(self, model: MipModel) -> MipModel:
        """The model with epigraph columns for its squares, and cuts spread over the bounds."""
        assert model.quadratic is not None
        lower, upper = model.lower[self.columns], model.upper[self.columns]
        smallest = np.clip(0.0, lower, upper) ** 2 / self.scale
        largest = np.maximum(np.abs(lower), np.abs(upper)) ** 2 / self.scale
        names = DerivedBlock(model.column_names, self.columns, ".square")
        cost = model.quadratic[self.columns] * self.scale
        start = None if model.start is None else self.extended(model.start)[model.columns :]
        linear = replace(model, quadratic=None)
        extended = with_columns(linear, names, smallest, largest, cost=cost, start=start)
        which = np.tile(np.arange(self.columns.size), FIRST_CUTS)
        return self.cut(extended, which, np.linspace(lower, upper, FIRST_CUTS).reshape(-1))

    def cut(self, model: MipModel, which: Index, points: Array) -> MipModel:
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

    def extended(self, x: Array) -> Array:
        """A point with its squares appended."""
        return np.concatenate([x, x[self.columns] ** 2 / self.scale])
