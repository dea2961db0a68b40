"""Updates a second of pruned agents beside those of the wide one that they come from.

    python examples/online_pruning/speed.py pendulum.toml --arm ofe-big --arm prune-b

Agents are those that `relu2mip rl train` left. Each takes blocks of updates in turn on one thread, and what counts is
the time of this process, so that other programs disturb little.
"""

from __future__ import annotations

import argparse
import time

import torch

from relu2mip.frontends.reinforcement import load_agent, read_experiment, trained_parameters

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("config")
parser.add_argument("--arm", action="append", required=True)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--blocks", type=int, default=5)
parser.add_argument("--updates", type=int, default=200)
arguments = parser.parse_args()

torch.set_num_threads(1)
experiment = read_experiment(arguments.config)
agents = {arm: load_agent(experiment, arm, arguments.seed) for arm in arguments.arm}
for agent in agents.values():
    agent.learn(1, reset_num_timesteps=False)  # sets the logger up
seconds: dict[str, list[float]] = {arm: [] for arm in agents}
for _ in range(arguments.blocks):
    for arm, agent in agents.items():
        began = time.process_time()
        agent.train(arguments.updates, experiment.sac.batch_size)
        seconds[arm].append(time.process_time() - began)
for arm, agent in agents.items():
    best, worst = (arguments.updates / side for side in (min(seconds[arm]), max(seconds[arm])))
    print(
        f"{arm:10} {trained_parameters(agent.policy):8} trained parameters  {worst:6.0f} to {best:.0f} updates a second"
    )
