"""A figure of the page, and what figures have in common: traces in the colours of arms, intervals, axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from relu2mip.study.frame import Frame
from relu2mip.study.reporting.style import styles
from relu2mip.study.statistics import Estimate


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


def marker(frame: Frame, arm: int) -> dict[str, Any]:
    """The mark of an arm in its colour."""
    look = styles(frame.arms)[arm]
    return {"color": look.colour, "symbol": look.symbol, "size": 7}


def error_bar(e: Estimate) -> dict[str, Any]:
    """The interval of an estimate."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [side(e.high - e.value)],
        "arrayminus": [side(e.value - e.low)],
        "thickness": 1,
    }


def side(length: float) -> float:
    """The length of one side of an interval, 0 where there is none."""
    return 0.0 if math.isnan(length) else max(0.0, length)


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


def log_axis(title: str, values: Sequence[float], percent: bool = False) -> dict[str, Any]:
    """A logarithmic axis, with a label at each decade, or at 1, 2 and 5 where there are few."""
    finite = [value for value in values if math.isfinite(value) and value > 0]
    few = not finite or max(finite) < 30 * min(finite)
    form = ".3~%" if percent else ".4~g"
    return {"title": {"text": title}, "type": "log", "dtick": "D2" if few else 1, "tickformat": form}
