"""Figures for a paper, as PNG and PDF, and a LaTeX table of the arms."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relu2mip.study.frame import Frame
from relu2mip.study.reporting.figure import side
from relu2mip.study.reporting.needs import need
from relu2mip.study.reporting.style import styles
from relu2mip.study.reporting.tables import ArmRow, arm_rows
from relu2mip.study.statistics import Estimate, profile, shifted_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (5.0, 3.2)
"""Inches."""

DASHES: dict[str, Any] = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 3)),
    "longdashdot": (0, (8, 3, 1, 3)),
}


def write_figures(frame: Frame, folder: str | Path) -> list[Path]:
    """Draw every figure there are results for into a folder, as PNG and PDF; the paths.

    Raises `Relu2MipError` without the extra `plot`.
    """
    need("matplotlib", "plot")
    import matplotlib as mpl
    from matplotlib.figure import Figure

    Path(folder).mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context({"font.size": 9, "axes.grid": True, "grid.alpha": 0.3, "pdf.fonttype": 42}):
        for name, draw in DRAWN.items():
            figure = Figure(figsize=SIZE, layout="constrained")
            axes = figure.add_subplot()
            if not draw(frame, axes):
                continue
            if name == "ratios":  # an arm a line
                figure.set_size_inches(SIZE[0], max(SIZE[1], 0.7 + 0.16 * len(axes.get_yticks())))
            _legend(figure)
            for suffix in (".png", ".pdf"):
                path = Path(folder) / f"{name}{suffix}"
                figure.savefig(path, dpi=200, metadata={"CreationDate": None} if suffix == ".pdf" else None)
                written.append(path)
    return written


def _legend(figure: Figure) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        rows = math.ceil(len(labels) / 3)
        width, height = SIZE
        figure.set_size_inches(width, height + 0.17 * rows)
        figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7, frameon=False)


def _profiles(frame: Frame, axes: Axes) -> bool:
    ratios, shares = profile(frame.seconds, frame.censored)
    most = 1.1 * max(r.max(initial=1.0) for r in ratios)
    for look, label, ratio, share in zip(styles(frame.arms), frame.labels, ratios, shares, strict=True):
        x, y = [1.0, *ratio, most], [0.0, *share, share[-1] if share.size else 0.0]
        axes.step(x, y, where="post", color=look.colour, ls=DASHES[look.dash], label=label, lw=1.2)
    axes.set(xscale="log", xlabel="factor of the fastest", ylabel="share settled", xlim=(1, most), ylim=(0, 1.02))
    return any(r.size for r in ratios)


def _ratios(frame: Frame, axes: Axes) -> bool:
    found = [(k, e) for k in range(len(frame.arms)) if (e := frame.against_baseline(k)) is not None and e.count]
    for place, (k, e) in enumerate(found):
        look = styles(frame.arms)[k]
        sides = [[side(e.value - e.low)], [side(e.high - e.value)]]
        hollow = "none" if e.censored > e.count / 10 else look.colour
        axes.errorbar(e.value, -place, xerr=sides, fmt="o", color=look.colour, mfc=hollow, capsize=2)
    axes.axvline(1.0, color="0.4", ls=":")
    axes.set(xscale="log", xlabel="times faster than the baseline")
    axes.set_yticks([-k for k in range(len(found))], [frame.labels[k] for k, _ in found], fontsize=7)
    axes.set_ylim(-len(found), 1)
    return bool(found)


def _times(axis: str, title: str) -> Callable[[Frame, Axes], bool]:
    def draw(frame: Frame, axes: Axes) -> bool:
        instances = {row.trial.instance.identity: row.trial.instance for row in frame.rows}
        numbers = np.array([getattr(instances[identity], axis) for identity, _ in frame.pairs], dtype=float)
        values = np.unique(numbers)
        for k, (look, label) in enumerate(zip(styles(frame.arms), frame.labels, strict=True)):
            found: list[tuple[float, Estimate]] = []
            for value in values:
                at = numbers == value
                e = shifted_mean(frame.seconds[k][at], frame.censored[k][at], frame.clusters[at])
                if e.count:
                    found.append((value, e))
            x, y = [v for v, _ in found], [e.value for _, e in found]
            sides = [[side(e.value - e.low) for _, e in found], [side(e.high - e.value) for _, e in found]]
            style = {"color": look.colour, "ls": DASHES[look.dash], "lw": 1.2, "marker": "o", "ms": 3, "capsize": 2}
            axes.errorbar(x, y, yerr=sides, label=label, **style)
        axes.set(xscale="log" if values.min() > 0 else "linear", yscale="log", xlabel=title, ylabel="seconds")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.set_xticks([], minor=True)
        return values.size > 1

    return draw


DRAWN: dict[str, Callable[[Frame, Axes], bool]] = {
    "profiles": _profiles,
    "ratios": _ratios,
    "times-by-relus": _times("relus", "ReLUs a step"),
    "times-by-horizon": _times("horizon", "horizon"),
}


def latex(frame: Frame) -> str:
    """The arms as a LaTeX table (booktabs), with the number of trials and what the figures are."""
    rows = arm_rows(frame)
    lines = [" & ".join([_escaped(row.label), *_cells(row)]) + r" \\" for row in rows]
    instances, seeds = len(set(frame.clusters.tolist())), len(frame.meta["axes"]["seed"])
    said = (
        f"{instances} instances, {seeds} seed{'s' if seeds > 1 else ''}. Seconds: shifted geometric mean (shift 1 s); "
        "$\\geq$, $\\leq$: bounds, where trials count with their limit. Ratio: times faster than the baseline, paired. "
        "Intervals: 95 %, bootstrap over instances."
    ).replace("%", r"\%")
    head = r"arm & settled & seconds & ratio & primal int. & dual int. \\"
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\begin{tabular}{lrllrr}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{_escaped(frame.meta['question'] or frame.meta['name'])} {said}}}",
            r"\end{table}",
            "",
        ]
    )


def _cells(row: ArmRow) -> list[str]:
    settled = row.outcomes["solved"] + row.outcomes["infeasible"]
    return [
        f"{settled}/{row.trials - row.outcomes['refused']}",
        _number(row.time),
        "1" if row.ratio is None else _number(row.ratio),
        _number(row.primal, interval=False),
        _number(row.dual, interval=False),
    ]


def _number(e: Estimate, interval: bool = True) -> str:
    if not e.count:
        return "--"
    sides = f" [{e.low:.3g}, {e.high:.3g}]" if interval and not math.isnan(e.low) else ""
    sign = {"≥": r"$\geq$ ", "≤": r"$\leq$ ", "≈": r"$\approx$ ", "": ""}[e.sign]
    return f"{sign}{e.value:.3g}{sides}"


def _escaped(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "·": r"$\cdot$"}
    special |= {c: f"\\{c}" for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in text)
