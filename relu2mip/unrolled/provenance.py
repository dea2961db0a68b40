"""Where bounds came from, and how far they can be relied on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

SETS = "sets"
"""The provenance of what the boxes of the problem say."""


class Grade(StrEnum):
    """How far bounds can be relied on.

    CERTIFIED: nothing can lie outside; recomputed from duals, or in arithmetic that is rounded outwards.
    TRUSTED: nothing lies outside if a solver told the truth about its dual bound.
    UNSOUND: what was seen; something may lie outside.
    """

    CERTIFIED = "certified"
    TRUSTED = "trusted"
    UNSOUND = "unsound"

    @classmethod
    def worst(cls, grades: Iterable[Grade]) -> Grade:
        """That of what rests on all of these."""
        order = list(cls)
        return max(grades, key=order.index, default=cls.CERTIFIED)


@dataclass(frozen=True)
class Provenance:
    """One method that took part: its name with options, its grade, and its seconds.

    detail: what it counted on the way, by name. cutoff: its bounds hold only for plans with at most this objective (as
    the model minimises it); None: for all.
    """

    method: str
    grade: Grade
    seconds: float = 0.0
    detail: Mapping[str, float] = field(default_factory=dict)
    cutoff: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "grade", Grade(self.grade))

    @property
    def sound(self) -> bool:
        """Whether it is certified or trusted."""
        return self.grade is not Grade.UNSOUND
