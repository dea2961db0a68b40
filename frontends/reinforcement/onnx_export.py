"""Write a policy and a predictor as ONNX: dynamics to plan through, and a controller to verify.

The predictor takes `state` (batch, d_o) and `control` (batch, d_a) in the units of the environment and gives
`next_state` (batch, d_o); a `Trajectory` finds in the file that it predicts the state. The policy takes `state` and
gives `mean` (batch, d_a), what is squashed to an action:

    action = low + (high - low) (tanh(mean) + 1) / 2

The squashing is not piecewise linear and stays outside; it is monotone, so bounds on the mean are bounds on the action
(`action_of`). Gates and normalisation are folded into the layers.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relu2mip.errors import InvalidNetwork, Refusal, UnsupportedNetwork
from relu2mip.frontends.reinforcement.gates import UnitGate
from relu2mip.frontends.reinforcement.sac import PruningSAC
from relu2mip.frontends.sparsify.gates import harden
from relu2mip.frontends.sparsify.gates.channel_pruning import ChannelPruning
from relu2mip.frontends.sparsify.objective import ranges
from relu2mip.frontends.sparsify.onnx_export import TOLERANCE, difference, to_onnx
from relu2mip.frontends.sparsify.rewrite import is_relu, sparsify, trace

SAMPLES = 1000
"""Transitions of the replay buffer on which a file is checked."""


def export_policy(agent: PruningSAC, path: str | Path) -> Path:
    """Write the policy on its features, observation to mean.

    Raises `UnsupportedNetwork` for a smooth activation, `InvalidNetwork` where onnxruntime and torch differ.
    """
    states, _ = _transitions(agent)
    return _export(agent, Policy(agent), (states,), ("state",), "mean", path)


def export_predictor(agent: PruningSAC, path: str | Path) -> Path:
    """Write the feature extractor with its predictor, observation and action to the next observation.

    Raises `UnsupportedNetwork` for a smooth activation, `InvalidNetwork` for an agent without a feature extractor, or
    where onnxruntime and torch differ.
    """
    if agent.policy.ofenet is None:
        raise InvalidNetwork("the agent has no feature extractor, so nothing predicts; train an arm with features")
    return _export(agent, Predictor(agent), _transitions(agent), ("state", "control"), "next_state", path)


def action_of(agent: PruningSAC, mean: Any) -> NDArray[np.float64]:
    """The actions (..., d_a) of means, in the units of the environment."""
    space: Any = agent.action_space
    low, high = (np.asarray(side, dtype=np.float64) for side in (space.low, space.high))
    found: NDArray[np.float64] = low + (high - low) * (np.tanh(np.asarray(mean, dtype=np.float64)) + 1) / 2
    return found


class Policy(nn.Module):
    """states -> means, without gates."""

    def __init__(self, agent: PruningSAC) -> None:
        super().__init__()
        ofenet, actor = agent.policy.ofenet, agent.policy.actor
        self.features = nn.Identity() if ofenet is None else _ungated(ofenet.observation)
        self.hidden, self.mean = _ungated(actor.latent_pi), copy.deepcopy(actor.mu)

    def forward(self, state: Tensor) -> Tensor:
        """The means."""
        found: Tensor = self.mean(self.hidden(self.features(state)))
        return found


class Predictor(nn.Module):
    """states, controls -> next states, without gates."""

    low: Tensor
    width: Tensor

    def __init__(self, agent: PruningSAC) -> None:
        super().__init__()
        ofenet = agent.policy.ofenet
        assert ofenet is not None
        self.observation, self.action = _ungated(ofenet.observation), _ungated(ofenet.action)
        self.predictor = copy.deepcopy(ofenet.predictor)
        space: Any = agent.action_space
        low, high = (torch.as_tensor(side) for side in (space.low, space.high))
        self.register_buffer("low", low)
        self.register_buffer("width", high - low)

    def forward(self, state: Tensor, control: Tensor) -> Tensor:
        """The next states."""
        scaled = (control - self.low) / self.width * 2.0 - 1.0
        joint = torch.cat([self.observation(state), scaled], dim=-1)
        found: Tensor = self.predictor(self.action(joint))
        return found


class Scaled(nn.Module):
    """What a gate is in evaluation mode."""

    theta: Tensor

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.register_buffer("theta", theta.clone())

    def forward(self, x: Tensor) -> Tensor:
        """X times theta."""
        return x * self.theta


def _ungated(network: nn.Module) -> nn.Module:
    """A copy whose gates are numbers."""
    network = copy.deepcopy(network).cpu()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, UnitGate):
                setattr(parent, name, Scaled(child.theta))
    return network


def _transitions(agent: PruningSAC) -> tuple[Tensor, Tensor]:
    """States and controls of the replay buffer, in the units of the environment."""
    buffer: Any = agent.replay_buffer
    if buffer is None or buffer.size() < 2:
        raise InvalidNetwork("the agent has no transitions to check a file on; train it, or load the run")
    rows = np.unique(np.linspace(0, buffer.size() - 1, SAMPLES).astype(int))
    states, scaled = buffer.observations[rows, 0], buffer.actions[rows, 0]
    controls = agent.policy.unscale_action(scaled)
    return torch.as_tensor(states).float(), torch.as_tensor(np.asarray(controls)).float()


def _export(
    agent: PruningSAC,
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: tuple[str, ...],
    output: str,
    path: str | Path,
) -> Path:
    path, module = Path(path), module.eval()
    if agent.policy.activation != "relu":
        reason = f"{agent.policy.activation} is smooth, and a mixed-integer program takes piecewise-linear functions"
        remedy = 'Train with activation = "relu"'
        raise UnsupportedNetwork(path.stem, [Refusal("activation", agent.policy.activation, reason, remedy)])
    with torch.no_grad():
        expected = module(*inputs)
    example = tuple(x[[0, -1]] for x in inputs)
    network = trace(module, example)
    if any(is_relu(node, network) for node in network.graph.nodes):
        network = sparsify(module, example, ChannelPruning())
        harden(network)
    model = to_onnx(network, inputs, names, output, path.stem, _metadata(agent, inputs, names))
    apart = difference(model, inputs, expected)
    if not apart <= TOLERANCE:
        raise InvalidNetwork(f"{path}: onnxruntime and torch differ by {apart:.1e} of the largest output")
    partial = path.with_suffix(".partial")
    partial.write_bytes(model.SerializeToString(deterministic=True))
    os.replace(partial, path)
    return path


def _metadata(agent: PruningSAC, inputs: tuple[Tensor, ...], names: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {f"{name}_range": ranges(x.numpy()) for name, x in zip(names, inputs, strict=True)}
    if "control" in names:
        return {"predicts": "state", "window": 1, **found}
    space: Any = agent.action_space
    return {"squash": "tanh", "action_low": space.low.tolist(), "action_high": space.high.tolist(), **found}
