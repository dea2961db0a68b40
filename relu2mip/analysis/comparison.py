"""Learned models compared: each one's record, and the means of a kind over seeds with their intervals.

Intervals are Student's t, 95 %, over seeds: of first weights, minibatches and gates, on the same data. What a kind
gains over plain prediction is the mean of differences within seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from relu2mip.analysis.recovery import Recovery
from relu2mip.arrays import Array

PLAIN = "prediction"
"""The method that others are compared with."""

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Learned:
    """One model: how it was trained, its ReLUs, its error relative to the spread of changes, and its recovery.

    units: ReLUs that were asked for, None where all were kept.
    """

    method: str
    seed: int
    units: int | None
    relus: int
    error: float
    recovery: Recovery

    @property
    def kind(self) -> str:
        """The method, with the units that were asked for."""
        return self.method if self.units is None else f"{self.method} {self.units}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "recovery": self.recovery.to_dict()}


class Mean(NamedTuple):
    """A mean and the ends of its interval, NaN for one value alone."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float] | Array) -> Mean:
        """Of a value a seed.

        >>> Mean.of([1.0, 2.0, 3.0]).value, round(Mean.of([1.0, 2.0, 3.0]).low, 3)
        (2.0, -0.484)
        """
        array = np.asarray(values, dtype=np.float64)
        if array.size < 2:
            return cls(float(array.mean()), np.nan, np.nan)
        half = stats.t.ppf((1 + LEVEL) / 2, array.size - 1) * array.std(ddof=1) / np.sqrt(array.size)
        return cls(float(array.mean()), float(array.mean() - half), float(array.mean() + half))

    def __str__(self) -> str:
        return f"{self.value:.3f}" if np.isnan(self.low) else f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Summary:
    """Models of one kind over seeds: means of ReLUs, error, areas local and global, miscalibration.

    gain: of the local area over that of plain prediction with the same seed; None where there is none to compare with.
    chance, everywhere_chance: the areas of a score that knows nothing; static: of the best that knows nothing of the
    state (`relu2mip.analysis.recovery`).
    """

    kind: str
    seeds: int
    relus: float
    error: Mean
    local: Mean
    everywhere: Mean
    miscalibration: Mean
    gain: Mean | None
    chance: float
    static: float
    everywhere_chance: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: list(value) if isinstance(value, Mean) else value for name, value in vars(self).items()}


def summarise(models: Sequence[Learned]) -> list[Summary]:
    """The models of one system, by kind, in the order in which kinds come first."""
    plain = {one.seed: one.recovery.local for one in models if one.kind == PLAIN}
    found = []
    for kind in dict.fromkeys(one.kind for one in models):
        same = [one for one in models if one.kind == kind]
        gains = [one.recovery.local - plain[one.seed] for one in same if one.seed in plain]
        found.append(
            Summary(
                kind=kind,
                seeds=len(same),
                relus=float(np.mean([one.relus for one in same])),
                error=Mean.of([one.error for one in same]),
                local=Mean.of([one.recovery.local for one in same]),
                everywhere=Mean.of([one.recovery.everywhere for one in same]),
                miscalibration=Mean.of([one.recovery.miscalibration for one in same]),
                gain=Mean.of(gains) if gains and kind != PLAIN else None,
                chance=same[0].recovery.local_chance,
                static=same[0].recovery.local_static,
                everywhere_chance=same[0].recovery.everywhere_chance,
            )
        )
    return found
