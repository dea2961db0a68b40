"""The protocol of backends: frozen dataclasses of options with these methods. See docs/extending/add-a-backend.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.errors import BackendUnavailable, InvalidProblem, UnknownOption
from relu2mip.mip import MipModel
from relu2mip.mip.capability import Capability
from relu2mip.mip.solver import Solver
from relu2mip.unrolled.provenance import Grade

__all__ = ["Availability", "Backend", "Capability", "Emitted"]


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here; where not, `reason` says what is missing and how to get it."""

    available: bool
    version: str = ""
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Emitted:
    """A native model and its handles.

    model: the solver's own object (`highspy.Highs`, `gurobipy.Model`, `cvxpy.Problem`).  columns: the handles of all
    columns in order (an index array for HiGHS, `gurobipy.MVar`, `cvxpy.Variable`); `handle` picks those of a named
    vector ("t03.state").  states, controls: those of x[0] ... x[H] and u[0] ... u[H - 1] of a trajectory; empty for a
    network over a box.  lowered: what was rewritten because the solver lacks it.  exact: whether the formulation
    encodes the network, and not a relaxation.  grade: of the bounds in it.  cutoff: they hold only for plans with at
    most this objective, as the model minimises it; None: for all.
    """

    model: Any
    columns: Any
    values: Mapping[str, Index]
    lowered: tuple[str, ...] = ()
    exact: bool = True
    grade: Grade = Grade.CERTIFIED
    cutoff: float | None = None
    states: list[Any] = field(default_factory=list)
    controls: list[Any] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether the bounds in it are certified or trusted."""
        return self.grade is not Grade.UNSOUND

    def handle(self, name: str) -> Any:
        """The handles of a named vector of the model; raises `UnknownOption`."""
        if name not in self.values:
            raise UnknownOption("named vector", name, self.values)
        return self.columns[self.values[name]]


class Backend(Solver, Protocol):
    """A solver and its native models. Nothing is imported before one of its methods is called."""

    def session(self, wide: MipModel) -> Solver:
        """A solver that holds the last program it was given, and changes it in place (`relu2mip.backends.session`).

        wide: a program whose columns range as far as those of all that will be given.
        """
        ...

    def availability(self) -> Availability:
        """Whether the solver is installed."""
        ...

    def emit(self, model: MipModel) -> Emitted:
        """The native model, to be extended and solved by the user. Lowers what the solver lacks."""
        ...

    def attach(self, model: MipModel, native: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add a model's columns and rows to a user's native model; for `relu2mip.embed`.

        The named vectors in `given` are handles or native affine expressions that exist there already; their bounds in
        the model become rows, because the model is a valid encoding only within them. The objective is left alone.
        Returns the handles (or expressions) of every other named vector.
        """
        ...


_version = cache(version)


def require_package(package: str, extra: str | None) -> Availability:
    """Whether a solver's package is installed."""
    if find_spec(package) is not None:
        return Availability(True, _version(package))
    install = f'pip install "relu2mip[{extra}]"' if extra else f"pip install {package}"
    return Availability(False, reason=f"{package} is not installed: {install}")


def require_available(backend: Backend) -> None:
    """Raise `BackendUnavailable` with the reason where a backend cannot run."""
    found = backend.availability()
    if not found.available:
        raise BackendUnavailable(f"backend {backend.name!r}: {found.reason}")


@dataclass(frozen=True, eq=False)
class Given:
    """Which columns of a model a caller has: `where[k]` are those of the k-th given handle, `free` are the others."""

    handles: tuple[Any, ...]
    where: tuple[Index, ...]
    free: Index

    @classmethod
    def of(cls, model: MipModel, given: Mapping[str, Any]) -> Given:
        """Match handles to the named vectors of a model; raises `UnknownOption` or `InvalidProblem`."""
        values = model.values or {}
        taken = np.zeros(model.columns, dtype=int)
        for name, handle in given.items():
            if name not in values:
                raise UnknownOption("named vector", name, values)
            size = int(np.prod(np.shape(handle)))
            if size != values[name].size:
                raise InvalidProblem(f"{name}: the model has {values[name].size} columns, {size} handles were given")
            np.add.at(taken, values[name], 1)
        if (taken > 1).any():
            twice = model.column_names[int(np.argmax(taken > 1))]
            raise InvalidProblem(f"column {twice} is given twice; give every column once")
        if model.integer[taken > 0].any():
            integral = model.column_names[int(np.argmax(model.integer & (taken > 0)))]
            raise InvalidProblem(f"column {integral} is integral, which a handle given from outside cannot be made")
        where = tuple(values[name] for name in given)
        return cls(tuple(given.values()), where, np.flatnonzero(taken == 0))


def start_vector(model: MipModel) -> Array | None:
    """The MIP start where it proposes anything."""
    return None if model.start is None or np.isnan(model.start).all() else model.start
