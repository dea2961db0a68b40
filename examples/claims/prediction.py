"""Figure 3a: does prediction suffer from removing ReLUs?

    python examples/claims/prediction.py             # 20 rollouts, a minute
    python examples/claims/prediction.py --full      # 100 rollouts, three minutes

Errors of the members that are checked in after 1 to 20 steps, on rollouts of random pushes that no member was trained
on, in which something moves; root mean squares over the points or discs, px. A row with 0 ReLUs says that nothing
moves. Networks of three discs are those of eight with five far away, where they do not matter.
"""

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.rows import Row, arguments, collected, ratio_interval
from claims.tasks import FAMILIES, TASKS, Array, relus
from environments import Sort
from environments.collect import MOTION, rollout
from environments.task import REACH, WORKSPACE

import relu2mip as r2m

STEPS = 20
SHOWN = (1, 5, 10, 20)
SEED = 10_000
"""Seeds of the rollouts begin here, far from those of training and of its comparisons."""

SMALL = {"tasks": ("push", "sort-2", "sort-3", "rope"), "rollouts": 20}
FULL = SMALL | {"rollouts": 100}


def members(task: str) -> dict[int, Path | None]:
    """Members by the number of their ReLUs, the most first; none for 0."""
    if task == "sort-3":
        paths = (FAMILIES / "sort" / "removal" / "discs-8").glob("*.onnx")
        return {**dict(sorted(((relus(path), path) for path in paths), reverse=True)), 0: None}
    return {**TASKS[task].members, 0: None}


@cache
def truth(task: str, number: int) -> tuple[Array, Array]:
    """States (STEPS + 1, n) and controls of a rollout in which something moves; the number-th seed of those."""
    env = Sort(3) if task == "sort-3" else TASKS[task].make()
    attempt = 0
    while True:
        states, controls = rollout(env, np.random.default_rng([SEED, number, attempt]), STEPS)
        if np.abs(states - states[0])[:, :-2].max() > MOTION:
            return states, controls
        attempt += 1


def measure(task: str, relus: int, rollout: int) -> Row:
    """Errors after each step."""
    states, controls = truth(task, rollout)
    path = members(task)[relus]
    found = np.tile(states[0], (STEPS + 1, 1)) if path is None else predicted(path, states[0], controls)
    off = found[:, :-2] - states[:, :-2]
    errors = np.sqrt((off**2).sum(axis=1) / (off.shape[1] // 2))
    return {f"after_{t}": round(float(errors[t]), 3) for t in range(1, STEPS + 1)}


def predicted(path: Path, state: Array, controls: Array) -> Array:
    """The states (H + 1, n) that a member expects."""
    net = r2m.load(path)
    away = net.inputs[0].size - state.size
    # Discs that are out of reach of everything.
    parked = np.column_stack([np.full(away // 2, 10.0 * WORKSPACE), 10.0 * WORKSPACE * np.arange(1, away // 2 + 1)])
    whole = np.concatenate([state[:-2], parked.ravel(), state[-2:]])
    problem = r2m.Trajectory(net, len(controls), whole, r2m.Box([-REACH] * 2, [REACH] * 2))
    found = problem.rollout(controls)
    return np.delete(found, np.s_[state.size - 2 : state.size - 2 + away], axis=1)


def quartiles(rows: Sequence[Row]) -> Array:
    """Percentiles 25, 50 and 75 after each step, (3, STEPS)."""
    return np.percentile([[row[f"after_{t}"] for t in range(1, STEPS + 1)] for row in rows], [25, 50, 75], axis=0)


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of the median and middle half after `SHOWN` steps, px, and the mean after ten beside that of most ReLUs."""
    lines, most = [], dict[str, list[float]]()
    for task, count in dict.fromkeys((row["task"], row["relus"]) for row in rows):
        here = [row for row in rows if (row["task"], row["relus"]) == (task, count)]
        low, middle, high = quartiles(here)
        shown = "  ".join(f"{middle[t - 1]:6.2f} [{low[t - 1]:6.2f}, {high[t - 1]:6.2f}]" for t in SHOWN)
        after = [row["after_10"] for row in here]
        ratio = "{:5.2f} [{:5.2f}, {:5.2f}]".format(*ratio_interval(after, most.setdefault(task, after)))
        lines.append(f"{task:8} {count:4} ReLUs  {shown}  mean after 10: {np.mean(after):6.2f}, times {ratio}")
    return lines


def draw(rows: Sequence[Row], path: Path) -> None:
    """Median errors over steps with the middle half, a panel a task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    tasks = list(dict.fromkeys(row["task"] for row in rows))
    size = (3.3 * len(tasks), 3.3)
    figure, axes = plt.subplots(1, len(tasks), figsize=size, layout="constrained", squeeze=False)
    for task, one in zip(tasks, axes[0], strict=True):
        counts = list(dict.fromkeys(row["relus"] for row in rows if row["task"] == task))
        for count, shade in zip(counts, plt.get_cmap("viridis")(np.linspace(0, 0.9, len(counts))), strict=True):
            low, middle, high = quartiles([row for row in rows if (row["task"], row["relus"]) == (task, count)])
            style = (
                {"color": shade, "label": f"{count} ReLUs"} if count else {"color": "grey", "label": "nothing moves"}
            )
            one.plot(range(1, STEPS + 1), middle, ls="-" if count else "--", **style)
            if count:
                one.fill_between(range(1, STEPS + 1), low, high, color=shade, alpha=0.12, lw=0)
        one.set(title=task, xlabel="steps", xticks=(1, 5, 10, 15, 20))
        one.grid(alpha=0.3)
        one.legend(fontsize=6.5)
    axes[0, 0].set_ylabel("error, px")
    figure.savefig(path)
    plt.close(figure)


def main(given: Sequence[str] | None = None) -> None:
    chosen = arguments(__doc__, SMALL, FULL, given)
    trials = [
        {"task": task, "relus": count, "rollout": number}
        for task in chosen.tasks
        for count in members(task)
        for number in range(chosen.rollouts)
    ]
    rows = collected(chosen.folder / "prediction.csv", trials, measure)
    print("\n".join(table(rows)))
    draw(rows, chosen.folder / "prediction.svg")


if __name__ == "__main__":
    main()
