"""Help for a solver beside the model: more rows, a first plan, better plans. The model is complete without them.

Aids are made for one model. A solver may get another program that stands for it: in other units, or with columns
added behind. Each such reduction says how points and cuts are carried over, so aids need not know of any.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array
from relu2mip.errors import SolverFailure
from relu2mip.mip.check import violations
from relu2mip.mip.model import MipModel
from relu2mip.mip.separator import NO_CUTS, CutOptions, Cuts, Separator

log = logging.getLogger(__name__)

LEAST = 1e-6
"""By how much a point must be better, relative to the objective or its unit: less solvers do not tell apart."""


class Heuristic(Protocol):
    """Finds points of a model, and better ones than a search has; either may take about `seconds`.

    The model is the one that the heuristic was made for, maybe with columns and rows that a rewriting added behind its
    own. A search may be running in this thread; solves that a heuristic makes with HiGHS join its pool.
    """

    @property
    def unit(self) -> float:
        """How much the costs of plans differ: what is small beside it is lost in rounding."""
        ...

    def find(self, model: MipModel, seconds: float) -> Array | None:
        """All columns of a point to start from, or None."""
        ...

    def cost(self, model: MipModel, x: Array) -> float:
        """The cost of the plan of a point, as the network itself says, infinite where it leaves the sets.

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


class Reduction(Protocol):
    """A program that stands for a model, and how points and cuts go between them."""

    def apply(self, x: Array) -> Array:
        """The point of the program for a point of the model."""
        ...

    def invert(self, x: Array) -> Array:
        """The point of the model for a point of the program."""
        ...

    def cut(self, cuts: Cuts) -> Cuts:
        """Rows of the model as rows of the program."""
        ...


@dataclass(frozen=True, eq=False)
class Aids:
    """separators: know more rows, which `cutting` says how to use.  heuristic: knows plans.

    conflict: whether to look for rows and bounds that contradict each other where nothing is feasible; it takes long.
    model: in whose columns they speak; None: in those of the program at hand.  reductions: what lies between the two.
    """

    separators: tuple[Separator, ...] = ()
    cutting: CutOptions = NO_CUTS
    heuristic: Heuristic | None = None
    conflict: bool = True
    model: MipModel | None = None
    reductions: tuple[Reduction, ...] = ()

    @property
    def callback(self) -> bool:
        """Whether rows are to be separated during the search."""
        return self.cutting.callback and bool(self.separators)

    def through(self, model: MipModel, reduction: Reduction) -> Aids:
        """The same for a program that stands for `model`, which is theirs or stands for theirs."""
        return replace(self, model=self.model or model, reductions=(*self.reductions, reduction))

    def violated(self, x: Array) -> Cuts:
        """The rows that the separators find at a point of the program, maybe with columns behind those they know."""
        inside = self._inverted(x)
        cuts = joined([separator.separate(inside) for separator in self.separators], inside.size)
        cuts = cuts.furthest(self.cutting.most)
        for reduction in self.reductions:
            cuts = reduction.cut(cuts)
        return cuts

    def first_point(self, model: MipModel, seconds: float) -> Array | None:
        """A feasible point of the program, which the heuristic finds; None without one, or without integral columns."""
        if self.heuristic is None or not model.integer.any():
            return None
        return self._checked(model, lambda found: found.find(self.model or model, seconds))

    def better_point(self, model: MipModel, x: Array, seconds: float) -> Array | None:
        """A feasible point of the program that is better than `x`, which the heuristic makes out of it."""
        if self.heuristic is None or seconds <= 0:
            return None
        inside = self._inverted(x)
        new = self._checked(model, lambda found: found.improve(self.model or model, inside, seconds))
        return new if new is not None and better(model.objective(new), model.objective(x)) else None

    def _inverted(self, x: Array) -> Array:
        for reduction in reversed(self.reductions):
            x = reduction.invert(x)
        return x

    def _checked(self, model: MipModel, make: Callable[[Heuristic], Array | None]) -> Array | None:
        """A point, if there is one and it satisfies the program; a solver's failure costs the point, not the search."""
        assert self.heuristic is not None
        try:
            x = make(self.heuristic)
        except SolverFailure as error:
            log.warning("no point from outside the search: %s", error)
            return None
        if x is None:
            return None
        for reduction in self.reductions:
            x = reduction.apply(x)
        if not (wrong := violations(model, x)).feasible():
            log.warning("a point from outside the search is dropped; %s", wrong)
            return None
        return x


NO_AIDS = Aids()


def better(objective: float, than: float, unit: float = 1.0) -> bool:
    """Whether an objective is lower by more than `LEAST`. unit: what it is measured in; 1 in a rescaled model."""
    return objective < than - LEAST * max(unit, abs(than))


def joined(found: list[Cuts], columns: int) -> Cuts:
    """Cuts of several separators as one."""
    return Cuts(
        sp.csr_array(sp.vstack([sp.csr_array((0, columns)), *(cuts.matrix for cuts in found)], format="csr")),
        np.concatenate([np.zeros(0), *(cuts.upper for cuts in found)]),
        np.concatenate([np.zeros(0), *(cuts.distance for cuts in found)]),
        np.concatenate([np.zeros(0, dtype=np.intp), *(cuts.columns for cuts in found)]),
    )
