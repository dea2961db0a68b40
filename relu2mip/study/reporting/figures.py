"""The figures of a report, for plotly. Each says in its caption what it counts, and how often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.study.frame import Frame, Row
from relu2mip.study.outcome import Outcome
from relu2mip.study.reporting.style import styles
from relu2mip.study.statistics import Estimate, paired_ratio, plain_mean, profile, shifted_mean

LEAST_GAP = 1e-4
"""Gaps below are drawn here: the axis is logarithmic."""


@dataclass(frozen=True)
class Figure:
    """A figure of the page.

    data, layout: as plotly has them.  caption: what it shows.  legend: how many entries it has, and the longest.
    height: pixels of the plot itself.
    """

    name: str
    title: str
    caption: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    height: int = 380


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
    if not any(ratios.size for ratios in found):
        return None
    most = max(ratios.max(initial=1.0) for ratios in found)
    data = []
    for k, (ratios, share) in enumerate(zip(found, shares, strict=True)):
        x = [1.0, *ratios.tolist(), most * 1.1]
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


def means(frame: Frame) -> Figure | None:
    """Shifted geometric means of the time."""
    estimates = [shifted_mean(s, c, frame.clusters) for s, c in zip(frame.seconds, frame.censored, strict=True)]
    return forest(
        frame,
        "means",
        "Time to settle",
        "Shifted geometric mean (shift 1 s) of the seconds for bounds, building and search. Trials that did not settle "
        "their problem count with the time limit, so where there are any the mean is a lower bound; hollow marks have "
        "more than a tenth of those. Bars are 95 % intervals by a bootstrap of instances.",
        "seconds",
        estimates,
    )


def ratios(frame: Frame) -> Figure | None:
    """Paired ratios to the baseline."""
    return forest(
        frame,
        "ratios",
        "Against the baseline",
        "How many times faster than its baseline arm: geometric mean of paired ratios of the seconds that count, over "
        "the pairs that both were tried on and at least one settled. A pair with one side at its limit bounds the "
        "ratio; hollow marks have more than a tenth of those. Bars are 95 % intervals by a bootstrap of instances.",
        "times faster than the baseline",
        [against_baseline(frame, k) for k in range(len(frame.arms))],
        reference=1.0,
    )


def against_baseline(frame: Frame, arm: int) -> Estimate | None:
    """The paired ratio of an arm to its baseline, None where it is one."""
    if (other := frame.partners[arm]) is None:
        return None
    seconds, censored = frame.seconds, frame.censored
    return paired_ratio(seconds[arm], seconds[other], censored[arm], censored[other], frame.clusters)


def forest(
    frame: Frame,
    name: str,
    title: str,
    caption: str,
    axis: str,
    estimates: Sequence[Estimate | None],
    reference: float | None = None,
) -> Figure | None:
    """A point with its interval for each arm, one below the other; its name stands above it."""
    shown = [(k, e) for k, e in enumerate(estimates) if e is not None and e.count and math.isfinite(e.value)]
    if not shown:
        return None
    data, notes, look = [], [], styles(frame.arms)
    for place, (k, e) in enumerate(shown):
        hollow = "-open" if e.censored > e.count / 10 else ""
        bar = {"type": "data", "symmetric": False, "array": [_side(e.high - e.value)]}
        bar |= {"arrayminus": [_side(e.value - e.low)], "thickness": 2}
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [e.value],
                "y": [-place],
                "error_x": bar,
                "marker": {"size": 10, "symbol": f"circle{hollow}", "color": look[k].colour, "line": {"width": 2}},
                "name": frame.labels[k],
                "showlegend": False,
                "hovertemplate": f"{frame.labels[k]}<br>{e}<br>{e.count} trials, {e.instances} instances, "
                f"{e.censored} at the limit<extra></extra>",
            }
        )
        text = f"{frame.labels[k]}  <b>{e.value:.3g}</b>"
        notes.append(_note(text, -place + 0.36))
    layout: dict[str, Any] = {
        "xaxis": log_axis(axis, [x for _, e in shown for x in (e.low, e.value, e.high)]),
        "yaxis": {"visible": False, "range": [-len(shown) + 0.5, 0.75]},
        "annotations": notes,
    }
    if reference is not None:
        line = {"type": "line", "x0": reference, "x1": reference, "y0": 0, "y1": 1, "yref": "paper"}
        layout["shapes"] = [{**line, "line": {"dash": "dot", "width": 1}}]
    counts = sorted({e.count for _, e in shown})
    numbers = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return Figure(name, title, f"{caption} {numbers} each.", data, layout, 90 + 44 * len(shown))


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
                "error_x": _error(x),
                "error_y": _error(y),
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
    tried = (~np.isnan(frame.seconds)).sum(axis=1)
    for i, row in zip(frame.where[0].tolist(), frame.rows, strict=True):
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
        data.append({**made, "type": "scattergl" if len(frame.rows) > 3000 else "scatter", "marker": _marker(frame, k)})
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
        made["marker"] = {**_marker(frame, k), "symbol": hollow}
        spread = {"array": [_side(e.high - e.value) for _, e in found], "symmetric": False, "type": "data"}
        spread |= {"arrayminus": [_side(e.value - e.low) for _, e in found], "thickness": 1}
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


def _picked(frame: Frame, arm: int, columns: Array) -> tuple[Array, Array, Any]:
    return frame.seconds[arm][columns], frame.censored[arm][columns], frame.clusters[columns]


def line(
    frame: Frame, arm: int, x: Sequence[float], y: Sequence[float], mode: str, hover: str, shape: str = "linear"
) -> dict[str, Any]:
    """The trace of an arm in its colour."""
    look = styles(frame.arms)[arm]
    return {
        "type": "scatter",
        "mode": mode,
        "x": _rounded(x),
        "y": _rounded(y),
        "name": frame.labels[arm],
        "line": {"color": look.colour, "dash": look.dash, "shape": shape, "width": 2},
        "hovertemplate": f"{frame.labels[arm]}<br>{hover}<extra></extra>",
    }


def _marker(frame: Frame, arm: int) -> dict[str, Any]:
    look = styles(frame.arms)[arm]
    return {"color": look.colour, "symbol": look.symbol, "size": 7}


def _note(text: str, y: float) -> dict[str, Any]:
    """A line of text at the left edge."""
    return {
        "text": text,
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": y,
        "yanchor": "middle",
        "showarrow": False,
        "font": {"size": 12},
    }


def _error(e: Estimate) -> dict[str, Any]:
    return {
        "type": "data",
        "symmetric": False,
        "array": [_side(e.high - e.value)],
        "arrayminus": [_side(e.value - e.low)],
        "thickness": 1,
    }


def _side(length: float) -> float:
    return 0.0 if math.isnan(length) else max(0.0, length)


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def log_axis(title: str, values: Sequence[float], percent: bool = False) -> dict[str, Any]:
    """A logarithmic axis, with a label at each decade, or at 1, 2 and 5 where there are few."""
    finite = [value for value in values if math.isfinite(value) and value > 0]
    few = not finite or max(finite) < 30 * min(finite)
    form = ".3~%" if percent else ".4~g"
    return {"title": {"text": title}, "type": "log", "dtick": "D2" if few else 1, "tickformat": form}
