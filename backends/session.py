"""A program that stays in its solver from solve to solve, whose bounds, sides and costs are changed in place.

A session is a `Solver` like any other: give it a program, and it changes what it holds where only numbers differ that
a solver can change, and loads the program anew where rows or kinds of columns differ. Programs are rescaled by the
units of a wide one, so that their rows stay the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.backends.protocol import Backend
from relu2mip.mip import MipModel, Solution
from relu2mip.mip.aids import NO_AIDS, Aids
from relu2mip.mip.capability import Capability
from relu2mip.mip.lowering import lower
from relu2mip.mip.units import Units
from relu2mip.options import SolveOptions

FREE = {"lower", "upper", "row_lower", "row_upper", "cost", "offset", "start", "values"}
"""The fields of a program that may differ while it is held."""


class HeldProgram(ABC):
    """A backend with a program in it. wide: a program whose columns range as far as those of all that come.

    loads: how often one was loaded anew.  lost: whether the solver was left to itself, and is not to be used again.
    """

    name: ClassVar[str]
    lost: bool

    def __init__(self, backend: Backend, wide: MipModel) -> None:
        self.backend, self.wide = backend, wide
        self.loads = 0
        self._model: MipModel | None = None
        self._units: Units | None = None

    def capabilities(self) -> frozenset[Capability]:
        """Those of the backend."""
        return self.backend.capabilities()

    def units(self, model: MipModel) -> Units:
        """Those of the wide program; those of a program itself that has other columns or rows."""
        if self._units is None:
            taken = self.capabilities() | {Capability.QUADRATIC}
            self._units = Units.of(lower(self.wide, taken, self.backend.name)[0])
        alike = (self._units.size.size, self._units.row.size) == (model.columns, model.rows)
        return self._units if alike else Units.of(model)

    def solve(self, model: MipModel, options: SolveOptions, aids: Aids = NO_AIDS) -> Solution:
        """See `Solver.solve`."""
        if self._model is None or not _alike(self._model, model) or not self.change(self._model, model):
            self.load(model)
            self.loads += 1
        self._model = model
        try:
            solution = self.search(model, options, aids)
        except BaseException:
            self._model = None
            raise
        if self.lost:
            self._model = None
        return solution

    @abstractmethod
    def load(self, model: MipModel) -> None:
        """Take a program in place of the one held."""

    @abstractmethod
    def change(self, old: MipModel, new: MipModel) -> bool:
        """Make the held program another one with the same rows; False where that cannot be."""

    @abstractmethod
    def search(self, model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
        """Solve what is held."""


def _alike(old: Any, new: Any) -> bool:
    """Whether two programs differ in nothing but what is `FREE`; names do not matter."""
    if old is new:
        return True
    if type(old) is not type(new):
        return False
    if isinstance(old, np.ndarray):
        return np.array_equal(old, new)
    if isinstance(old, sp.csr_array):
        parts = ("indptr", "indices", "data")
        return old.shape == new.shape and all(np.array_equal(getattr(old, p), getattr(new, p)) for p in parts)
    if is_dataclass(old):
        names = [f.name for f in fields(old) if not f.name.endswith("names")]
        free = FREE if isinstance(old, MipModel) else set()
        return all(_alike(getattr(old, name), getattr(new, name)) for name in names if name not in free)
    return bool(old == new)
