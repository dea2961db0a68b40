"""What a pruned agent is good for here: plan through the dynamics that it learned, and bound its actions over a box.

    python examples/online_pruning/plan_and_verify.py examples/online_pruning/pendulum.toml --arm prune-b

The plan swings the pendulum from 10 degrees to rest by the learned dynamics, and is replayed in the environment. The
policy is verified: the largest and the smallest torque that it asks for, over a box of states around upright.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gymnasium
import numpy as np

import relu2mip as r2m
from relu2mip.frontends.reinforcement import action_of, export_policy, export_predictor, load_agent, read_experiment

HORIZON = 6
ANGLE, SPEED = np.radians(10.0), 0.0

parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("config", type=Path)
parser.add_argument("--arm", default="prune-b")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--time-limit", type=float, default=60.0)
arguments = parser.parse_args()

experiment = read_experiment(arguments.config)
agent = load_agent(experiment, arguments.arm, arguments.seed)
folder = experiment.run(arguments.arm, arguments.seed)
dynamics = r2m.load(export_predictor(agent, folder / "dynamics.onnx"))
policy = r2m.load(export_policy(agent, folder / "policy.onnx"))

problem = r2m.Trajectory(
    dynamics,
    horizon=HORIZON,
    initial_state=[np.cos(ANGLE), np.sin(ANGLE), SPEED],
    controls=r2m.Box(-2, 2),
    states=r2m.Box([-1.1, -1.1, -8], [1.1, 1.1, 8]),
    cost=r2m.costs.L1(target=[1.0, 0.0, 0.0], state=[1.0, 1.0, 0.1], control=0.01),
)
answer = r2m.solve(problem, time_limit=arguments.time_limit)
units = problem.unrolled.form.relu_units
print(f"plan: {answer.status}, {units} units, objective {answer.objective:.4f}, gap {answer.gap:.1%}")
print("torques:", np.round(answer.controls[:, 0], 2))

environment = gymnasium.make("Pendulum-v1").unwrapped
environment.reset(seed=0)
environment.state = np.array([ANGLE, SPEED])
states = [environment.step(control)[0] for control in answer.controls]
apart = np.abs(np.array(states) - answer.states[1:]).max(axis=0)
print("plan and simulator differ by at most", np.round(apart, 3), "in cosine, sine and speed")

lower, upper = [0.9, -0.2, -0.5], [1.0, 0.2, 0.5]
sides = {}
for sense in ("min", "max"):
    found = r2m.solve(r2m.BoxProblem(policy, lower, upper, [1.0], sense=sense), time_limit=arguments.time_limit)
    sides[sense] = float(action_of(agent, [found.bound])[0])
states = np.random.default_rng(0).uniform(lower, upper, (10_000, 3)).astype(np.float32)
sampled, _ = agent.predict(states, deterministic=True)
print(f"torque over the box: proven in [{sides['min']:.3f}, {sides['max']:.3f}], ", end="")
print(f"10,000 samples in [{sampled.min():.3f}, {sampled.max():.3f}]")
