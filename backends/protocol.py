"""What a backend is: a frozen dataclass of its own options with these methods. See docs/extending/add-a-backend.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from relu2mip.arrays import Array, Index
from relu2mip.mip import MipModel, Solution
from relu2mip.options import SolveOptions


class Capability(StrEnum):
    """What a model may need beyond linear rows, bounds and integrality."""

    QUADRATIC = "convex quadratic cost with integers"
    SOS1 = "SOS1 sets"
    INDICATORS = "indicator rows"


@dataclass(frozen=True)
class Availability:
    """Whether a backend can run here; where not, `reason` says what is missing and how to get it."""

    available: bool
    version: str = ""
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Emitted:
    """A native model and its handles.

    `model` is the solver's own object (`highspy.Highs`, `gurobipy.Model`, `cvxpy.Problem`); `columns` are the handles
    of all columns in order (`gurobipy.MVar`, `cvxpy.Variable`, or an index array for HiGHS); `handle` picks those of a
    named vector ("t03.state"), `controls` and `states` are lists over steps.
    """

    model: Any
    columns: Any
    values: Mapping[str, Index]
    lowered: tuple[str, ...] = ()

    def handle(self, name: str) -> Any:
        """The handles of a named vector of the model."""
        return self.columns[self.values[name]]


class Backend(Protocol):
    """A solver. Nothing is imported before one of these is called."""

    name: ClassVar[str]

    def availability(self) -> Availability:
        """Whether the solver is installed and licensed."""
        ...

    def capabilities(self) -> frozenset[Capability]:
        """What it takes natively; the rest is lowered, and the solution says so."""
        ...

    def solve(self, model: MipModel, options: SolveOptions) -> Solution:
        """Solve; raises `BackendUnavailable`, `CapabilityMissing` or `SolverFailure`, never returns an unproven point."""
        ...

    def emit(self, model: MipModel) -> Emitted:
        """The native model, to be extended and solved by the user."""
        ...

    def attach(self, model: MipModel, native: Any, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add a model to a user's native model, its named vectors in `given` being handles that exist there already.

        Returns the handles of every other named vector. For `relu2mip.embed`.
        """
        ...


def start_vector(model: MipModel) -> Array | None:
    """The MIP start where it proposes anything."""
    import numpy as np

    return None if model.start is None or np.isnan(model.start).all() else model.start
