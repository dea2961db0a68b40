"""What 20 % more or less mass or friction does to the tasks, beside what models of the undisturbed tasks are off by.

    python examples/claims/disturbances.py              # 20 rollouts a task, seconds
    python examples/claims/disturbances.py --full       # 100 rollouts, a minute

Random pushes in which something moves are repeated in a disturbed simulator: the mean distance between where points are
with and without, px.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.prediction import MOTION, SEED
from claims.rows import Row, arguments, collected, mean_interval
from claims.tasks import TASKS, Array
from environments.collect import rollout
from environments.task import Scene

AFTER = (1, 5, 10)
SMALL = {
    "tasks": ("push", "sort-2", "rope"), "properties": ("density", "ground", "contact"), "factors": (0.8, 1.2),
    "rollouts": 20,
}  # fmt: skip
FULL = SMALL | {"rollouts": 100}


@contextmanager
def disturbed(what: str, factor: float) -> Iterator[None]:
    """The simulator with a property of `Scene` times a factor."""
    before = getattr(Scene, what)
    setattr(Scene, what, factor * before)
    try:
        yield
    finally:
        setattr(Scene, what, before)


@cache
def pushes(task: str, number: int) -> tuple[Array, Array, Array]:
    """Layout, pusher and controls of a rollout in which something moves; the number-th seed of those."""
    env, attempt = TASKS[task].make(), 0
    while True:
        rng = np.random.default_rng([SEED, number, attempt])
        layout, pusher = env.draw_layout(rng)
        states, controls = rollout(env, rng, AFTER[-1], (layout, pusher))
        if np.abs(states - states[0])[:, :-2].max() > MOTION:
            return layout, pusher, controls
        attempt += 1


def measure(task: str, what: str, factor: float, rollout: int) -> Row:
    """How far points are from where they were without, a mean after each of `AFTER` steps, px."""
    env = TASKS[task].make()
    env.layout, env.pusher, controls = pushes(task, rollout)
    before = TASKS[task].replay(env, controls)
    with disturbed(what, factor):
        after = TASKS[task].replay(env, controls)
    away = np.linalg.norm((after - before)[:, :-2].reshape(len(after), -1, 2), axis=2).mean(axis=1)
    return {f"after_{t}": round(float(away[t]), 4) for t in AFTER}


def table(rows: Sequence[Row]) -> list[str]:
    """Lines of the mean and its interval after each of `AFTER` steps, px."""
    lines = []
    for task, what, factor in dict.fromkeys((row["task"], row["what"], row["factor"]) for row in rows):
        here = [row for row in rows if (row["task"], row["what"], row["factor"]) == (task, what, factor)]
        shown = "  ".join(
            "{:5.2f} [{:5.2f}, {:5.2f}]".format(*mean_interval([row[f"after_{t}"] for row in here])) for t in AFTER
        )
        lines.append(f"{task:7} {what:8} times {factor}  {len(here)} rollouts  after {AFTER} steps: {shown}")
    return lines


def main(given: Sequence[str] | None = None) -> None:
    chosen = arguments(__doc__, SMALL, FULL, given)
    trials = [
        {"task": task, "what": what, "factor": factor, "rollout": number}
        for task in chosen.tasks
        for what in chosen.properties
        for factor in chosen.factors
        for number in range(chosen.rollouts)
    ]
    print("\n".join(table(collected(chosen.folder / "disturbances.csv", trials, measure))))


if __name__ == "__main__":
    main()
