"""Cut rounds at the root: solve the linear relaxation, separate, add, and again while the bound moves.

The relaxation stays inside HiGHS, whatever solves the model afterwards: each round hands over its rows in one piece,
and the dual simplex method goes on from the last vertex. A quadratic cost is replaced by its tangents. Cuts that lost
their grip are taken out after every round, and only those that bind at the end are kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import SolverFailure
from relu2mip.lp.program import loaded, run
from relu2mip.mip.aids import Aids, joined
from relu2mip.mip.extend import with_rows
from relu2mip.mip.model import MipModel
from relu2mip.mip.names import DerivedBlock
from relu2mip.mip.outer_approximation import tangent_relaxation
from relu2mip.mip.separator import Cuts
from relu2mip.runtime.deadline import at_most

log = logging.getLogger(__name__)

PATIENCE = 3
"""Rounds that may move the bound too little together; cuts often do so one after the other before they take hold."""

ENDS = {"kInfeasible", "kUnbounded", "kUnboundedOrInfeasible", "kTimeLimit"}
"""How HiGHS may end a linear program without an optimum; anything else is a failure."""

BINDING = 1e-6
"""Largest slack of a cut that binds."""


@dataclass(frozen=True)
class RootCuts:
    """The result of the rounds: cuts found and kept, and the bound of the relaxation before and after them.

    The bounds are those of the minimised objective; infinite where the relaxation is infeasible or unbounded.
    failures: of the linear programs, one before the rounds and one in each, those that HiGHS did not solve for another
    reason than time.
    """

    rounds: int
    found: int
    kept: int
    before: float
    after: float
    seconds: float
    failures: int = 0

    @classmethod
    def from_dict(cls, data: Mapping[str, Any] | None) -> RootCuts | None:
        """From plain values; a bound that is null was not finite, so nothing was proven."""
        if data is None:
            return None
        finite: dict[str, Any] = {key: -np.inf if value is None else value for key, value in data.items()}
        return cls(**finite)

    @property
    def programs(self) -> int:
        """Linear programs run."""
        return 1 + self.rounds

    def __str__(self) -> str:
        moved = f"root bound {self.before:.6g} to {self.after:.6g} (minimising)"
        return f"{self.rounds} rounds, {self.kept} of {self.found} cuts kept, {moved}, {self.seconds:.2f} s"


def with_root_cuts(model: MipModel, aids: Aids) -> tuple[MipModel, RootCuts | None]:
    """The model with what the separators find at the root, and what that did; as it is without separators or a cost.

    Raises `CapabilityMissing` where a squared column has an infinite bound.
    """
    if not aids.separators or not aids.cutting.rounds or not _has_cost(model):
        return model, None
    begun, options = time.perf_counter(), aids.cutting
    relaxation = _Relaxation(tangent_relaxation(model))
    x, before = relaxation.solve(at_most(options.budget))
    history, found = [before], 0
    while x is not None and len(history) <= options.rounds and not _stalled(history, options.tolerance):
        left = at_most(options.budget - (time.perf_counter() - begun))
        rows = aids.violated(x)
        if not len(rows) or left <= 0:
            break
        relaxation.drop_slack(x)
        relaxation.add(rows, len(history))
        x, bound = relaxation.solve(left)
        history.append(bound)
        found += len(rows)
    if x is not None:
        relaxation.drop_slack(x)
    seconds = time.perf_counter() - begun
    counts = len(history) - 1, found, len(relaxation.cuts)
    report = RootCuts(*counts, before, max(history), seconds, relaxation.failures)
    log.info("%s", report)
    return relaxation.strengthened(model), report


def _has_cost(model: MipModel) -> bool:
    return bool(model.cost.any() or (model.quadratic is not None and model.quadratic.any()))


def _stalled(history: list[float], tolerance: float) -> bool:
    """Whether the last `PATIENCE` rounds together moved the bound too little."""
    if len(history) <= PATIENCE:
        return False
    return history[-1] - history[-1 - PATIENCE] <= tolerance * max(1e-9, abs(history[-1]))


class _Relaxation:
    """A linear program inside HiGHS, and the cuts that were added to it, each with its round."""

    def __init__(self, model: MipModel) -> None:
        self.model, self.cuts, self.rounds = model, joined([], model.columns), np.zeros(0, dtype=np.intp)
        self.failures = 0
        self.highs = loaded(model, integral=False)

    def solve(self, seconds: float) -> tuple[Array | None, float]:
        """A vertex and its objective: inf where there is no point, -inf where nothing is proven."""
        status = run(self.highs, seconds)
        if status == "kOptimal":
            return np.array(self.highs.getSolution().col_value), self.highs.getInfo().objective_function_value
        self.failures += status not in ENDS
        log.info("cut rounds end: the linear relaxation is %s", status)
        return None, np.inf if status == "kInfeasible" else -np.inf

    def add(self, cuts: Cuts, number: int) -> None:
        """Add the cuts of one round."""
        size, matrix = len(cuts), cuts.matrix
        start, index = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
        below = np.full(size, -np.inf)
        if self.highs.addRows(size, below, cuts.upper, matrix.nnz, start, index, matrix.data).name == "kError":
            raise SolverFailure("HiGHS refused the rows of a cut round")
        self.cuts = joined([self.cuts, cuts], self.model.columns)
        self.rounds = np.concatenate([self.rounds, np.full(size, number)])

    def drop_slack(self, x: Array) -> None:
        """Take out the cuts that do not bind at a vertex."""
        slack = self.cuts.upper - self.cuts.matrix @ x > BINDING
        rows = self.model.rows + np.flatnonzero(slack)
        self.highs.deleteRows(rows.size, rows.astype(np.int32))
        self.cuts, self.rounds = self.cuts.select(np.flatnonzero(~slack)), self.rounds[~slack]

    def strengthened(self, model: MipModel) -> MipModel:
        """A model whose columns are the first of the relaxation, with the cuts."""
        for number in np.unique(self.rounds).tolist():
            cuts = self.cuts.select(np.flatnonzero(self.rounds == number))
            names = DerivedBlock(model.column_names, cuts.columns, f".cut{number}")
            model = with_rows(model, names, cuts.matrix[:, : model.columns], upper=cuts.upper)
        return model
