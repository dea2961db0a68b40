"""Every error relu2mip raises: one base class, each saying where it happened and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


class Relu2MipError(Exception):
    """Base of all errors of relu2mip."""


class InvalidNetwork(Relu2MipError, ValueError):
    """A network file or graph that cannot be read: not ONNX, truncated, NaN weights, inconsistent shapes."""


@dataclass(frozen=True)
class Refusal:
    """One node that cannot be compiled: which, why, and what to do instead."""

    node: str
    op: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.op} {self.node!r}: {self.reason}. {self.remedy}."


class UnsupportedNetwork(InvalidNetwork):
    """A network with nodes outside the piecewise-linear functions; lists all of them in `refusals`."""

    def __init__(self, name: str, refusals: Sequence[Refusal]) -> None:
        self.refusals = tuple(refusals)
        lines = "\n".join(f"  - {refusal}" for refusal in self.refusals)
        super().__init__(f"{name}: {len(self.refusals)} node(s) cannot be compiled:\n{lines}")


class InvalidProblem(Relu2MipError, ValueError):
    """A problem whose parts do not fit: sizes, empty or infinite boxes, horizon, non-convex cost."""


class InvalidData(Relu2MipError, ValueError):
    """Training data that cannot be used: NaN, wrong shapes, a column without variation; names the array and column."""


def nearest(given: str, valid: Iterable[str], most: int = 1) -> str:
    """A question after the names that are nearest to one that there is not; empty where none is near.

    >>> nearest("gorubi", ["gurobi", "highs"])
    "did you mean 'gurobi'?"
    """
    near = difflib.get_close_matches(given, list(valid), n=most)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else ""


class UnknownOption(Relu2MipError, TypeError, KeyError):
    """An option, key or name that nothing reads; names the nearest valid one."""

    def __init__(self, what: str, given: str, valid: Iterable[str]) -> None:
        self.given = given
        self.valid = tuple(sorted(valid))
        hint = nearest(given, self.valid)
        super().__init__(f"unknown {what} {given!r}: {hint and hint + ' '}valid are {', '.join(self.valid) or 'none'}")

    __str__ = Exception.__str__


class InvalidOption(Relu2MipError, ValueError):
    """An option with a value outside its range; names the option."""


class UnboundedUnit(Relu2MipError, ValueError):
    """A unit without finite bounds; names the unit, its step, and the input that must be bounded."""


class BackendUnavailable(Relu2MipError, RuntimeError):
    """A backend that is not installed, not licensed, or too small for the model; says which."""


class CapabilityMissing(Relu2MipError, RuntimeError):
    """A backend cannot take this model and no lowering exists; names the backends that can."""


class InfeasibleProblem(Relu2MipError, RuntimeError):
    """No plan satisfies the constraints; `conflict` names the sets and steps in conflict where they are known."""

    def __init__(self, message: str, conflict: Sequence[str] = ()) -> None:
        self.conflict = tuple(conflict)
        super().__init__(message)


class CrossedBounds(InfeasibleProblem):
    """A lower bound above its upper bound: no point of the sets reaches this unit, so the problem is infeasible."""


class ContradictoryBounds(Relu2MipError, RuntimeError):
    """Bounds that exclude each other, of which some are not certified: a method is wrong, and nothing is proven."""


class UnboundedProblem(Relu2MipError, RuntimeError):
    """The objective decreases without limit over the feasible set."""


class NoIncumbent(Relu2MipError, RuntimeError):
    """The solver stopped at a limit before it found any plan; `bound` is what it proved by then."""

    def __init__(self, message: str, *, stop: str, bound: float, seconds: float) -> None:
        self.stop, self.bound, self.seconds = stop, bound, seconds
        super().__init__(message)


class OutOfTime(Relu2MipError, RuntimeError):
    """The budget ended, or was interrupted, before the program was built; `compiled` is what there is without one."""

    def __init__(self, message: str, compiled: Any) -> None:
        self.compiled = compiled
        super().__init__(message)


class SolverFailure(Relu2MipError, RuntimeError):
    """The solver reported an error or numerical trouble, or returned a point that is not feasible."""
