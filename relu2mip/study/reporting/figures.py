"""The figures of a report, for plotly. Each says in its caption what it counts, and how often."""

from __future__ import annotations

import math

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.study.frame import Frame, Row
from relu2mip.study.outcome import Outcome
from relu2mip.study.reporting.figure import Figure, error_bar, line, log_axis, marker, side
from relu2mip.study.reporting.forest import means, ratios
from relu2mip.study.reporting.style import styles
from relu2mip.study.statistics import Mask, plain_mean, profile, shifted_mean

LEAST_GAP = 1e-4
"""Gaps below are drawn here: the axis is logarithmic."""


def figures(frame: Frame) -> list[Figure]:
    """Those for which there are results."""
    made = [
        profiles(frame),
        means(frame),
        ratios(frame),
        integrals(frame),
        gaps(frame),
        root_gaps(frame),
        times_by(frame, "relus", "ReLUs a step"),
        times_by(frame, "horizon", "horizon"),
    ]
    return [figure for figure in made if figure is not None]


def profiles(frame: Frame) -> Figure | None:
    """Performance profiles."""
    found, shares = profile(frame.seconds, frame.censored)
    if not any(own.size for own in found):
        return None
    most = max(own.max(initial=1.0) for own in found)
    data = []
    for k, (own, share) in enumerate(zip(found, shares, strict=True)):
        x = [1.0, *own.tolist(), most * 1.1]
        y = [0.0, *share.tolist(), share[-1] if share.size else 0.0]
        data.append(line(frame, k, x, y, mode="lines", shape="hv", hover="within %{x:.3g}× of the fastest: %{y:.0%}"))
    pairs, instances = len(frame.pairs), int(frame.clusters.max(initial=-1)) + 1
    return Figure(
        "profiles",
        "Performance profiles",
        "Share of problems that an arm settles within a factor of the fastest arm (Dolan and Moré 2002), of those it "
        f"was tried on: {pairs} pairs of {instances} instances and a seed. Where a line ends below 1, the rest was "
        "not settled within the limit, or failed.",
        data,
        {
            "xaxis": log_axis("factor of the fastest", [1.0, most]),
            "yaxis": {"title": {"text": "share settled"}, "range": [0, 1.02], "tickformat": ".0%"},
        },
    )


def integrals(frame: Frame) -> Figure | None:
    """Primal against dual integral."""
    primal, dual = frame.primal, frame.dual
    data, look = [], styles(frame.arms)
    counts = set()
    for k, label in enumerate(frame.labels):
        x, y = plain_mean(primal[k], frame.clusters), plain_mean(dual[k], frame.clusters)
        if not x.count:
            continue
        counts.add(x.count)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [x.value],
                "y": [y.value],
                "error_x": error_bar(x),
                "error_y": error_bar(y),
                "marker": {"size": 10, "color": look[k].colour, "symbol": look[k].symbol},
                "name": label,
                "hovertemplate": f"{label}<br>primal {x}<br>dual {y}<br>{x.count} trials<extra></extra>",
            }
        )
    if not data:
        return None
    return Figure(
        "integrals",
        "Primal and dual integrals",
        "Mean over the time limit of the gap between the best plan so far, or the proven bound, and the best known "
        "objective (Berthold 2013): 0 is the best at once, 1 nothing until the end. Means over trials, whatever they "
        f"ended with, with 95 % intervals by a bootstrap of instances; {min(counts)} to {max(counts)} trials each.",
        data,
        {
            "xaxis": {"title": {"text": "primal integral: plans"}, "rangemode": "tozero"},
            "yaxis": {"title": {"text": "dual integral: bounds"}, "rangemode": "tozero"},
        },
    )


def gaps(frame: Frame) -> Figure | None:
    """The gap of trials that ended at their limit."""
    at_limit: dict[int, list[float]] = {}
    tried = np.zeros(len(frame.arms), dtype=int)
    for i, row in zip(frame.where[0].tolist(), frame.rows, strict=True):
        tried[i] += row.outcome not in ("", Outcome.REFUSED)
        if row.outcome in (Outcome.PLAN, Outcome.NO_PLAN):
            gap = row.number("gap") if row.outcome == Outcome.PLAN else math.inf
            at_limit.setdefault(i, []).append(math.inf if math.isnan(gap) else gap)
    if not at_limit:
        return None
    data = []
    for k, found in sorted(at_limit.items()):
        finite = np.sort([max(gap, LEAST_GAP) for gap in found if math.isfinite(gap)])
        solved = (tried[k] - len(found)) / tried[k]
        x = [LEAST_GAP, *finite.tolist()]
        y = [solved, *(solved + np.arange(1, finite.size + 1) / tried[k]).tolist()]
        data.append(line(frame, k, x, y, mode="lines", shape="hv", hover="gap at most %{x:.2%}: %{y:.0%}"))
    count = sum(map(len, at_limit.values()))
    return Figure(
        "gaps",
        "Gap at the limit",
        f"Share of an arm's trials whose gap between plan and bound is at most so large when they end. It begins with "
        f"the share that was settled; {count} trials in all ended without a proof, and those without a plan or a bound "
        "are never reached.",
        data,
        {
            "xaxis": log_axis("gap", [x for trace in data for x in trace["x"]], percent=True),
            "yaxis": {"title": {"text": "share of trials"}, "range": [0, 1.02], "tickformat": ".0%"},
        },
    )


def root_gaps(frame: Frame) -> Figure | None:
    """The strength of the relaxation against its size."""
    points: dict[int, list[tuple[float, float]]] = {}
    for i, row in zip(frame.where[0].tolist(), frame.rows, strict=True):
        gap, size = root_gap(frame, row), row.number("nonzeros")
        if math.isfinite(gap) and math.isfinite(size) and row.trial.seed == frame.pairs[0][1]:
            points.setdefault(i, []).append((size, max(gap, LEAST_GAP)))
    if not points:
        return None
    data = []
    for k, found in sorted(points.items()):
        x, y = zip(*found, strict=True)
        made = line(frame, k, x, y, mode="markers", hover="%{x:,} nonzeros, gap %{y:.2%}")
        data.append({**made, "type": "scattergl" if len(frame.rows) > 3000 else "scatter", "marker": marker(frame, k)})
    return Figure(
        "root-gaps",
        "Root gap against size",
        "Gap of the linear relaxation to the best known objective, against the nonzeros of the program; a point for "
        f"each instance, {sum(map(len, points.values()))} in all, of the first seed. Further down is tighter, further "
        "left smaller.",
        data,
        {
            "xaxis": log_axis("nonzeros", [x for trace in data for x in trace["x"]]),
            "yaxis": log_axis("root gap", [y for trace in data for y in trace["y"]], percent=True),
        },
    )


def root_gap(frame: Frame, row: Row) -> float:
    """The gap of a trial's linear relaxation to the best known objective, relative to that."""
    best = frame.best_of(row)
    return abs(best - row.sign * row.number("relaxation")) / max(1e-9, abs(best))


def times_by(frame: Frame, axis: str, title: str) -> Figure | None:
    """The shifted mean of the time against a number of the instance."""
    instances = {row.trial.instance.identity: row.trial.instance for row in frame.rows}
    numbers = np.array([getattr(instances[identity], axis) for identity, _ in frame.pairs], dtype=float)
    values = np.unique(numbers)
    if values.size < 2:
        return None
    data, counts = [], []
    for k in range(len(frame.arms)):
        found = [(value, e) for value in values if (e := shifted_mean(*_picked(frame, k, numbers == value))).count]
        if not found:
            continue
        counts += [e.count for _, e in found]
        x, y = [value for value, _ in found], [e.value for _, e in found]
        said = [f"{e}, {e.count} trials, {e.censored} at the limit" for _, e in found]
        made = line(frame, k, x, y, mode="lines+markers", hover="%{x:g}: %{text}")
        hollow = [f"{styles(frame.arms)[k].symbol}{'-open' if e.censored > e.count / 2 else ''}" for _, e in found]
        made["marker"] = {**marker(frame, k), "symbol": hollow}
        spread = {"array": [side(e.high - e.value) for _, e in found], "symmetric": False, "type": "data"}
        spread |= {"arrayminus": [side(e.value - e.low) for _, e in found], "thickness": 1}
        data.append({**made, "error_y": spread, "text": said})
    return Figure(
        f"times-by-{axis}",
        f"Time against {title}",
        "Shifted geometric mean (shift 1 s) of the seconds that count, trials at their limit with the limit; where "
        f"more than half are, the mark is hollow, and the mean says little. Intervals of 95 % by a bootstrap of "
        f"instances; "
        f"{min(counts)} to {max(counts)} trials a point.",
        data,
        {
            "xaxis": {
                "title": {"text": title},
                "type": "log" if values.min() > 0 else "linear",
                "tickvals": values.tolist(),
            },
            "yaxis": log_axis("seconds", [y for trace in data for y in trace["y"]]),
        },
    )


def _picked(frame: Frame, arm: int, columns: Mask) -> tuple[Array, Mask, Index]:
    return frame.seconds[arm][columns], frame.censored[arm][columns], frame.clusters[columns]
