"""Updates a second of pruned agents beside those of the wide one that they come from.

    python speed.py pendulum.toml --arm ofe --arm ofe-big --arm prune-b     # as `relu2mip rl train` left them
    python speed.py hopper-full.toml --arm prune-a --keep 0.3               # untrained, beside itself with fewer units

Each takes blocks of updates in turn on one thread, and what counts is the time of this process, so that other programs
disturb little.
"""

from __future__ import annotations

import argparse
import time

import torch

from relu2mip.frontends.reinforcement import PruningSAC, load_agent, read_experiment, trained_parameters
from relu2mip.frontends.reinforcement.gates import unit_gates
from relu2mip.frontends.reinforcement.shrink import remove_units
from relu2mip.frontends.reinforcement.training import make_agent

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("config")
parser.add_argument("--arm", action="append", required=True)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--keep", type=float, help="untrained; beside it the share of units, drawn at random, that stays")
parser.add_argument("--blocks", type=int, default=5)
parser.add_argument("--updates", type=int, default=200)
arguments = parser.parse_args()

torch.set_num_threads(1)
experiment = read_experiment(arguments.config)
size = experiment.sac.batch_size


def untrained(arm: str, keep: float) -> PruningSAC:
    """An agent with random transitions, without the units that were not drawn."""
    agent, _ = make_agent(experiment, arm, arguments.seed)
    agent.learn(min(2 * size, experiment.sac.learning_starts))
    agent.pretrained = True
    for gate in unit_gates(agent.policy):
        gate.theta.copy_((torch.rand(gate.size) < keep).float())
    remove_units(agent.policy, 0.5)
    return agent


agents: dict[str, PruningSAC] = {}
for arm in arguments.arm:
    if arguments.keep is None:
        agents[arm] = load_agent(experiment, arm, arguments.seed)
        agents[arm].learn(1, reset_num_timesteps=False)  # sets the logger up
    else:
        agents |= {f"{arm}, {share:.0%}": untrained(arm, share) for share in (1.0, arguments.keep)}
seconds: dict[str, list[float]] = {name: [] for name in agents}
for _ in range(arguments.blocks):
    for name, agent in agents.items():
        began = time.process_time()
        agent.train(arguments.updates, size)
        seconds[name].append(time.process_time() - began)
for name, agent in agents.items():
    slowest, fastest = (arguments.updates / side(seconds[name]) for side in (max, min))
    print(f"{name:14} {trained_parameters(agent.policy):8} trained parameters", end="  ")
    print(f"{slowest:.1f} to {fastest:.1f} updates a second")
