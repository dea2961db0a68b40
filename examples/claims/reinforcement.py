"""Figures 5 and 6, the baselines: what do PPO and SAC reach with as many transitions as the models were trained on?

    python examples/claims/reinforcement.py              # PPO on pushing, one seed, minutes
    python examples/claims/reinforcement.py --full       # PPO and SAC, three seeds, pushing and CartPole: hours

Stable-Baselines3 with its published defaults on one thread; observations and actions are scaled to [-1, 1]. The
reward is the task's own: minus the stage cost over 100, or gymnasium's on CartPole. Policies are tried, without
noise, on the episodes that closed_loop.py plans, after each fifth of the transitions. CartPole's
actions are discrete, so SAC, which is for continuous ones, does not run there.
"""

import sys
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from claims.episodes import Episode, episode, outcome
from claims.rows import Row, arguments, collected, mean_interval, share_interval
from claims.tasks import Array
from environments.task import REACH, WORKSPACE

UNSEEN = 1_000_000
"""Seeds from here on are of training, those below are of episodes to be tried on."""

POINTS = 5
"""Points of a learning curve."""

SMALL = {
    "tasks": ("push",), "algorithms": ("ppo",), "seeds": (0,), "transitions": 50_000, "episodes": 50,
}  # fmt: skip
FULL = SMALL | {"tasks": ("push", "cartpole"), "algorithms": ("ppo", "sac"), "seeds": (0, 1, 2)}


def scaled(env: Episode) -> gymnasium.Env[Any, Any]:
    """A contact task whose observations and actions are about [-1, 1]; any other as it is."""
    if not isinstance(env.action_space, gymnasium.spaces.Box):
        return env
    size = env.observation_space.shape
    space = gymnasium.spaces.Box(-10.0, 10.0, size, np.float32)
    seen = gymnasium.wrappers.TransformObservation(env, lambda of: scaled_observation(of).astype(np.float32), space)
    return gymnasium.wrappers.RescaleAction(seen, -1.0, 1.0)


def scaled_observation(observation: Array) -> Array:
    """Places in px as shares of half the workspace, from its middle."""
    return 2.0 * observation / WORKSPACE - 1.0


def learner(algorithm: str, env: Any, seed: int) -> Any:
    """An algorithm with its published defaults."""
    import torch
    from stable_baselines3 import PPO, SAC

    torch.set_num_threads(1)
    return {"ppo": PPO, "sac": SAC}[algorithm]("MlpPolicy", env, seed=seed, device="cpu")


def tried(act: Callable[[Array], Any], task: str, number: int) -> Row:
    """What becomes of an episode under a policy; see `outcome`."""
    env = episode(task)
    observation, _ = env.reset(seed=number)
    states, done = [env.task.state], False
    while not done:
        observation, _, terminated, truncated, _ = env.step(act(observation))
        states.append(env.task.state)
        done = terminated or truncated
    return outcome(env, states)


@lru_cache(maxsize=1)
def trained(task: str, algorithm: str, seed: int, transitions: int, episodes: int) -> dict[tuple[int, int], Row]:
    """What a policy does in each episode after each part of the transitions."""
    model = learner(algorithm, scaled(episode(task)), UNSEEN + seed)

    def act(observation: Array) -> Any:
        seen = observation if task == "cartpole" else scaled_observation(observation).astype(np.float32)
        action, _ = model.predict(seen, deterministic=True)
        return int(action) if task == "cartpole" else REACH * action

    found = {}
    for point in range(POINTS):
        model.learn(transitions // POINTS, reset_num_timesteps=point == 0)
        for number in range(episodes):
            found[point, number] = {"after": model.num_timesteps, **tried(act, task, number)}
    return found


def summary(rows: Sequence[Row]) -> list[str]:
    """Lines of the mean cost, its median and successes at the end, over seeds and episodes."""
    lines = []
    for task, algorithm, point in dict.fromkeys((row["task"], row["algorithm"], row["point"]) for row in rows):
        here = [row for row in rows if (row["task"], row["algorithm"], row["point"]) == (task, algorithm, point)]
        cost = "{:6.2f} [{:6.2f}, {:6.2f}]".format(*mean_interval([row["cost"] for row in here]))
        success = "{:4.0%} [{:4.0%}, {:4.0%}]".format(*share_interval([row["success"] for row in here]))
        seeds = len({row["seed"] for row in here})
        lines.append(f"{task:9} {algorithm:5} {seeds} seeds  after {here[0]['after']:6}  {cost}  {success}")
    return lines


def draw(rows: Sequence[Row], path: Path) -> None:
    """Learning curves: the mean cost of each seed, a panel a task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    tasks = list(dict.fromkeys(row["task"] for row in rows))
    size = (4.2 * len(tasks), 3.2)
    figure, axes = plt.subplots(1, len(tasks), figsize=size, layout="constrained", squeeze=False)
    shades = {"ppo": "#4878a8", "sac": "#d1495b"}
    for task, panel in zip(tasks, axes[0], strict=True):
        for algorithm, seed in dict.fromkeys((row["algorithm"], row["seed"]) for row in rows if row["task"] == task):
            here = [row for row in rows if (row["task"], row["algorithm"], row["seed"]) == (task, algorithm, seed)]
            after = sorted({row["after"] for row in here})
            means = [np.mean([row["cost"] for row in here if row["after"] == count]) for count in after]
            panel.plot(after, means, "o-", ms=3, color=shades[algorithm], label=f"{algorithm}, seed {seed}")
        panel.set(title=task, xlabel="transitions")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    axes[0, 0].set_ylabel("cost at the end of an episode")
    figure.savefig(path)
    plt.close(figure)


def main(given: Sequence[str] | None = None) -> None:
    chosen = arguments(__doc__, SMALL, FULL, given)
    trials = [
        {
            "task": task, "algorithm": algorithm, "seed": seed, "transitions": chosen.transitions,
            "episodes": chosen.episodes, "point": point, "episode": number,
        }
        for task in chosen.tasks
        for algorithm in chosen.algorithms
        if (task, algorithm) != ("cartpole", "sac")
        for seed in chosen.seeds
        for point in range(POINTS)
        for number in range(chosen.episodes)
    ]  # fmt: skip

    def measure(point: int, episode: int, **training: Any) -> Row:
        return trained(**training)[point, episode]

    rows = collected(chosen.folder / "reinforcement.csv", trials, measure)
    print("\n".join(summary(rows)))
    draw(rows, chosen.folder / "reinforcement.svg")


if __name__ == "__main__":
    main()
