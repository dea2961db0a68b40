"""Points of a model that are made outside the solver, by somebody who knows what the model stands for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from relu2mip.arrays import Array
from relu2mip.errors import SolverFailure
from relu2mip.mip.check import violations

if TYPE_CHECKING:
    from relu2mip.mip.model import MipModel

log = logging.getLogger(__name__)

LEAST = 1e-6
"""By how much a point must be better, relative to the objective or its unit: less solvers do not tell apart."""


class Heuristic(Protocol):
    """Finds points of a model, and better ones than a search has; either may take about `seconds`.

    The model is the one that holds this heuristic, maybe with columns and rows that a rewriting added behind its own. A
    search may be running in this thread; solves that a heuristic makes with HiGHS join its pool (`highs_process`).
    """

    @property
    def unit(self) -> float:
        """How much the costs of plans differ: what is small beside it is lost in rounding."""
        ...

    def find(self, model: MipModel, seconds: float) -> Array | None:
        """All columns of a point to start from, or None."""
        ...

    def cost(self, model: MipModel, x: Array) -> float:
        """What the network itself says that the plan of a point costs, infinite where it leaves the sets.

        -inf where that means nothing for the model.
        """
        ...

    def rival(self, model: MipModel, x: Array | None) -> float:
        """The cost of a plan that a quick look finds near a point, or anywhere where there is none; infinite for none.

        It is found without any program, so that it can speak against what a solver proves.
        """
        ...

    def improve(self, model: MipModel, x: Array, seconds: float) -> Array | None:
        """All columns of a point that is better than a feasible one, or None."""
        ...


def first_point(model: MipModel, seconds: float) -> Array | None:
    """A feasible point of a model that its heuristic finds; None without a heuristic or integral columns."""
    if model.heuristic is None or not model.integer.any():
        return None
    return _checked(model, lambda heuristic: heuristic.find(model, seconds))


def better_point(model: MipModel, x: Array, seconds: float) -> Array | None:
    """A feasible point of a model that is better than `x`, which its heuristic makes out of it."""
    if model.heuristic is None or seconds <= 0:
        return None
    new = _checked(model, lambda heuristic: heuristic.improve(model, x, seconds))
    return new if new is not None and better(model.objective(new), model.objective(x)) else None


def _checked(model: MipModel, make: Callable[[Heuristic], Array | None]) -> Array | None:
    """A point, if there is one and it satisfies the model; a solver's failure costs the point, not the search."""
    assert model.heuristic is not None
    try:
        x = make(model.heuristic)
    except SolverFailure as error:
        log.warning("no point from outside the search: %s", error)
        return None
    if x is not None and not (wrong := violations(model, x)).feasible():
        log.warning("a point from outside the search is dropped; %s", wrong)
        return None
    return x


def better(objective: float, than: float, unit: float = 1.0) -> bool:
    """Whether an objective is lower by more than `LEAST`. unit: what it is measured in; 1 in a rescaled model."""
    return objective < than - LEAST * max(unit, abs(than))
