"""Arms one below the other, each with its interval: mean times, and paired ratios to the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from relu2mip.study.frame import Frame
from relu2mip.study.reporting.figure import Figure, error_bar, log_axis
from relu2mip.study.reporting.style import styles
from relu2mip.study.statistics import Estimate, shifted_mean


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
        [frame.against_baseline(k) for k in range(len(frame.arms))],
        reference=1.0,
    )


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
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [e.value],
                "y": [-place],
                "error_x": error_bar(e),
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
