"""A picture of a plan: every state and control over the time steps (needs the `plot` extra, matplotlib)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from relu2mip.accept import positive
from relu2mip.arrays import Array
from relu2mip.errors import InvalidProblem, Relu2MipError
from relu2mip.trajectory.problem import Trajectory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".png", ".svg", ".pdf")

STATE, CONTROL, REPLAY, LIMIT, TARGET = "#1f5aa6", "#b45309", "#111827", "#9ca3af", "#15803d"
FLAT = 0.02
"""Share of its limits, or of its size, that a panel spans at least."""

PANELS_PER_COLUMN = 6


class Planned(Protocol):
    """The part of a `relu2mip.Answer` that is drawn."""

    @property
    def states(self) -> Array | None:
        """(H + 1, n)."""
        ...

    @property
    def controls(self) -> Array | None:
        """(H, m)."""
        ...

    @property
    def state_names(self) -> Sequence[str]:
        """Their names."""
        ...

    @property
    def control_names(self) -> Sequence[str]:
        """Their names."""
        ...

    @property
    def status(self) -> str:
        """Why the solver stopped."""
        ...

    @property
    def objective(self) -> float:
        """The cost of the plan."""
        ...

    @property
    def gap(self) -> float:
        """How far the plan may be from the best."""
        ...


def plot_answer(
    answer: Planned,
    path: str | Path,
    *,
    problem: Trajectory | None = None,
    replay: ArrayLike | None = None,
    replay_name: str = "simulated",
    period: float | None = None,
) -> Path:
    """Draw the states (H + 1 points) and the controls (held for one step each) of a plan, one panel each.

    problem: draws the limits of its boxes, where they are in view, and the targets of its costs.  replay: states
    (H + 1, n) to draw beside the planned ones, as from a simulator, named `replay_name` in the legend.  period: seconds
    of a step, by default those of the problem; where they are known the axis is time.

    Raises `Relu2MipError` where matplotlib is missing or the suffix is none of .png, .svg, .pdf, and `InvalidProblem`
    for an answer without a trajectory or a replay of another shape.
    """
    path = check_plot(path)
    if answer.states is None or answer.controls is None:
        raise InvalidProblem("this answer has no states and controls over time to plot; it is that of a box problem")
    states, controls = answer.states, answer.controls
    beside = None if replay is None else np.asarray(replay, dtype=np.float64)
    if beside is not None and beside.shape != states.shape:
        raise InvalidProblem(f"replay has shape {beside.shape}; give the states {states.shape} of steps 0 to H")

    if period is None and problem is not None:
        period = problem.period
    scale = 1.0 if period is None else positive(period, "period")

    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    n, m, horizon = states.shape[1], controls.shape[1], controls.shape[0]
    columns = -(-(n + m) // PANELS_PER_COLUMN)
    rows = -(-(n + m) // columns)
    layout = ConstrainedLayoutEngine(h_pad=0.06, w_pad=0.12)
    figure = Figure(figsize=(1.0 + 5.6 * columns, 0.9 + 1.25 * rows), dpi=150, layout=layout)
    grid = figure.subplots(rows, columns, sharex=True, squeeze=False)
    panels: Sequence[Axes] = grid.T.ravel().tolist()
    limits: Sequence[Sequence[Array]] = _limits(problem) if problem is not None else [()] * (n + m)
    targets: Sequence[Sequence[Array]] = _targets(problem) if problem is not None else [()] * (n + m)
    time = scale * np.arange(horizon + 1)
    for i, axes in enumerate(panels[:n]):
        axes.plot(time, states[:, i], color=STATE, marker=".", markersize=7, linewidth=1.6, label="planned")
        if beside is not None:
            style: dict[str, Any] = {"linestyle": "none", "marker": "o", "markerfacecolor": "none", "markersize": 7}
            axes.plot(time, beside[:, i], color=REPLAY, markeredgewidth=0.9, label=replay_name, **style)
    for j, axes in enumerate(panels[n : n + m]):
        axes.stairs(controls[:, j], time, baseline=None, color=CONTROL, linewidth=1.8)
    names = (*answer.state_names, *answer.control_names)
    for i, (axes, name) in enumerate(zip(panels, names, strict=False)):
        axes.set_title(name, loc="left", fontsize=9, pad=3)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.02, y=0.15)
        for target in targets[i]:
            axes.plot(time, target, color=TARGET, linewidth=1.0, linestyle="--", zorder=0.6, label="target")
        _draw_limits(axes, time, limits[i], "steps-mid" if i < n else "steps-post")
        axes.xaxis.set_major_locator(MaxNLocator(integer=period is None))
    for axes in panels[n + m :]:
        axes.set_visible(False)
    for column in range(columns):
        last = panels[min((column + 1) * rows, n + m) - 1]
        last.set_xlabel("step" if period is None else "time (s)", fontsize=9)
        last.tick_params(labelbottom=True)
    figure.suptitle(f"{answer.status}: objective {answer.objective:.6g}, gap {answer.gap:.2%}", fontsize=10)
    if beside is not None or targets[0]:
        panels[0].legend(fontsize=8, frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1.0, 0.97), borderpad=0)
    figure.savefig(path)
    return path


def check_plot(path: str | Path) -> Path:
    """The path, if a picture can be written under its name; raises `Relu2MipError` otherwise."""
    path = Path(path)
    if importlib.util.find_spec("matplotlib") is None:
        raise Relu2MipError(f'{path}: pictures need matplotlib: install it with pip install "relu2mip[plot]"')
    if path.suffix not in FORMATS:
        raise Relu2MipError(f"{path}: cannot draw to {path.suffix or 'no suffix'}; use one of {', '.join(FORMATS)}")
    return path


def _limits(problem: Trajectory) -> list[tuple[Array, Array]]:
    """Lower and upper limits at steps 0 to H of every state and then control; an end is repeated to span the axis."""
    states = [np.vstack([side[:1], side]) for side in problem.state_limits]
    controls = [np.vstack([side, side[-1:]]) for side in problem.control_limits]
    return [(lower[:, k], upper[:, k]) for lower, upper in (states, controls) for k in range(lower.shape[1])]


def _targets(problem: Trajectory) -> list[list[Array]]:
    """Targets at steps 0 to H of every state and then control, those of weighted entries of its costs."""
    found: list[list[Array]] = [[] for _ in range(problem.n + problem.m)]
    for part in problem.cost.parts() if problem.cost is not None else ():
        for what, weights, first, size in (
            ("target", ("state", "terminal"), 0, problem.n),
            ("control_target", ("control",), problem.n, problem.m),
        ):
            given = [w for w in (getattr(part, name, None) for name in weights) if w is not None]
            if getattr(part, "keypoints", None) is not None or not given:
                continue
            steps = np.broadcast_to(np.asarray(getattr(part, what)), (problem.horizon, size))
            ends = steps[:1], steps[-1:]
            whole = np.vstack([ends[0], steps] if what == "target" else [steps, ends[1]])
            for k in range(size):
                if any(np.ndim(w) != 1 or np.ravel(w)[min(k, np.size(w) - 1)] != 0 for w in given):
                    found[first + k].append(whole[:, k])
    return found


def _draw_limits(axes: Axes, time: Array, limits: Sequence[Array], between: str) -> None:
    """Dotted lines that leave the scale of the axis as it is: far limits shall not flatten the plan.

    What hardly changes is drawn flat: the axis spans a share of the limits, or of the values, at least.
    """
    low, high = axes.get_ylim()
    known = [side for side in limits if np.isfinite(side).all()]
    width = float(np.max(known[1] - known[0])) if len(known) == 2 else 0.0
    least = max(FLAT * width, FLAT * max(abs(low), abs(high)))
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    for side in limits:
        if np.isfinite(side).any():
            axes.plot(time, side, color=LIMIT, linewidth=1.0, linestyle=":", zorder=0.5, drawstyle=between)
    axes.set_ylim(low, high)
