"""A closed-loop run: what was observed, done, predicted and spent; saved, loaded, plotted and animated."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.control.plan import relative_gap
from relu2mip.control.step import Rung
from relu2mip.errors import InvalidProblem
from relu2mip.runtime.npz import read_npz, write_npz

WORDS = "rungs", "faults", "stopped", "rebuilt"
"""Fields that hold a text for each step."""

if TYPE_CHECKING:
    from relu2mip.control.controller import Controller


@dataclass(frozen=True, eq=False)
class Run:
    """T steps of a controller with n states, m controls and horizon H.

    states: (T + 1, n).  controls: (T, m).  predictions: (T, H + 1, n), what each step's plan expected, NaN without one.
    cost: of each step's plan, (T,).  bound: proven below it, NaN without one.  nodes, seconds, overrun, error: as in
    `Step`, (T,).  rungs: of the ladder.  faults, stopped, rebuilt: in words, "" where there were none.  rewards: of the
    system, (T,), NaN without any.  stages: seconds by stage, (T,) each.  period: seconds a step might take.  about:
    names, planner and seed.  frames: pictures, (T + 1, height, width, 3).
    """

    states: Array
    controls: Array
    predictions: Array
    cost: Array
    bound: Array
    nodes: Array
    seconds: Array
    overrun: Array
    error: Array
    rewards: Array
    rungs: tuple[str, ...]
    faults: tuple[str, ...]
    stopped: tuple[str, ...]
    rebuilt: tuple[str, ...]
    stages: dict[str, Array]
    period: float
    about: dict[str, Any] = field(default_factory=dict)
    frames: Array | None = None

    @classmethod
    def of(cls, controller: Controller, states: Array, rewards: Array, seed: int, frames: Array | None = None) -> Run:
        """The run of a controller's log, of as many steps as there are rewards."""
        problem, steps = controller.problem, controller.log[: len(rewards)]
        missing = np.full((problem.horizon + 1, problem.n), np.nan)
        names = sorted({name for step in steps for name in step.stages})

        def column(what: str) -> Array:
            return np.array([getattr(step, what) for step in steps], dtype=np.float64)

        about = {
            "state_names": list(problem.state_names or (f"state {k}" for k in range(problem.n))),
            "control_names": list(problem.control_names or (f"control {k}" for k in range(problem.m))),
            "planner": str(controller.planner),
            "network": problem.net.name,
            "horizon": problem.horizon,
            "seed": seed,
        }
        return cls(
            states=states[: len(steps) + 1],
            controls=np.array([step.control for step in steps]).reshape(len(steps), problem.m),
            predictions=np.array([missing if step.states is None else step.states for step in steps]).reshape(
                len(steps), *missing.shape
            ),
            cost=column("cost"),
            bound=column("bound"),
            nodes=column("nodes"),
            seconds=column("seconds"),
            overrun=column("overrun"),
            error=column("error"),
            rewards=rewards,
            rungs=tuple(str(step.rung) for step in steps),
            faults=tuple("; ".join(step.faults) for step in steps),
            stopped=tuple(step.stopped for step in steps),
            rebuilt=tuple(step.rebuilt for step in steps),
            stages={name: np.array([step.stages.get(name, 0.0) for step in steps]) for name in names},
            period=controller.period,
            about=about,
            frames=frames,
        )

    def __len__(self) -> int:
        return len(self.controls)

    @property
    def overruns(self) -> int:
        """Steps that took longer than the period."""
        return int((self.overrun > 0).sum())

    @property
    def planned(self) -> float:
        """The share of steps whose control came from a plan that satisfies every set."""
        return float(np.mean([rung == Rung.PLAN for rung in self.rungs])) if self.rungs else 0.0

    def summary(self) -> str:
        """A line of what matters."""
        gaps = relative_gap(self.cost, self.bound)
        median = np.nanmedian(gaps) if np.isfinite(gaps).any() else np.nan
        half, late = np.percentile(self.seconds, [50, 95]) if len(self) else (np.nan, np.nan)
        return (
            f"{len(self)} steps by {self.about.get('planner', '?')}: {self.planned:.0%} planned, {self.overruns} late, "
            f"median {1e3 * half:.1f} ms and 95th percentile {1e3 * late:.1f} ms of {1e3 * self.period:g} ms"
            + ("" if np.isnan(median) else f", median gap {median:.2%}")
        )

    def save(self, path: str | Path) -> Path:
        """Write an .npz file, without pickle."""
        path = Path(path)
        if path.suffix != ".npz":
            raise InvalidProblem(f"{path.name}: name the file .npz")
        held: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        arrays = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
        arrays |= {f"stage {name}": value for name, value in self.stages.items()}
        plain = {name: held[name] for name in (*WORDS, "period", "about")}
        return write_npz(path, arrays, {**plain, "version": 1})

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """Read what `save` wrote; raises `InvalidProblem` for anything else."""
        try:
            held, meta = read_npz(path)
            if meta.pop("version") != 1:
                raise InvalidProblem(f"{path}: this run was saved by another version of relu2mip")
            stages = {name.removeprefix("stage "): held.pop(name) for name in list(held) if name.startswith("stage ")}
            words: dict[str, Any] = {name: tuple(meta.pop(name)) for name in WORDS}
            return cls(**held, **words, stages=stages, **meta)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidProblem(f"{path} holds no run: {error}") from error

    def plot(self, path: str | Path) -> Path:
        """States with the plans fanned out, controls, cost, and seconds a step against the period: .png, .svg, .pdf."""
        from relu2mip.plots.run import plot_run

        return plot_run(self, path)

    def animate(self, path: str | Path, stride: int = 1) -> Path:
        """A GIF of the pictures that the system drew; raises `InvalidProblem` where there are none."""
        from relu2mip.plots.run import write_gif

        if self.frames is None:
            raise InvalidProblem(
                'animate: the run has no pictures; simulate with frames=True and render_mode="rgb_array"'
            )
        return write_gif(self.frames[::stride], path, self.period * stride)
