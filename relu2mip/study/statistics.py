"""The statistics of a report, as functions of plain arrays. Rows are arms, columns the pairs they are compared on.

Times may be censored: a trial that did not settle its problem counts with its time limit, and whatever is computed from
it comes with the number of those. Trials of one instance with several seeds are no independent draws, so intervals come
from a bootstrap of whole instances, the Bayesian one (Rubin 1981): instances get random weights in place of counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from relu2mip.arrays import Array, Index

Mask: TypeAlias = NDArray[np.bool_]

SHIFT = 1.0
"""Seconds added before the logarithm, so that differences of milliseconds weigh little."""

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval of 95 %, by a bootstrap of instances.

    count: of trials, or of pairs.  instances: of those, how many differ by more than the seed.  censored: how many
    count with a time limit.  sign: what they make of the value: "≥" a lower bound of the true one, "≤" an upper bound,
    "≈" neither, "" nothing.  An interval of fewer than two instances is NaN.
    """

    value: float
    low: float
    high: float
    count: int
    instances: int
    censored: int = 0
    sign: str = ""

    def __str__(self) -> str:
        """The value and the interval in three digits.

        >>> str(Estimate(1.5, 1.25, 1.75, 10, 5, 1, "≥")), str(Estimate(1.5, np.nan, np.nan, 1, 1))
        ('≥ 1.5 [1.25, 1.75]', '1.5')
        """
        if not self.count:
            return "–"
        interval = "" if np.isnan(self.low) else f" [{self.low:.3g}, {self.high:.3g}]"
        return f"{self.sign}{' ' if self.sign else ''}{self.value:.3g}{interval}"


def shifted_mean(seconds: Array, censored: Mask, clusters: Index, shift: float = SHIFT, seed: int = 0) -> Estimate:
    """The shifted geometric mean exp(mean log(t + shift)) - shift of the seconds that are no NaN, all (n,).

    clusters: the number of each entry's instance.

    >>> round(shifted_mean(np.array([1.0, 3.0]), np.zeros(2, bool), np.arange(2)).value, 4)
    1.8284
    """
    there = ~np.isnan(seconds)
    logs = np.log(seconds[there] + shift)
    value, low, high, instances = _mean_interval(logs, clusters[there], seed)
    value, low, high = (float(np.exp(x) - shift) for x in (value, low, high))
    limits = int(censored[there].sum())
    return Estimate(value, low, high, int(there.sum()), instances, limits, "≥" if limits else "")


def paired_ratio(
    seconds: Array, other: Array, censored: Mask, other_censored: Mask, clusters: Index, seed: int = 0
) -> Estimate:
    """The geometric mean of other / seconds over pairs in which both are there and either is not censored.

    Above 1, the first is faster. A pair with one side at its limit bounds the ratio, from below where that is the
    other.

    >>> none = np.zeros(2, bool)
    >>> paired_ratio(np.array([1.0, 2.0]), np.array([4.0, 2.0]), none, none, np.arange(2)).value
    2.0
    """
    there = ~np.isnan(seconds) & ~np.isnan(other) & ~(censored & other_censored)
    logs = np.log(np.maximum(other[there], 1e-3)) - np.log(np.maximum(seconds[there], 1e-3))
    value, low, high, instances = _mean_interval(logs, clusters[there], seed)
    value, low, high = (float(np.exp(x)) for x in (value, low, high))
    own, others = int(censored[there].sum()), int(other_censored[there].sum())
    sign = "≈" if own and others else "≤" if own else "≥" if others else ""
    return Estimate(value, low, high, int(there.sum()), instances, own + others, sign)


def plain_mean(values: Array, clusters: Index, seed: int = 0) -> Estimate:
    """The arithmetic mean of the values that are no NaN."""
    there = ~np.isnan(values)
    value, low, high, instances = _mean_interval(values[there], clusters[there], seed)
    return Estimate(value, low, high, int(there.sum()), instances)


def _mean_interval(values: Array, clusters: Index, seed: int) -> tuple[float, float, float, int]:
    """The mean, its interval where whole clusters are weighted anew, and how many clusters there are."""
    if not values.size:
        return np.nan, np.nan, np.nan, 0
    known, which = np.unique(clusters, return_inverse=True)
    mean = float(values.mean())
    if known.size < 2:
        return mean, np.nan, np.nan, known.size
    sums, sizes = np.zeros(known[-1] + 1), np.zeros(known[-1] + 1)
    sums[known], sizes[known] = np.bincount(which, values), np.bincount(which)
    weights = _weights(1 << int(known[-1]).bit_length(), seed)[:, : known[-1] + 1]
    means = (weights @ sums) / (weights @ sizes)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return mean, float(low), float(high), known.size


@lru_cache(maxsize=4)
def _weights(count: int, seed: int) -> Array:
    """The weight of each of `count` instances, in each resample."""
    return np.random.default_rng(seed).standard_exponential((RESAMPLES, count))


def profile(seconds: Array, censored: Mask) -> tuple[list[Array], list[Array]]:
    """Performance profiles (Dolan and Moré 2002): for each arm, ratios and the share of its pairs within them.

    seconds: (arms, pairs), NaN where an arm was not tried; the ratio is to the fastest arm that settled the pair. The
    share of an arm is of the pairs that it was tried on.

    >>> ratios, shares = profile(np.array([[1.0, 2.0], [2.0, 9.0]]), np.array([[False, False], [False, True]]))
    >>> ratios[0].tolist(), shares[0].tolist(), ratios[1].tolist(), shares[1].tolist()
    ([1.0], [1.0], [2.0], [0.5])
    """
    settled = np.where(censored | np.isnan(seconds), np.inf, np.maximum(seconds, 1e-3))
    best = settled.min(axis=0, initial=np.inf)
    ratios, shares = [], []
    for own, tried in zip(settled, ~np.isnan(seconds), strict=True):
        found = np.sort(own[np.isfinite(own)] / best[np.isfinite(own)])
        steps, counts = np.unique(found, return_counts=True)
        ratios.append(steps)
        shares.append(np.cumsum(counts) / max(1, int(tried.sum())))
    return ratios, shares


def integral(trace: Sequence[Sequence[float]], best: float, limit: float) -> float:
    """The mean over [0, limit] of the gap between a trace and the best known objective (Berthold 2013); 0 to 1.

    The gap is |value - best| / max(|value|, |best|), 1 before the trace begins and where the signs differ. Of plans,
    this is the primal integral, of bounds the dual one, both over the time limit.

    >>> integral([[1.0, 2.0], [3.0, 1.0]], best=1.0, limit=4.0)
    0.5
    """
    times = np.array([0.0, *(min(max(at, 0.0), limit) for at, _ in trace), limit])
    gaps = np.array([1.0, *(relative_gap(value, best) for _, value in trace)])
    return float((np.diff(times) * gaps).sum() / limit)


def relative_gap(value: float, best: float) -> float:
    """|value - best| / max(|value|, |best|), at most 1; 1 where the signs differ, 0 where both are 0.

    >>> relative_gap(2.0, 1.0), relative_gap(-1.0, 1.0), relative_gap(0.0, 0.0)
    (0.5, 1.0, 0.0)
    """
    if not np.isfinite(value):
        return 1.0
    largest = max(abs(value), abs(best))
    if largest < 1e-9 or value == best:
        return 0.0
    return 1.0 if value * best < 0 else min(1.0, abs(value - best) / largest)
