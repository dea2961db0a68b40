"""Figures 5 and 6: in the loop, do members with few ReLUs and branch and bound beat sampling, and on which model?

    python examples/claims/closed_loop.py                     # 4 episodes of pushing, a few minutes
    python examples/claims/closed_loop.py --full              # 50 episodes of every task: days
    python examples/claims/closed_loop.py --relus 36 128 --planners hybrid mppi --episodes 50
    python examples/claims/closed_loop.py --place probe --aim 0.05 --horizons 8 --period 0.15

Every planner acts in the same episodes, with the same cost, horizon and places to push from (`places.py`), if any. The
period is seconds of processor time of this process, which plans on one thread, so that a busy machine is fair to all;
solvers look at the wall clock, so there branch and bound has a little less. Planners take turns within each episode.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.episodes import Episode, episode, outcome
from claims.places import reference_of
from claims.rows import Row, arguments, collected, mean_interval, share_interval
from claims.tasks import TASKS, Pushing

from relu2mip.control import Controller, Run, simulate
from relu2mip.control.environment import Environment
from relu2mip.runtime.deadline import limited

SMALL = {
    "tasks": ("push",), "relus": (128, 36), "planners": ("mppi", "hybrid"), "horizons": (10,), "period": 0.5,
    "place": "none", "aim": 0.0, "discount": 1.0, "episodes": 4,
}  # fmt: skip
FULL = SMALL | {
    "tasks": tuple(TASKS), "relus": (4, 8, 15, 16, 18, 24, 28, 32, 36, 42, 48, 64, 70, 128), "episodes": 50,
    "planners": ("mppi", "cem", "gradient", "hybrid", "mip"),
}  # fmt: skip


def controller(
    env: Episode,
    task: str,
    relus: int,
    planner: str,
    horizon: int,
    period: float,
    place: str,
    aim: float,
    discount: float = 1.0,
) -> Controller:
    """A controller for an episode that has begun.

    place, aim: where the pusher should be, and the weight of that.  discount: each step counts so much of the one
    before.
    """
    planned = TASKS[task]
    problem = planned.problem(planned.members[relus], horizon, env.task, env.task.state)
    reference = None
    if isinstance(planned, Pushing) and place != "none":
        assert problem.cost is not None
        weights = np.r_[np.asarray(problem.cost.state)[:-2], aim, aim]  # type: ignore[attr-defined]
        weights = weights * discount ** np.arange(horizon)[:, None]
        problem = problem.changed(cost=replace(problem.cost, state=weights))  # type: ignore[type-var]
        reference = reference_of(place, task, planned.target(env.task), problem)
    return Controller(problem, planner, period, reference=reference, clock=time.process_time)


def run(env: Episode, acts: Controller, seed: int, frames: bool = False) -> Run:
    """A controller in the episode of a seed, on the processor's clock."""
    system = Environment(env, state=range(acts.problem.n), actions=getattr(env.task, "actions", None))
    with limited(float("inf"), time.process_time):
        return simulate(acts, system, env.steps, seed=seed, frames=frames)


def measure(episode: int, **settings: Any) -> Row:
    """What comes of an episode (see `outcome`), and how the planner fared on the way.

    searched: share of steps with a search tree; bounded: with a bound.  gap: its mean.  error: the largest of any state
    one step ahead, by the model, mean.  late: share of steps that took longer than the period.
    """
    env = made(settings["task"])
    env.reset(seed=episode)
    found = run(env, controller(env, **settings), episode)
    bounded = np.isfinite(found.bound)
    expected = found.predictions[:, 1]
    gaps = (found.cost - found.bound)[bounded] / np.maximum(np.abs(found.cost[bounded]), 1e-9)
    return {
        **outcome(env, found.states),
        "searched": float(np.mean(found.nodes > 0)),
        "bounded": float(bounded.mean()),
        "gap": float(gaps.mean()) if gaps.size else np.nan,
        "error": float(np.nanmean(np.abs(found.states[1:] - expected)[:, : env.task.state.size].max(axis=1))),
        "late": float(np.mean(found.overrun > 0)),
        "seconds": float(found.seconds.mean()),
        "faults": sum(fault != "" for fault in found.faults),
    }


made = lru_cache(maxsize=None)(episode)


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of cost and success in the end with intervals, and what planners and models did."""
    names = ("task", "relus", "planner", "horizon", "period", "place", "aim", "discount")
    lines = []
    for settings in dict.fromkeys(tuple(row[name] for name in names) for row in rows):
        here = [row for row in rows if tuple(row[name] for name in names) == settings]
        cost = np.array([row["cost"] for row in here])
        mean = "{:6.2f} [{:6.2f}, {:6.2f}]".format(*mean_interval(cost))
        way = "{:6.2f} [{:6.2f}, {:6.2f}]".format(*mean_interval([row["mean"] for row in here]))
        success = "{:4.0%} [{:4.0%}, {:4.0%}]".format(*share_interval([row["success"] for row in here]))
        means = {of: np.mean([row[of] for row in here]) for of in ("searched", "bounded", "error", "late", "steps")}
        lines.append(
            " ".join(f"{value!s:8}" for value in settings)
            + f" {len(here):3} end: median {np.median(cost):6.2f}, mean {mean}  on the way {way}  success {success}  "
            + ", ".join(f"{of} {value:.2f}" for of, value in means.items())
        )
    return lines


def differences(rows: Sequence[Row]) -> list[str]:
    """Lines of the differences by episode from `mppi` on the most ReLUs, by task and horizon, with intervals."""
    lines = []
    for task, horizon in dict.fromkeys((row["task"], row["horizon"]) for row in rows):
        here = [row for row in rows if (row["task"], row["horizon"]) == (task, horizon)]
        most = max(row["relus"] for row in here)
        first = {row["episode"]: row for row in here if (row["relus"], row["planner"]) == (most, "mppi")}
        for relus, planner in dict.fromkeys((row["relus"], row["planner"]) for row in here):
            own = [row for row in here if (row["relus"], row["planner"]) == (relus, planner)]
            pairs = [(row, first[row["episode"]]) for row in own if row["episode"] in first]
            if pairs and (relus, planner) != (most, "mppi"):
                shown = (
                    "{:6.2f} [{:6.2f}, {:6.2f}]".format(*mean_interval([a[of] - b[of] for a, b in pairs]))
                    for of in ("cost", "mean")
                )
                name = f"{task} {horizon} steps: {relus} {planner} less {most} mppi"
                lines.append(f"{name:50} end {next(shown)}  on the way {next(shown)}")
    return lines


def draw(rows: Sequence[Row], path: Path) -> None:
    """Cost in the end, cost on the way and success over the number of ReLUs, a row a task, with intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    tasks = list(dict.fromkeys(row["task"] for row in rows))
    size = (10.5, 2.8 * len(tasks) + 0.4)
    figure, axes = plt.subplots(len(tasks), 3, figsize=size, layout="constrained", squeeze=False)
    measures = {"cost": mean_interval, "mean": mean_interval, "success": share_interval}
    titles = ("cost in the end", "mean cost on the way", "success")
    for task, panels in zip(tasks, axes, strict=True):
        own = [row for row in rows if row["task"] == task]
        ticks = sorted({row["relus"] for row in own})
        planners = list(dict.fromkeys(row["planner"] for row in own))
        for panel, (of, interval), title in zip(panels, measures.items(), titles, strict=True):
            for k, planner in enumerate(planners):
                counts = sorted({row["relus"] for row in own if row["planner"] == planner})
                found = [
                    interval([row[of] for row in own if (row["planner"], row["relus"]) == (planner, count)])
                    for count in counts
                ]
                middle, low, high = np.array(found).T
                beside = np.array(counts) * 1.03 ** (k - (len(planners) - 1) / 2)
                spread = np.nan_to_num([middle - low, high - middle])
                panel.errorbar(beside, middle, spread, fmt="o-", ms=3, capsize=3, label=planner)
            panel.set(title=f"{task}: {title}", xlabel="ReLUs", xscale="log")
            panel.set_ylim(0, 1.02 if of == "success" else None)
            panel.set_xticks(ticks, labels=[str(count) for count in ticks])
            panel.minorticks_off()
            panel.grid(alpha=0.3)
        panels[0].legend(fontsize=7)
    figure.savefig(path)
    plt.close(figure)


def main(given: Sequence[str] | None = None) -> None:
    chosen = arguments(__doc__, SMALL, FULL, given)
    trials = [
        {
            "task": task, "relus": relus, "planner": planner, "horizon": horizon, "period": chosen.period,
            "place": chosen.place, "aim": chosen.aim, "discount": chosen.discount, "episode": number,
        }
        for number in range(chosen.episodes)
        for task in chosen.tasks
        for horizon in chosen.horizons
        for relus in chosen.relus
        if relus in TASKS[task].members
        for planner in chosen.planners
    ]  # fmt: skip
    rows = collected(chosen.folder / "closed_loop.csv", trials, measure)
    print("\n".join(table(rows) + differences(rows)))
    draw(rows, chosen.folder / "closed_loop.svg")


if __name__ == "__main__":
    main()
