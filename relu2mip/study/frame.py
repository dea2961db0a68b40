"""The results of a study in arrays: arms by pairs, an instance with a seed being a pair."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.study.outcome import ENDED, FAILURES, Outcome
from relu2mip.study.spec import partner
from relu2mip.study.statistics import Estimate, Mask, integral, paired_ratio
from relu2mip.study.store import Store
from relu2mip.study.trial import AXES, Arm, Trial

SETTLED = frozenset({Outcome.SOLVED, Outcome.INFEASIBLE})
"""Outcomes after which nothing is left to ask."""

AGREE = 1e-3
"""Share by which objectives of solved trials of one problem may differ."""


@dataclass(frozen=True, eq=False)
class Row:
    """A trial and its result, None where it has none yet."""

    key: str
    trial: Trial
    result: Mapping[str, Any] | None

    def number(self, name: str) -> float:
        """A number of the result, NaN where there is none."""
        value = None if self.result is None else self.result.get(name)
        return math.nan if value is None else float(value)

    @property
    def outcome(self) -> str:
        """How it ended, "" where it did not yet."""
        return "" if self.result is None else str(self.result["outcome"])

    @property
    def settled(self) -> bool:
        """Whether it proved the optimum, or that there is no plan."""
        return self.outcome in SETTLED

    @property
    def proves(self) -> bool:
        """Whether it could settle its problem: not a relaxation, and no planner that gives no bound."""
        if self.result is None or self.outcome == Outcome.REFUSED:
            return False
        planned = bool(self.trial.arm.planner) and self.outcome in ENDED and math.isnan(self.number("bound"))
        return self.result.get("exact") != 0 and not planned

    @property
    def counted(self) -> float:
        """The seconds that count: its own where it settled, else the time limit; NaN where it proves nothing."""
        if not self.proves:
            return math.nan
        limit = self.trial.instance.time_limit
        return min(self.number("seconds"), limit) if self.settled else limit

    @property
    def objective(self) -> float:
        """Of a checked plan, as if minimised; NaN without one."""
        has = self.result is not None and self.outcome in ENDED
        return self.sign * self.number("objective") if has else math.nan

    @property
    def sign(self) -> float:
        """-1 where the problem maximises."""
        return -1.0 if self.result is not None and self.result.get("sense") == "max" else 1.0


@dataclass(frozen=True, eq=False)
class Frame:
    """All rows of a study, in the order of its trials, and what its store says of it."""

    meta: Mapping[str, Any]
    rows: Sequence[Row]
    environments: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(cls, store: str | Path | Store) -> Frame:
        """Read a store, also one that is being written. Raises `StoreError`."""
        if not isinstance(store, Store):
            with Store.open(store) as opened:
                return cls.load(opened)
        results = store.results()
        rows = [Row(key, trial, results.get(key)) for key, trial in store.trials()]
        return cls(store.meta, rows, store.environments())

    @cached_property
    def arms(self) -> list[Arm]:
        """Those of the trials, the baselines first, then as the axes have them."""
        seen = {str(row.trial.arm): row.trial.arm for row in self.rows}
        order = {name: [str(v) for v in self.meta["axes"].get(name, ())] for name in AXES}

        def place(arm: Arm) -> tuple[Any, ...]:
            known = (order[name].index(v) if v in order[name] else -1 for name, v in arm.axes.items())
            return bool(arm.planner or arm.tool), *known

        return sorted(seen.values(), key=place)

    @cached_property
    def labels(self) -> list[str]:
        """Names of the arms by the axes that differ between them."""
        kinds = [arm.axes for arm in self.arms]
        differing = [name for name in AXES if len({axes[name] for axes in kinds if axes[name]}) > 1]
        own = [" · ".join(filter(None, (axes[name] for name in differing))) for axes in kinds]
        return [label or str(arm) for label, arm in zip(own, self.arms, strict=True)]

    @cached_property
    def partners(self) -> list[int | None]:
        """The number of the arm that each is compared with."""
        found = [partner(arm, self.meta["baseline"], self.arms) for arm in self.arms]
        return [None if one is None else self.arms.index(one) for one in found]

    @cached_property
    def pairs(self) -> list[tuple[str, int]]:
        """Instance and seed of each column."""
        return list(dict.fromkeys((row.trial.instance.identity, row.trial.seed) for row in self.rows))

    @cached_property
    def clusters(self) -> Index:
        """The number of each column's instance."""
        number: dict[str, int] = {}
        return np.array([number.setdefault(identity, len(number)) for identity, _ in self.pairs], dtype=np.int64)

    @cached_property
    def where(self) -> tuple[Index, Index]:
        """Row and column of each trial."""
        arms = {str(arm): k for k, arm in enumerate(self.arms)}
        pairs = {pair: k for k, pair in enumerate(self.pairs)}
        i = [arms[str(row.trial.arm)] for row in self.rows]
        j = [pairs[row.trial.instance.identity, row.trial.seed] for row in self.rows]
        return np.array(i, dtype=np.int64), np.array(j, dtype=np.int64)

    def matrix(self, value: Callable[[Row], float]) -> Array:
        """A number of each trial, (arms, pairs); NaN where there is no trial."""
        found = np.full((len(self.arms), len(self.pairs)), np.nan)
        found[self.where] = [value(row) for row in self.rows]
        return found

    @cached_property
    def seconds(self) -> Array:
        """The seconds that count."""
        return self.matrix(lambda row: row.counted)

    @cached_property
    def censored(self) -> Mask:
        """Where they are a limit, (arms, pairs)."""
        return np.array(self.matrix(lambda row: not (row.settled or math.isnan(row.counted))) == 1)

    @cached_property
    def best(self) -> dict[str, float]:
        """The best known objective of each problem, whatever the time limit and arm, as if minimised."""
        found: dict[str, float] = {}
        for row in self.rows:
            if not math.isnan(row.objective):
                problem = row.trial.instance.group
                found[problem] = min(found.get(problem, math.inf), row.objective)
        return found

    def best_of(self, row: Row) -> float:
        """That of a row's problem, NaN where no plan is known."""
        return self.best.get(row.trial.instance.group, math.nan)

    @cached_property
    def primal(self) -> Array:
        """The primal integral of each trial, of its plans; NaN where no plan is known, or it failed."""
        return self._integral("plans")

    @cached_property
    def dual(self) -> Array:
        """The dual integral of each trial, of its bounds."""
        return self._integral("bounds")

    def _integral(self, trace: str) -> Array:

        def of(row: Row) -> float:
            best = self.best_of(row)
            if row.result is None or row.outcome not in ENDED - {Outcome.INFEASIBLE} or math.isnan(best):
                return math.nan
            points = [(at, row.sign * value) for at, value in row.result[trace]]
            return integral(points, best, row.trial.instance.time_limit)

        return self.matrix(of)

    def against_baseline(self, arm: int) -> Estimate | None:
        """The paired ratio of the times of an arm's baseline to its own, None where it is a baseline."""
        if (other := self.partners[arm]) is None:
            return None
        own, others = self.censored[arm], self.censored[other]
        return paired_ratio(self.seconds[arm], self.seconds[other], own, others, self.clusters)

    @property
    def failures(self) -> list[Row]:
        """Trials that failed."""
        return [row for row in self.rows if row.outcome in FAILURES]

    @property
    def refusals(self) -> list[Row]:
        """Trials that a solver or tool did not take."""
        return [row for row in self.rows if row.outcome == Outcome.REFUSED]

    @property
    def disagreements(self) -> list[str]:
        """Problems whose solved trials have different optima: at least one of them is wrong."""
        solved: dict[str, dict[str, float]] = {}
        for row in self.rows:
            if row.outcome == Outcome.SOLVED:
                solved.setdefault(row.trial.instance.group, {})[str(row.trial.arm)] = row.objective
        found = []
        for problem, objectives in solved.items():
            least, most = min(objectives, key=objectives.__getitem__), max(objectives, key=objectives.__getitem__)
            low, high = objectives[least], objectives[most]
            if high - low > AGREE * max(1e-3, abs(low)):
                found.append(f"{problem}: {low:.6g} ({least}) and {high:.6g} ({most}) are both called optimal")
        return found
