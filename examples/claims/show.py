"""One episode of a task with a member of few ReLUs, as an animation: what `relu2mip demo push` shows.

python examples/claims/show.py push push.gif --seed 3
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.closed_loop import controller, run
from claims.episodes import Episode, episode

from relu2mip.control import Run

SETTINGS: dict[str, dict[str, Any]] = {
    "push": {"relus": 36, "horizon": 8, "period": 0.3, "place": "route", "aim": 0.05},
    "rope": {"relus": 36, "horizon": 8, "period": 0.3, "place": "route", "aim": 0.05},
    "sort": {"relus": 28, "horizon": 8, "period": 0.3, "place": "route", "aim": 0.05},
}
"""What is planned with; the planner is `hybrid`."""

TASKS = {"push": "push", "rope": "rope", "sort": "sort-2"}


def shown(name: str, seed: int, backend: str = "highs") -> tuple[Run, Episode]:
    """The episode of a seed with its pictures, and the environment at its end."""
    task = TASKS[name]
    env = episode(task, render_mode="rgb_array")
    env.reset(seed=seed)
    acts = controller(env, task=task, planner=f"hybrid(backend={backend})", **SETTINGS[name])
    return run(env, acts, seed, frames=True), env


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Animate an episode of a task.")
    parser.add_argument("task", choices=tuple(TASKS))
    parser.add_argument("output", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(given)
    found, env = shown(arguments.task, arguments.seed)
    found.animate(arguments.output)
    print(f"{len(found)} steps, {env.task.cost(env.task.state):.1f} px from the target; wrote {arguments.output}")


if __name__ == "__main__":
    main()
