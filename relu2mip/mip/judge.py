"""Whether a solver's word can be true, and what is said where it cannot: the same for every backend.

A word is doubted where it contradicts what is known, or itself:

- it calls infeasible or unbounded what has a known plan, or infeasible without naming rows and bounds that conflict;
- its point is no solution of the model, or called optimal although its controls leave the sets;
- its bound is above the cost of a known plan, or of its own point;
- it is called optimal, and the cost that the network gives to its point is further from the bound than was asked.

Plans are known from the start, from whoever looked for some, and from a quick look around the solver's own point, which
takes no solver (`relu2mip.incumbent.rival`).

A doubt is settled by asking again: without presolve, to a smaller tolerance, with another seed, then another solver.
The first word without a doubt counts; two words that nothing is feasible count, where no plan is known. What is not
settled is not called optimal: the best point found comes back with the weakest bound that nothing contradicts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import BackendUnavailable, CapabilityMissing, SolverFailure
from relu2mip.mip.aids import Heuristic
from relu2mip.mip.check import violations
from relu2mip.mip.model import MipModel
from relu2mip.mip.solution import Solution, Stop
from relu2mip.mip.units import Units
from relu2mip.runtime.deadline import expired

log = logging.getLogger(__name__)

RESOLUTION = 1e-6
"""Differences of the objective below this share of its range are lost in a solver's tolerances."""

UNRESOLVED = 1e-8
"""The same of how much the costs of plans differ: bounds may leave no more of the range than rounding of an offset."""

SOLUTION = 1e-5
"""Largest scaled violation of a point that counts as a solution."""

NOTHING = Stop.INFEASIBLE, Stop.UNBOUNDED
LIMITS = Stop.TIME_LIMIT, Stop.NODE_LIMIT, Stop.INTERRUPTED


def nothing_known() -> float:
    """The cost of a plan that is known to exist where none is."""
    return np.inf


@dataclass(frozen=True)
class Question:
    """One way to ask for a solution, and what it is called."""

    name: str
    ask: Callable[[], Solution]


class Judge:
    """The facts that words about a model are held against.

    gap: that was asked for.  known: tells the cost of a plan that is known to exist, infinite where none is; the
    model's start is known besides.  heuristic: knows what the network says.
    """

    def __init__(
        self,
        model: MipModel,
        gap: float,
        known: Callable[[], float] = nothing_known,
        heuristic: Heuristic | None = None,
    ) -> None:
        self.model, self.gap, self.units, self.heuristic = model, gap, Units.of(model), heuristic
        scale = self.units.range if np.isfinite(self.units.range) else 1.0
        self.slack = RESOLUTION * scale + self.units.resolution
        if heuristic is not None:
            self.slack += UNRESOLVED * heuristic.unit
        self.start = model.start if model.start is not None and self.is_solution(model.start) else None
        self._started = np.inf if self.start is None else self.cost(self.start)
        self._known, self._rival = known, np.inf

    @property
    def known(self) -> float:
        """The cost of the cheapest plan that is known by now."""
        return min(self._started, self._known(), self._rival)

    def look(self, word: Solution) -> None:
        """Look for a plan that speaks against a word, where somebody knows the network."""
        if self.heuristic is not None and word.stop in (Stop.OPTIMAL, *NOTHING):
            self._rival = min(self._rival, self.heuristic.rival(self.model, word.x))

    def is_solution(self, x: Array) -> bool:
        """Whether a point satisfies the model."""
        return violations(self.model, x, self.units).feasible(SOLUTION)

    def cost(self, x: Array) -> float:
        """The cost of a point: what the network says of its inputs, where somebody knows the network.

        Infinite where the network leaves the sets.
        """
        objective, heuristic = self.model.objective(x), self.heuristic
        return objective if heuristic is None else max(objective, heuristic.cost(self.model, x))

    def doubts(self, word: Solution) -> list[str]:
        """The objections to a word; none where it can be true."""
        if word.stop in NOTHING:
            if self.known < np.inf:
                return [f"called {word.stop}, though a plan of cost {self.known:g} is known"]
            return [] if word.conflict or word.stop is Stop.UNBOUNDED else ["called infeasible without a conflict"]
        if word.stop is Stop.FAILED:
            return [word.message or "failed"]
        found, cost = [], np.inf
        if word.x is not None:
            if not (wrong := violations(self.model, word.x, self.units)).feasible(SOLUTION):
                found.append(f"its point is no solution ({wrong.worst[0]})")
            else:
                cost = self.cost(word.x)
            if word.stop is Stop.OPTIMAL and cost == np.inf and not found:
                found.append("its controls leave the sets")
        if word.bound > min(cost, self.known) + self.slack:
            found.append(f"bound {word.bound:g} above a plan of cost {min(cost, self.known):g}")
        if word.stop is Stop.OPTIMAL and not found:
            reached = self.units.gap(cost, word.bound)
            if word.x is None or (reached > self.gap * (1 + RESOLUTION) and not cost - word.bound <= self.slack):
                found.append(f"called optimal at a gap of {reached:.2%}, cost {cost:g} and bound {word.bound:g}")
        return found

    def settle(self, questions: Iterable[Question]) -> Solution:
        """The first word without a doubt, or what is left of all words, in the order of the questions."""
        words: list[Solution] = []
        reasons: list[str] = []
        for question in questions:
            if words and expired():
                break
            try:
                word = question.ask()
            except SolverFailure as error:
                word = Solution(Stop.FAILED, message=str(error))
            except (BackendUnavailable, CapabilityMissing) as error:
                if not words:
                    raise
                log.info("no second opinion %s: %s", question.name, error)
                continue
            words.append(word)
            self.look(word)
            doubts = self.doubts(word)
            if not doubts or self._agree(words):
                return self._together(words, word, f"settled {question.name}" if reasons else "", reasons)
            log.info("%s doubted: %s", question.name or "first word", "; ".join(doubts))
            reasons.append("; ".join(doubts))
        return self._unsettled(words, reasons)

    def _agree(self, words: Sequence[Solution]) -> bool:
        """Whether the last two words are that nothing is feasible, and nothing speaks against that."""
        last = [word.stop for word in words[-2:]]
        return last == [Stop.INFEASIBLE] * 2 and self.known == np.inf and self._best(words)[0] is None

    def _best(self, words: Sequence[Solution]) -> tuple[Array | None, float]:
        """The cheapest solution in hand, and its cost."""
        points = [word.x for word in words if word.x is not None and self.is_solution(word.x)]
        points += [] if self.start is None else [self.start]
        costs = [self.cost(x) for x in points]
        return (points[int(np.argmin(costs))], min(costs)) if points else (None, np.inf)

    def _together(self, words: Sequence[Solution], word: Solution, how: str, reasons: Sequence[str]) -> Solution:
        """A word that counts, with the best point of all and what all took."""
        x, cost = self._best(words)
        bound = word.bound if x is None else min(word.bound, cost)
        no_better = word.stop in LIMITS and x is self.start is not None
        start = "the plan is the start, which the solver did not improve" if no_better else ""
        asked = f"asked {len(words)} times, {how}: {' | '.join(reasons)}" if reasons else ""
        return replace(
            word,
            x=x,
            objective=np.nan if x is None else self.model.objective(x),
            bound=bound,
            seconds=sum(w.seconds for w in words),
            nodes=sum(w.nodes for w in words),
            message="; ".join(filter(None, (word.message, start, asked))),
        )

    def _unsettled(self, words: Sequence[Solution], reasons: Sequence[str]) -> Solution:
        """The best point, with the weakest bound of those that no plan contradicts; not optimal, nor infeasible."""
        first = words[0]
        _, cost = self._best(words)
        limit = min(cost, self.known) + self.slack
        bounds = [word.bound for word in words if word.bound <= limit]
        stop = first.stop if first.stop in LIMITS else Stop.UNSETTLED
        weakest = replace(first, stop=stop, bound=min(bounds, default=-np.inf), message="", conflict=())
        return self._together(words, weakest, "not settled", reasons)
