"""The counts of a tightening, and its limits."""

from __future__ import annotations

from collections import Counter

from relu2mip.runtime.deadline import now, seconds_left


class Tally:
    """Counts by name, and a budget of seconds and of programs (0: as many as there are).

    The seconds end no later than what is left of `runtime.deadline`, and `reserve` before that: what carrying on the
    results takes.

    programs: linear or mixed-integer programs solved.  tightened: sides that moved.  filtered: sides left because an
    earlier point attains them.  settled: sides left because the unit's sign is known.  unvisited: sides that the
    budget left.  iterations: of the simplex method.  failures: solves that gave no usable bound.  stopped: those that
    ran out of time among them.
    """

    def __init__(self, seconds: float = float("inf"), programs: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self.deadline = now() + seconds
        self.reserve = 0.0
        self.programs = programs

    @property
    def seconds_left(self) -> float:
        """Seconds to the deadline."""
        return min(self.deadline - now(), seconds_left()) - self.reserve

    @property
    def programs_left(self) -> float:
        """Programs that may still be solved."""
        return self.programs - self.counts["programs"] if self.programs else float("inf")

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        return self.seconds_left <= 0 or self.programs_left <= 0

    def detail(self) -> dict[str, float]:
        """The counts, for a provenance."""
        names = ("programs", "tightened", "filtered", "settled", "unvisited", "iterations")
        return {name: self.counts[name] for name in (*names, "failures", "stopped", "rounds")}
