"""A picture of a closed-loop run, and an animation of what the system drew (need the `plot` extra, matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.plots.plan import CONTROL, LIMIT, REPLAY, STATE, check_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FANNED = 40
"""Most predictions that are drawn over a run."""

LATE = "#b91c1c"


class Driven(Protocol):
    """The part of a `relu2mip.control.Run` that is drawn."""

    @property
    def states(self) -> Array:
        """(T + 1, n)."""
        ...

    @property
    def controls(self) -> Array:
        """(T, m)."""
        ...

    @property
    def predictions(self) -> Array:
        """(T, H + 1, n)."""
        ...

    @property
    def cost(self) -> Array:
        """Of each step's plan, (T,)."""
        ...

    @property
    def bound(self) -> Array:
        """Proven below it, (T,)."""
        ...

    @property
    def seconds(self) -> Array:
        """Of each step, (T,)."""
        ...

    @property
    def rungs(self) -> Sequence[str]:
        """Where each control came from."""
        ...

    @property
    def period(self) -> float:
        """Seconds a step might take."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """Names and planner."""
        ...

    def summary(self) -> str:
        """A line of what matters."""
        ...


def plot_run(run: Driven, path: str | Path) -> Path:
    """Draw states with the plans fanned out, controls, the cost of the plans with what is proven, and seconds a step.

    Steps without a plan that satisfies every set are marked. Raises `Relu2MipError` as `check_plot`, `InvalidProblem`
    for a run without steps.
    """
    path = check_plot(path)
    if not len(run.controls):
        raise InvalidProblem("this run has no steps to plot")

    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    steps, n, m = len(run.controls), run.states.shape[1], run.controls.shape[1]
    count = n + m + 2
    columns = 1 if count <= 6 else 2
    rows = -(-count // columns)
    layout = ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.12)
    figure = Figure(figsize=(1.0 + 6.2 * columns, 0.9 + 1.3 * rows), dpi=150, layout=layout)
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    panels: Sequence[Axes] = grid.T.ravel().tolist()
    time = run.period * np.arange(steps + 1)
    horizon = run.period * np.arange(run.predictions.shape[1])
    for t in range(0, steps, max(1, -(-steps // FANNED))):
        for k in range(n):
            panels[k].plot(time[t] + horizon, run.predictions[t, :, k], color=STATE, alpha=0.3, linewidth=0.8)
    for k in range(n):
        panels[k].plot(time, run.states[:, k], color=REPLAY, linewidth=1.4)
    for j in range(m):
        panels[n + j].stairs(run.controls[:, j], time, baseline=None, color=CONTROL, linewidth=1.5)
    cost, spent = panels[n + m], panels[n + m + 1]
    cost.plot(time[:-1], run.cost, color=STATE, linewidth=1.4, label="plan")
    if np.isfinite(run.bound).any():
        cost.fill_between(time[:-1], run.bound, run.cost, color=STATE, alpha=0.2, linewidth=0, label="not proven")
        cost.legend(fontsize=8, frameon=False, ncols=2, loc="upper right")
    spent.plot(time[:-1], 1e3 * run.seconds, color=CONTROL, linewidth=1.2)
    spent.axhline(1e3 * run.period, color=LIMIT, linestyle=":", linewidth=1.2)
    bad = np.array([rung != "plan" for rung in run.rungs])
    for axes in panels[n : n + m]:
        for t in np.flatnonzero(bad).tolist():
            axes.axvspan(time[t], time[t + 1], color=LATE, alpha=0.15, linewidth=0)
    about = run.about
    names = [*about.get("state_names", range(n)), *about.get("control_names", range(m)), "cost of the plan"]
    for axes, name in zip(panels, [*names, "milliseconds a step (dotted: the period)"], strict=False):
        axes.set_title(str(name), loc="left", fontsize=9, pad=3)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.01)
    for k in range(n):
        low, high = float(run.states[:, k].min()), float(run.states[:, k].max())
        room = 0.25 * (high - low) or 0.05 * max(1.0, abs(high))
        panels[k].set_ylim(low - room, high + room)
    for axes in panels[count:]:
        axes.set_visible(False)
    for column in range(columns):
        last = min((column + 1) * rows, count) - 1
        panels[last].tick_params(labelbottom=True)
        if (last + 1) % rows == 0:
            panels[last].set_xlabel("time (s)", fontsize=9)
    figure.suptitle(run.summary(), fontsize=9)
    figure.savefig(path)
    return path


def write_gif(frames: Array, path: str | Path, period: float) -> Path:
    """Pictures (T, height, width, 3) as a GIF, one each period; raises `Relu2MipError` for another suffix."""
    path = Path(path)
    if path.suffix != ".gif":
        raise Relu2MipError(f"{path}: an animation is a .gif")
    from PIL import Image

    images = [Image.fromarray(np.asarray(frame, dtype=np.uint8)) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=max(20, round(1e3 * period)), loop=0)
    return path
