"""Small agents and experiments for the tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from relu2mip.frontends.reinforcement import Arm, Evaluation, Experiment, Features, Pruning, PruningSAC, SacOptions
from relu2mip.frontends.reinforcement.gates import unit_gates

FEATURES = Features(observation=(5, 4), action=(6, 3), pretraining=3)
PRUNING = Pruning(
    features=1e-3,
    policy=1e-2,
    critics=1e-2,
    start=30,
    end=80,
    feature_rate=5.0,
    policy_rate=0.3,
    critic_rate=0.3,
    interval=4,
)


class Integrator(gymnasium.Env[Any, Any]):
    """position' = position + 0.1 control, episodes of 20 steps; the reward is minus the distance from 0."""

    observation_space = gymnasium.spaces.Box(-2.0, 2.0, (2,), np.float32)
    action_space = gymnasium.spaces.Box(-1.0, 3.0, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.position, self.steps = self.np_random.uniform(-1, 1), 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.position = float(np.clip(self.position + 0.1 * action[0] + 0.01 * self.np_random.normal(), -2, 2))
        self.steps += 1
        return self._observation(), -abs(self.position), False, self.steps >= 20, {}

    def _observation(self) -> Any:
        return np.array([self.position, abs(self.position)], dtype=np.float32)


gymnasium.register("IntegratorForTests-v0", entry_point=Integrator)


def agent(**options: Any) -> PruningSAC:
    """An agent with features and gates on the integrator."""
    chosen = {"features": FEATURES, "pruning": PRUNING, "hidden": (7, 5), "learning_starts": 20, "batch_size": 16}
    return PruningSAC("MlpPolicy", Integrator(), seed=0, device="cpu", **(chosen | options))


def experiment(folder: Path, **changes: Any) -> Experiment:
    """A pruned arm and one without gates, for 100 steps."""
    pruned = Arm(hidden=(7, 5), features=FEATURES, pruning=PRUNING, decay=1e-6)
    return replace(
        Experiment(
            environment="IntegratorForTests-v0",
            folder=folder,
            steps=100,
            arms={"ofe": replace(pruned, pruning=None), "prune": pruned},
            seeds=(0,),
            sac=SacOptions(learning_starts=20, batch_size=16, device="cpu", buffer_size=1000),
            evaluation=Evaluation(every=25, episodes=1),
        ),
        **changes,
    )


def randomised(found: PruningSAC, zeros: float) -> PruningSAC:
    """The same agent with random theta, a share of them 0, and random statistics of its normalisation."""
    torch.manual_seed(1)
    with torch.no_grad():
        for gate in unit_gates(found.policy):
            gate.theta.copy_(torch.where(torch.rand(gate.size) < zeros, 0.0, 0.2 + 0.8 * torch.rand(gate.size)))
        for module in found.policy.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
                module.weight.normal_()
    return found
