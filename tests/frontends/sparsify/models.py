"""Networks, data and kinds for the tests of the sparsifier; needs torch."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from relu2mip.frontends.sparsify import (
    Kind,
    Regression,
    Samples,
    Simulation,
    Transitions,
    densenet,
    gates_of,
    interaction,
    mlp,
)

torch.set_num_threads(1)


def system(rollouts: int = 12, steps: int = 12, objects: int = 1, seed: int = 0) -> Transitions:
    """Points (position, speed) with friction beyond a speed, pushed by one control, repelled by one another."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (rollouts, objects, 2))
    states, controls = [x], rng.uniform(-1, 1, (rollouts, steps, 1))
    for t in range(steps):
        position, speed = x[..., 0], x[..., 1]
        apart = position[:, :, None] - position[:, None, :]
        push = 0.3 * controls[:, t] - 0.2 * np.maximum(speed - 0.5, 0) + 0.1 * np.maximum(0.5 - np.abs(apart), 0).sum(2)
        x = np.stack([position + 0.2 * speed, speed + 0.2 * push], axis=-1)
        states.append(x)
    return Transitions.of_trajectories(np.stack(states, axis=1).reshape(rollouts, steps + 1, -1), controls)


def samples(count: int = 400, seed: int = 0) -> Samples:
    """A function of two variables with two ReLUs."""
    x = np.random.default_rng(seed).uniform(-1, 1, (count, 2))
    y = 0.4 * x[:, 0] + np.maximum(x[:, 0] + 0.5 * x[:, 1], 0) - np.maximum(x[:, 1] - 0.6 * x[:, 0] - 0.2, 0)
    return Samples.of(x, y)


class Mixed(nn.Module):
    """Everything that compaction folds, and something it does not (abs)."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.norm, self.act = nn.BatchNorm1d(6), nn.ReLU()
        self.norm.running_mean.uniform_(-1, 1)
        self.register_buffer("factors", torch.rand(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.norm(self.a(x))) + x
        g = torch.relu(2 * self.b(h) - 0.5) * self.factors + (1 - h) / 3
        h = F.linear(g, self.b.weight).relu()
        return self.c(torch.cat([h[:, 2:5], -g[..., :3]], dim=1)) + self.act(x[:, :3]).abs()


class Messages(nn.Module):
    """Message passing with matrices of the module, their transposes, and a control that edges see."""

    def __init__(self) -> None:
        super().__init__()
        pairs = [(s, r) for s in range(3) for r in range(3) if s < r]
        self.register_buffer("senders", torch.eye(3)[[s for s, _ in pairs]])
        self.register_buffer("receivers", torch.eye(3)[[r for _, r in pairs]])
        self.edge, self.push, self.node = nn.Linear(4, 5), nn.Linear(1, 5), nn.Linear(7, 2)

    def forward(self, x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        ends = torch.cat([self.senders @ x, self.receivers @ x], dim=-1)
        received = self.receivers.T @ torch.relu(self.edge(ends) + self.push(u.unsqueeze(-2)))
        return x + self.node(torch.cat([x, received], dim=-1)).relu()


def image() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Conv2d(6, 4, 3, padding=1), nn.ReLU()),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4 * 9, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2)),
    )


def randomise(network: nn.Module, seed: int, share: tuple[float, float, float] = (0.3, 0.3, 0.4)) -> nn.Module:
    """Fix every unit to a random kind: ReLU, identity or zero."""
    rng = np.random.default_rng(seed)
    for gate in gates_of(network).values():
        kinds = rng.choice([Kind.RELU, Kind.IDENTITY, Kind.ZERO], size=gate.size, p=share)
        gate.kind.copy_(torch.as_tensor(kinds))
    return network.eval()


OBJECTIVES = {
    "mlp": lambda: Simulation(system()),
    "window mlp": lambda: Simulation(system(), window=3),
    "densenet": lambda: Simulation(system()),
    "interaction": lambda: Simulation(system(objects=3)),
    "window interaction": lambda: Simulation(system(objects=3), window=2),
    "function": lambda: Regression(samples()),
}
NETWORKS = {
    "mlp": lambda objective: mlp(objective, (12, 12)),
    "window mlp": lambda objective: mlp(objective, (12, 12)),
    "densenet": lambda objective: densenet(objective, growth=6, layers=3, blocks=2),
    "interaction": lambda objective: interaction(objective, 2, (6, 6), (6, 6)),
    "window interaction": lambda objective: interaction(objective, 2, (8,), (8,)),
    "function": lambda objective: mlp(objective, (12,)),
}
OTHERS = {
    "mixed": (Mixed, ((7, 6),)),
    "messages": (Messages, ((7, 3, 2), (7, 1))),
    "image": (image, ((7, 1, 8, 8),)),
}
