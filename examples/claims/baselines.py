"""Figures 9 and 10, prediction: do gates beat channel pruning at the same number of ReLUs?

    python examples/claims/baselines.py              # pushing, one seed of short training, a few minutes
    python examples/claims/baselines.py --full       # pushing and the rope, five seeds: an hour and a half

Trains each family as examples/environments/family.py does, with half of its data and a fifth of its epochs, on the same
data by seed, and compares the members on held-out stretches with motion: root mean squares after ten steps, px.
Members are left in `members/TASK/FAMILY-SEED`, from where closed loops can be run.
"""

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.rows import Row, arguments, collected, seeds_interval
from environments.family import FAMILIES, STEPS, TASKS, members, row, simulations, training

UNITS = (36, 24, 18, 15)
AFTER = 10
STEP, GROWTH, HELD_OUT = 0.06, 32, 500

SMALL = {
    "tasks": ("push",), "families": ("gumbel", "linearisation", "channel-pruning"), "seeds": (0,), "rollouts": 1250,
    "epochs": 16,
}  # fmt: skip
FULL = SMALL | {"tasks": tuple(TASKS), "seeds": (0, 1, 2, 3, 4)}

data = lru_cache(maxsize=1)(simulations)


def trained(folder: Path, task: str, family: str, seed: int, rollouts: int, epochs: int) -> Row:
    """Errors of a family's members after `AFTER` steps, the full one first. folder: of members."""
    assert family in FAMILIES
    objective, tests = data(task, rollouts, HELD_OUT, seed)
    schedule, place = training(UNITS, epochs, STEP, seed), folder / task / f"{family}-{seed}"
    found = members(objective, family, UNITS, schedule, place, GROWTH)
    rows = {one.units or "full": row(family, seed, one, tests) for one in found}
    return {f"error_{units}": one.errors[STEPS.index(AFTER)][1] for units, one in rows.items()}


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of the errors over seeds with intervals, and of the ratio to channel pruning, seed by seed."""
    lines = []
    for task, family in dict.fromkeys((one["task"], one["family"]) for one in rows):
        here = [one for one in rows if (one["task"], one["family"]) == (task, family)]
        shown = "  ".join("{}: {:5.1f} [{:5.1f}, {:5.1f}]".format(k, *seeds_interval(errors(here, k))) for k in UNITS)
        lines.append(f"{task:5} {family:16} {len(here)} seeds  {shown}")
        pruned = {one["seed"]: one for one in rows if (one["task"], one["family"]) == (task, "channel-pruning")}
        both = [one for one in here if one["seed"] in pruned and family != "channel-pruning"]
        if both:
            others = [pruned[one["seed"]] for one in both]
            ratios = "  ".join(
                "{}: {:5.2f} [{:5.2f}, {:5.2f}]".format(k, *seeds_interval(errors(both, k) / errors(others, k)))
                for k in UNITS
            )
            lines.append(f"{'':5} {'of that of it':16} {len(both)} seeds  {ratios}")
    return lines


def errors(rows: Sequence[Row], units: int) -> np.ndarray:
    """Those of one member over the seeds, (seeds,)."""
    return np.array([one[f"error_{units}"] for one in rows], dtype=np.float64)


def draw(rows: Sequence[Row], path: Path) -> None:
    """Errors over the number of ReLUs with intervals, a panel a task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    tasks = list(dict.fromkeys(one["task"] for one in rows))
    size = (4.2 * len(tasks), 3.4)
    figure, axes = plt.subplots(1, len(tasks), figsize=size, layout="constrained", squeeze=False)
    for task, panel in zip(tasks, axes[0], strict=True):
        for k, family in enumerate(dict.fromkeys(one["family"] for one in rows)):
            here = [one for one in rows if (one["task"], one["family"]) == (task, family)]
            middle, low, high = np.array([seeds_interval(errors(here, units)) for units in UNITS]).T
            spread = np.nan_to_num([middle - low, high - middle])
            beside = np.array(UNITS) * 1.015 ** (k - 1)
            panel.errorbar(beside, middle, spread, fmt="o-", ms=3, capsize=3, label=family)
        panel.set(title=f"{task}, {len(here)} seeds", xlabel="ReLUs", xscale="log")
        panel.set_xticks(UNITS, labels=[str(units) for units in UNITS])
        panel.minorticks_off()
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    axes[0, 0].set_ylabel(f"error after {AFTER} steps, px")
    figure.savefig(path)
    plt.close(figure)


def main(given: Sequence[str] | None = None) -> None:
    chosen = arguments(__doc__, SMALL, FULL, given)
    trials = [
        {"task": task, "family": family, "seed": seed, "rollouts": chosen.rollouts, "epochs": chosen.epochs}
        for task in chosen.tasks
        for seed in chosen.seeds
        for family in chosen.families
    ]
    folder = chosen.folder / "members"
    rows = collected(chosen.folder / "baselines.csv", trials, lambda **trial: trained(folder, **trial))
    print("\n".join(table(rows)))
    draw(rows, chosen.folder / "baselines.svg")


if __name__ == "__main__":
    main()
