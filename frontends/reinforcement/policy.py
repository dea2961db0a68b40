"""The networks of an agent: those of Stable-Baselines3's SAC, on learned features, with a gate on every hidden unit.

    policy        mu, log sigma of z_o = phi_o(o)
    Q networks    Q_k of z_{o,a} = phi_{o,a}([z_o ; a])
    value         V of z_o, where the option is set

Without features, z_o is the observation and z_{o,a} the observation and the action: the networks of SAC.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, cast

import torch
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import create_mlp
from stable_baselines3.sac.policies import LOG_STD_MAX, LOG_STD_MIN, Actor, SACPolicy
from torch import Tensor, nn

from relu2mip.frontends.reinforcement.dense import activation_of
from relu2mip.frontends.reinforcement.gates import UnitGate
from relu2mip.frontends.reinforcement.ofenet import Features, OFENet

Widths = tuple[int, ...]


@dataclass(frozen=True)
class Hidden:
    """The units of the hidden layers of each agent network.

    critics: of each Q network.  value: of the value network, None where there is none.
    """

    policy: Widths
    critics: tuple[Widths, ...]
    value: Widths | None = None


class FeatureActor(Actor):
    """SAC's policy on the features of observations."""

    _ofenet: OFENet | None
    optimizer: torch.optim.Optimizer

    def __init__(self, ofenet: OFENet | None, gated: bool, **options: Any) -> None:
        super().__init__(**options)
        self.latent_pi = _gated(self.latent_pi, gated)
        self.heads = cast(nn.Linear, self.mu), cast(nn.Linear, self.log_std)
        object.__setattr__(self, "_ofenet", ofenet)  # a part of the policy, not of its actor

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """z_o, (batch, D_o)."""
        found = super().extract_features(obs, features_extractor or self.features_extractor)
        return found if self._ofenet is None else self._ofenet.features(found)

    def get_action_dist_params(self, obs: Any) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Mean and log of the standard deviation, (batch, d_a) each, before the squashing by tanh."""
        return (*self.distribution(self.extract_features(obs)), {})

    def distribution(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """The same, of features."""
        latent = self.latent_pi(features)
        mean, log_deviation = self.heads
        return mean(latent), log_deviation(latent).clamp(LOG_STD_MIN, LOG_STD_MAX)

    def sampled(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Actions (batch, d_a) and the logs of their densities (batch, 1)."""
        squashed = cast(SquashedDiagGaussianDistribution, self.action_dist)
        actions, log_density = squashed.log_prob_from_params(*self.distribution(features))
        return actions, log_density.reshape(-1, 1)


class FeatureCritic(ContinuousCritic):
    """SAC's Q networks on the features of observations and actions; each has its own widths."""

    _ofenet: OFENet | None
    optimizer: torch.optim.Optimizer
    q_networks: list[nn.Sequential]  # type: ignore[assignment]

    def __init__(self, ofenet: OFENet | None, gated: bool, widths: tuple[Widths, ...], **options: Any) -> None:
        super().__init__(net_arch=[], n_critics=0, **options)
        inputs = options["features_dim"] if ofenet is None else ofenet.action.outputs
        inputs += get_action_dim(options["action_space"]) if ofenet is None else 0
        for number, hidden in enumerate(widths):
            network = _gated(nn.Sequential(*create_mlp(inputs, 1, list(hidden), options["activation_fn"])), gated)
            self.add_module(f"qf{number}", network)
            self.q_networks.append(network)
        self.n_critics = len(widths)
        object.__setattr__(self, "_ofenet", ofenet)

    def extract_features(self, obs: Any, features_extractor: Any = None) -> Any:
        """z_o, (batch, D_o)."""
        found = super().extract_features(obs, features_extractor or self.features_extractor)
        return found if self._ofenet is None else self._ofenet.features(found)

    def forward(self, obs: Tensor, actions: Tensor) -> tuple[Tensor, ...]:
        """What each Q network says, (batch, 1) each."""
        return self.of(self.extract_features(obs), actions)

    def of(self, features: Tensor, actions: Tensor) -> tuple[Tensor, ...]:
        """The same, of z_o."""
        joint = torch.cat([features, actions], dim=1) if self._ofenet is None else self._ofenet.joint(features, actions)
        return tuple(network(joint) for network in self.q_networks)


class ValueNetwork(nn.Sequential):
    """V of z_o, with the optimiser of its weights."""

    optimizer: torch.optim.Optimizer


class FeaturePolicy(SACPolicy):
    """All networks of an agent and their optimisers.

    hidden: the units of the agent networks.  features: the feature extractor, None for none.  gated: whether every
    hidden unit has a gate.  decay: lambda of the agent networks.
    """

    actor: FeatureActor
    critic: FeatureCritic
    critic_target: FeatureCritic
    ofenet: OFENet | None
    value: ValueNetwork | None
    value_target: ValueNetwork | None

    def __init__(
        self,
        observation_space: Any,
        action_space: Any,
        lr_schedule: Any,
        hidden: Hidden = Hidden((256, 256), ((256, 256), (256, 256))),
        features: Features | None = None,
        activation: str = "relu",
        gated: bool = False,
        decay: float = 0.0,
        use_sde: bool = False,
    ) -> None:
        self.hidden, self.feature_options, self.activation, self.gated = hidden, features, activation, gated
        optimiser: dict[str, Any] = {"weight_decay": decay} if decay else {}
        if gated or features is not None:
            optimiser["fused"] = True
        options: dict[str, Any] = {"activation_fn": activation_of(activation), "optimizer_kwargs": optimiser}
        net_arch = {"pi": list(hidden.policy), "qf": list(hidden.critics[0])}
        super().__init__(observation_space, action_space, lr_schedule, net_arch, use_sde=use_sde, **options)

    def _build(self, lr_schedule: Any) -> None:
        sizes = self.observations, get_action_dim(self.action_space)
        wanted = self.feature_options
        self.ofenet = None if wanted is None else OFENet(*sizes, wanted, self.activation, self.gated).to(self.device)
        if self.ofenet is not None and wanted is not None:
            self.ofenet.optimizer = torch.optim.Adam(
                self.ofenet.parameters(), lr=wanted.learning_rate, weight_decay=wanted.decay, fused=True
            )
        super()._build(lr_schedule)
        self.value = self.value_target = None
        if self.hidden.value is not None:
            layers = create_mlp(self._inputs(), 1, list(self.hidden.value), self.activation_fn)
            self.value = ValueNetwork(*_gated(nn.Sequential(*layers), self.gated)).to(self.device)
            self.value_target = copy.deepcopy(self.value)
            make: Any = self.optimizer_class
            self.value.optimizer = make(self.value.parameters(), lr=lr_schedule(1), **self.optimizer_kwargs)
        self.eval()

    @property
    def observations(self) -> int:
        """d_o."""
        shape: Any = self.observation_space.shape
        return int(shape[0])

    def _inputs(self) -> int:
        return self.observations if self.ofenet is None else self.ofenet.observation.outputs

    def make_actor(self, features_extractor: Any = None) -> FeatureActor:
        """The policy network."""
        options = self._update_features_extractor(self.actor_kwargs, features_extractor)
        options["features_dim"] = self._inputs()
        return FeatureActor(self.ofenet, self.gated, **options).to(self.device)

    def make_critic(self, features_extractor: Any = None) -> FeatureCritic:
        """The Q networks."""
        options = self._update_features_extractor(self.critic_kwargs, features_extractor)
        options = {name: value for name, value in options.items() if name not in ("net_arch", "n_critics")}
        return FeatureCritic(self.ofenet, self.gated, self.hidden.critics, **options).to(self.device)

    def set_training_mode(self, mode: bool) -> None:
        """Nothing: all networks are in evaluation mode but for the one that an update trains, while it does."""


def _gated(network: nn.Sequential, gated: bool) -> nn.Sequential:
    """Fully connected layers with a gate behind every activation."""
    if not gated:
        return network
    layers: list[nn.Module] = []
    for module in network:
        layers.append(module)
        if isinstance(module, nn.Linear):
            size = module.out_features
        elif not isinstance(module, UnitGate):
            layers.append(UnitGate(size))
    return nn.Sequential(*layers)
