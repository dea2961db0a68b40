"""Pictures of Jacobians over time, of their sparsity, and of causal graphs (need the `plot` extra, matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from relu2mip.arrays import Array, Index, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, RED, GREY = "#1f5aa6", "#b45309", "#9ca3af"
MOST_LABELS = 24


def heat_map(sizes: Array, contacts: Index, outputs: Sequence[str], inputs: Sequence[str], least: float) -> Figure:
    """Entries of a rollout's Jacobians (T, n, k) over time, one line an entry, from `least` on a logarithmic scale.

    contacts: their number at each step, (T,), drawn above.
    """
    figure = _figure(7.4, 1.6 + min(0.07 * sizes[0].size, 6.0))
    above, map_ = figure.subplots(2, 1, sharex=True, height_ratios=[1, 8])
    above.step(np.arange(len(contacts)), contacts, where="mid", color=RED, linewidth=1.2)
    _style(above, "contacts")
    shown = np.log10(np.maximum(np.abs(sizes.reshape(len(sizes), -1)), least)).T
    image = map_.imshow(shown, aspect="auto", interpolation="nearest", cmap="viridis")
    for step in np.flatnonzero(np.diff(contacts)):
        map_.axvline(step + 0.5, color=RED, linewidth=0.5, alpha=0.6)
    _lines(map_, len(outputs), len(inputs), outputs)
    map_.set_xlabel("step", fontsize=9)
    _style(map_, "log10 |∂s′ / ∂(s, a)|, lines by output, then by input")
    figure.colorbar(image, ax=map_, shrink=0.8)
    return figure


def sparsity_over_time(local: Array, contacts: Index, global_sparsity: float) -> Figure:
    """The share of zero entries at each step of rollouts, (R, T), with what is zero always, and contacts.

    Lines are of the first rollouts, the histogram beside them is of all.
    """
    figure = _figure(7.4, 3.6)
    ((lines, share), (below, nothing)) = figure.subplots(2, 2, height_ratios=[3, 1], width_ratios=[6, 1])
    lines.sharex(below)
    share.hist(local.ravel(), bins=np.linspace(0, 1, 51), orientation="horizontal", color=BLUE)
    share.set_ylim(-0.02, 1.02)
    share.set_yticks([])
    _style(share, "all samples")
    nothing.set_axis_off()
    for row in local[:8]:
        lines.plot(row, color=BLUE, linewidth=0.8, alpha=0.5)
    lines.axhline(global_sparsity, color=GREY, linestyle="--", linewidth=1.0)
    lines.set_ylim(-0.02, 1.02)
    _style(lines, "share of zero entries at a step; dashed: zero at every sample")
    for row in contacts[:8]:
        below.step(np.arange(len(row)), row, where="mid", color=RED, linewidth=0.8, alpha=0.5)
    below.set_xlabel("step", fontsize=9)
    _style(below, "contacts")
    return figure


def zero_map(share: Array, outputs: Sequence[str], inputs: Sequence[str]) -> Figure:
    """The share of samples at which each entry is zero, (n, k)."""
    figure = _figure(1.8 + 0.24 * min(len(inputs), 40), 1.4 + 0.24 * min(len(outputs), 30))
    axes = figure.subplots()
    image = axes.imshow(share, vmin=0.0, vmax=1.0, cmap="cividis", aspect="auto")
    for names, set_ticks in ((inputs, axes.set_xticks), (outputs, axes.set_yticks)):
        if len(names) <= MOST_LABELS:
            set_ticks(np.arange(len(names)), names, fontsize=7)
    axes.tick_params(axis="x", rotation=90)
    axes.set_title("share of samples at which an entry is zero", loc="left", fontsize=9)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def causal_graph(
    there: Mask,
    sometimes: Mask,
    outputs: Sequence[str],
    inputs: Sequence[str],
    title: str = "solid: always, dashed: at some states only",
) -> Figure:
    """The entries that are there as arrows from inputs, on the left, to outputs; those only sometimes are dashed."""
    import networkx

    graph = networkx.DiGraph()
    graph.add_nodes_from((("in", name) for name in inputs), layer=0)
    graph.add_nodes_from((("out", name) for name in outputs), layer=1)
    place = networkx.multipartite_layout(graph, subset_key="layer")
    height = max(len(inputs), len(outputs))
    for side, names in (("in", inputs), ("out", outputs)):
        for k, name in enumerate(names):
            place[side, name] = (0.0 if side == "in" else 1.0, -(k + 0.5) * height / len(names))
    figure = _figure(6.4, 1.0 + 0.22 * min(height, 40))
    axes = figure.subplots()
    for mask, style, colour in ((there & ~sometimes, "solid", BLUE), (sometimes, "dashed", RED)):
        edges = [(("in", inputs[j]), ("out", outputs[i])) for i, j in np.argwhere(mask).tolist()]
        options: dict[str, Any] = {
            "style": style, "edge_color": colour, "alpha": 0.5, "arrowsize": 5, "node_size": 20, "width": 0.8
        }  # fmt: skip
        networkx.draw_networkx_edges(graph, place, edges, ax=axes, **options)
    networkx.draw_networkx_nodes(graph, place, node_size=20, node_color=GREY, ax=axes)
    for (side, name), (x, y) in place.items():
        axes.text(x + (0.03 if side == "out" else -0.03), y, name, fontsize=7, va="center",
                  ha="left" if side == "out" else "right")  # fmt: skip
    axes.set_xlim(-0.3, 1.3)
    axes.margins(y=0.02)
    axes.set_axis_off()
    axes.set_title(title, loc="left", fontsize=9)
    return figure


def sensitivity(thresholds: Sequence[float], shares: Array, threshold: float) -> Figure:
    """Global and local sparsity and state dependence, (thresholds, 3), by the threshold."""
    figure = _figure(5.4, 3.0)
    axes = figure.subplots()
    for column, (name, colour) in enumerate((("global", GREY), ("local, mean", BLUE), ("state-dependent", RED))):
        axes.plot(thresholds, shares[:, column], label=name, color=colour, linewidth=1.4)
    axes.axvline(threshold, color="#111827", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("threshold", fontsize=9)
    axes.legend(fontsize=8, frameon=False)
    _style(axes, "share of entries")
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _lines(axes: Axes, outputs: int, inputs: int, names: Sequence[str]) -> None:
    """A label where the lines of each output begin."""
    if outputs <= MOST_LABELS:
        axes.set_yticks(np.arange(outputs) * inputs, names, fontsize=7)
    else:
        axes.set_yticks([])
    for k in range(1, outputs):
        axes.axhline(k * inputs - 0.5, color="white", linewidth=0.4)


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=9, pad=4)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
