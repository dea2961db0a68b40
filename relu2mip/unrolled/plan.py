"""A plan: values for the inputs of an unrolled form, what they cost, and by how much they violate the sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relu2mip.arrays import Array

FEASIBLE = 1e-9
"""Largest violation of a set, relative to its range, that counts as none."""


@dataclass(frozen=True, eq=False)
class Plan:
    """One point of the inputs of an unrolled form (for a trajectory: the initial window and the controls).

    inputs: by input name, (size,) each.  cost: the problem's objective, to be minimised.  violation: the largest by
    which a state, a control rate or a linear constraint leaves its set, relative to its range.
    """

    inputs: Mapping[str, Array]
    cost: float
    violation: float = 0.0

    @property
    def feasible(self) -> bool:
        """Whether it satisfies every set."""
        return self.violation <= FEASIBLE

    def better_than(self, other: Plan | None) -> bool:
        """Feasible before infeasible, then cheaper; among infeasible ones the smaller violation."""
        if other is None or self.feasible != other.feasible:
            return other is None or self.feasible
        return self.cost < other.cost if self.feasible else self.violation < other.violation
