"""The protocol of solvers that models are run on; every backend is one (`relu2mip.backends.protocol.Backend`)."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from relu2mip.mip.aids import Aids
from relu2mip.mip.capability import Capability
from relu2mip.mip.model import MipModel
from relu2mip.mip.solution import Solution
from relu2mip.mip.units import Units
from relu2mip.options import SolveOptions


@runtime_checkable
class Unchanging(Protocol):
    """A solver that holds a program from solve to solve, and so keeps the units that it is rescaled by."""

    def units(self, model: MipModel) -> Units:
        """The units of a program in the form that the solver takes."""
        ...


class Solver(Protocol):
    """A name, what it takes natively, and a word on a model."""

    name: ClassVar[str]

    def capabilities(self) -> frozenset[Capability]:
        """The parts that it takes natively; `relu2mip.mip.run` rewrites the rest, and the solution says so."""
        ...

    def solve(self, model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
        """Solve a model that holds nothing beyond the capabilities, in `at_most(options.time_limit)` seconds.

        aids: what may help; a solver uses what it can.

        The solver's word, translated: `x` only where the solver claims feasibility, `Stop.UNBOUNDED` also where it
        cannot tell unbounded from infeasible (`relu2mip.mip.run` settles that, and rechecks the point).
        Raises `BackendUnavailable`, `CapabilityMissing`, `SolverFailure`.
        """
        ...


class Holder(Protocol):
    """What can hold a program from solve to solve; every backend can."""

    def session(self, wide: MipModel) -> Solver:
        """A solver that holds the last program it was given; see `relu2mip.backends.protocol.Backend.session`."""
        ...
