"""The ways a trial can end; each is a result."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a trial ended."""

    SOLVED = "solved"
    """To the gap that was asked for."""
    PLAN = "plan"
    """A checked plan, but no proof: the time limit came first, a relaxation has none, or a planner gives none."""
    NO_PLAN = "no plan"
    """The time limit came before any plan."""
    INFEASIBLE = "infeasible"
    """Proven to have no plan."""
    REFUSED = "refused"
    """The solver or tool does not take this problem: a licence, a cost, a formulation."""
    WRONG = "wrong"
    """The returned plan did not pass the check."""
    FAILED = "failed"
    """An error, which `message` tells."""
    CRASHED = "crashed"
    """The process died."""
    MEMORY = "out of memory"
    """More memory than its limit."""
    KILLED = "killed"
    """It did not end by the hard limit of wall time."""
    LOST = "lost"
    """The workers it ran on died, each time."""


ENDED = frozenset({Outcome.SOLVED, Outcome.PLAN, Outcome.NO_PLAN, Outcome.INFEASIBLE})
"""Outcomes that say something about the arm's speed."""

FAILURES = frozenset(Outcome) - ENDED - {Outcome.REFUSED}
"""Outcomes that the report lists."""
