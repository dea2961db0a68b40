"""A picture of bounds: how tight several methods are at each step (needs the `plot` extra, matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relu2mip.bounds import Bounds
from relu2mip.bounds.layers import LayerBounds, layer_bounds, merged
from relu2mip.errors import InvalidProblem
from relu2mip.plots.plan import check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#6b7280", "#b45309", "#1f5aa6", "#0f766e", "#9d174d", "#6d28d9", "#4d7c0f", "#111827")
MARKERS = "oXsD^vP*"

DECADES = 8.0
"""Largest over smallest width from which on the axis is logarithmic."""


def plot_bounds(bounds: Mapping[str, Bounds], path: str | Path) -> Path:
    """Draw the mean width of pre-activations and the count of unstable units over the steps, one line a method.

    bounds: of one problem, by what the legend shall call them.

    Raises `Relu2MipError` where matplotlib is missing or the suffix is none of .png, .svg, .pdf, and `InvalidProblem`
    for a problem without steps.

    >>> import relu2mip as r2m, tempfile
    >>> from relu2mip.ir.samples import integrator
    >>> problem = r2m.Trajectory(integrator(), 3, [1.0, 0.0], r2m.Box(-1, 1), "change", states=r2m.Box(-2, 2))
    >>> found = {m: r2m.compile(problem, bounds=m).all_bounds for m in ("ibp", "crown")}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(plot_bounds(found, f"{folder}/widths.png").name)
    widths.png
    """
    path = check_plot(path)
    lines = {name: by_step(layer_bounds(found)) for name, found in bounds.items()}
    if not any(lines.values()):
        raise InvalidProblem("these bounds have no layers at time steps to plot; they are those of a box problem")

    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.6, 5.2), dpi=150, layout="constrained")
    widths, counts = figure.subplots(2, 1, sharex=True)
    for k, (name, steps) in enumerate(lines.items()):
        beneath = len(lines) - 1 - k  # earlier lines are wider, so that they show where a later one covers them
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
        style |= {"linewidth": 1.4 + 0.7 * beneath, "markersize": 4.5 + 0.9 * beneath}
        style |= {"markeredgecolor": "white", "markeredgewidth": 0.5}
        at = [step.step for step in steps]
        label = f"{name}: {sum(step.unstable for step in steps)} unstable"
        widths.plot(at, [step.mean_width for step in steps], label=label, **style)
        counts.plot(at, [step.unstable for step in steps], **style)
    drawn = [step.mean_width for steps in lines.values() for step in steps]
    if min(drawn) > 0 and max(drawn) >= DECADES * min(drawn):
        widths.set_yscale("log")
    else:
        widths.set_ylim(bottom=0)
    units = max(step.units for steps in lines.values() for step in steps)
    counts.set_ylim(0, 1.06 * units)
    counts.axhline(units, color="#9ca3af", linewidth=1.0, linestyle=":", zorder=0.5)
    counts.yaxis.set_major_locator(MaxNLocator(integer=True))
    counts.xaxis.set_major_locator(MaxNLocator(integer=True))
    counts.set_xlabel("step", fontsize=9)
    _style(widths, "mean width of pre-activations")
    _style(counts, f"unstable units, of {units} at each step")
    figure.legend(loc="outside upper left", fontsize=8, frameon=False, ncols=2 if len(lines) > 3 else 1)
    figure.savefig(path)
    return path


def by_step(layers: Sequence[LayerBounds]) -> list[LayerBounds]:
    """The layers of each step as one; those that belong to no step are left out."""
    steps = sorted({layer.step for layer in layers if layer.step is not None})
    return [merged([layer for layer in layers if layer.step == step], step) for step in steps]


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, pad=4)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.02)
