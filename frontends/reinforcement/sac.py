"""SAC that learns features, trains and prunes at the same time: Stable-Baselines3's SAC with another update.

In an update the feature extractor learns to predict the next observation; then policy and Q networks learn as in SAC,
on the features as they are. Of the network that is trained, one realisation of xi is drawn, and the subnetwork that it
leaves is trained; all others are in evaluation mode. With a `Pruning`, theta takes a step after each,

    theta <- min(max(theta - rate (dC/dxi + dGamma/dtheta), 0), 1),   dGamma/dtheta = nu dC_x/dtheta

where C is the network's own error and the second term its price (`complexity.py`); units whose theta falls below the
tolerance leave every network and optimiser (`shrink.py`), and training goes on with what is left.

Buffer, wrappers, logging, evaluation, saving and the loop are those of Stable-Baselines3. The paper has a value network
and its target beside two Q networks; today's SAC has targets of the Q networks. These are the default here, and
`value_network` trains the paper's.

Source: Guenter and Sideris, Online Training and Pruning of Deep Reinforcement Learning Networks, 2025; Haarnoja et al.,
Soft Actor-Critic, ICML 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.base_class import maybe_make_env
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.utils import polyak_update
from torch import Tensor, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.reinforcement.gates import UnitGate, unit_gates
from relu2mip.frontends.reinforcement.ofenet import Features
from relu2mip.frontends.reinforcement.policy import FeaturePolicy, Hidden
from relu2mip.frontends.reinforcement.prices import set_prices
from relu2mip.frontends.reinforcement.pruning import Pruning
from relu2mip.frontends.reinforcement.shrink import hidden_of, remove_units
from relu2mip.frontends.reinforcement.spaces import check_spaces
from relu2mip.threads import one_thread

SETTINGS = ("hidden", "features", "activation", "gated", "decay")


class PruningSAC(SAC):
    """SAC on learned features, pruned while it trains.

    policy, env: as in `stable_baselines3.SAC`; the environment has a box of observations, one axis, and a box of
    actions.  hidden: the units of each hidden layer of policy and Q networks.  features: the feature extractor; None
    for SAC on observations.  activation: "relu", which exports and compiles, or "silu", which is smooth.
    pruning: how units are priced and removed; None for no gates.  decay: lambda, the weight of half the squared weights
    of the agent networks.  value_network: whether the targets of the Q networks come from a value network.  Everything
    else is SAC's: learning_rate, buffer_size, learning_starts, batch_size, tau, gamma, seed, device, ...

    Raises `InvalidProblem` for discrete actions and observations that are images, and `InvalidOption` for a value out
    of range, among them an end of pruning before the random phase is over.

        agent = PruningSAC("MlpPolicy", "Pendulum-v1", features=Features((16, 16), (16, 16)), hidden=(32, 32), seed=0)
        agent.learn(5000)
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {"MlpPolicy": FeaturePolicy}
    policy: FeaturePolicy

    def __init__(
        self,
        policy: str | type[FeaturePolicy],
        env: Any,
        *,
        hidden: Sequence[int] = (256, 256),
        features: Features | None = None,
        activation: str = "relu",
        pruning: Pruning | None = None,
        decay: float = 0.0,
        value_network: bool = False,
        _init_setup_model: bool = True,
        **options: Any,
    ) -> None:
        self.pruning, self.pretrained, self.settled = pruning, features is None, pruning is None
        widths = tuple(hidden)
        if not widths or min(widths) < 1:
            raise InvalidOption(f"hidden is {list(widths)}; give the units of each layer, at least 1")
        if not 0 <= decay < float("inf"):
            raise InvalidOption(f"decay is {decay}; give a number, at least 0")
        if options.get("use_sde"):
            raise InvalidOption("use_sde is true, but noise that depends on the state has no gates; leave it out")
        if "policy_kwargs" in options:
            raise InvalidOption(f"policy_kwargs: give {', '.join(SETTINGS)} themselves")
        networks = Hidden(widths, (widths, widths), widths if value_network else None)
        settings = (networks, features, activation, pruning is not None, decay)
        kwargs = dict(zip(SETTINGS, settings, strict=True)) if _init_setup_model else None
        if _init_setup_model:
            env = maybe_make_env(env, 0)
            check_spaces(env.observation_space, env.action_space)
        super().__init__(policy, env, policy_kwargs=kwargs, _init_setup_model=False, **options)
        if pruning is not None and pruning.start < self.learning_starts:
            raise InvalidOption(
                f"pruning.start is {pruning.start}, below the {self.learning_starts} steps of the random phase "
                "(learning_starts); start later"
            )
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        super()._setup_model()
        self._set_prices()

    def set_parameters(self, *given: Any, **options: Any) -> None:
        """Load networks and optimisers; see Stable-Baselines3."""
        super().set_parameters(*given, **options)
        self._set_prices()

    def _set_prices(self) -> None:
        if self.pruning is not None:
            set_prices(self.policy, self.pruning)

    def learn(self, *given: Any, **options: Any) -> Any:
        """Train for so many steps, on one thread; see Stable-Baselines3."""
        with one_thread():
            return super().learn(*given, **options)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """So many updates; see the module's text."""
        policy = self.policy
        networks = (policy.actor, policy.critic, policy.value)
        optimisers = [network.optimizer for network in networks if network is not None]
        self._update_learning_rate([*optimisers, *filter(None, [self.ent_coef_optimizer])])
        if not self.pretrained:
            self._pretrain(batch_size)
        found: dict[str, list[float]] = {}
        for _ in range(gradient_steps):
            for name, value in self._update(batch_size).items():
                found.setdefault(name, []).append(value)
            self._n_updates += 1
            self._prune()
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in found.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))

    def _pretrain(self, batch_size: int) -> None:
        assert self.policy.feature_options is not None
        for _ in range(self.policy.feature_options.pretraining):
            self._update_features(self._batch(batch_size))
        self.pretrained = True

    def _batch(self, size: int) -> Any:
        assert self.replay_buffer is not None
        found = self.replay_buffer.sample(size, env=self._vec_normalize_env)
        return found._replace(
            observations=found.observations.float(), next_observations=found.next_observations.float()
        )

    @property
    def moving(self) -> bool:
        """Whether theta moves: gates are there, the first steps are over, and the last have not begun."""
        return self.pruning is not None and not self.settled and self.num_timesteps >= self.pruning.start

    def _update(self, batch_size: int) -> dict[str, float]:
        """One update of every network."""
        policy, batch = self.policy, self._batch(batch_size)
        found = {}
        if policy.ofenet is not None:
            found["feature_loss"] = self._update_features(batch)
        with torch.no_grad():
            features = policy.actor.extract_features(batch.observations)
            next_features = policy.actor.extract_features(batch.next_observations)
        with self._training(policy.actor):
            actions, log_density = policy.actor.sampled(features)
        entropy = self._update_entropy(log_density)
        value = policy.value
        with torch.no_grad():
            if value is None:
                next_actions, next_log_density = policy.actor.sampled(next_features)
                after = _least(policy.critic_target.of(next_features, next_actions)) - entropy * next_log_density
            else:
                assert policy.value_target is not None
                after = policy.value_target(next_features)
            discounts = self.gamma if batch.discounts is None else batch.discounts
            target = batch.rewards + (1 - batch.dones) * discounts * after
        with self._training(policy.critic):
            answers = policy.critic.of(features, batch.actions)
        errors = [nn.functional.mse_loss(answer, target) for answer in answers]
        loss = 0.5 * torch.stack(errors).sum()
        self._step(policy.critic, loss)
        found["critic_loss"] = float(loss.detach())
        with _frozen(policy.critic, policy.ofenet):
            advised = _least(policy.critic.of(features, actions))
            loss = (entropy * log_density - advised).mean()
            if value is not None:
                found["value_loss"] = self._update_value(features, entropy)
            self._step(policy.actor, loss)
        found["actor_loss"], found["ent_coef"] = float(loss.detach()), float(entropy)
        if self._n_updates % self.target_update_interval == 0:
            self._follow(policy.critic, policy.critic_target)
            if value is not None and policy.value_target is not None:
                self._follow(value, policy.value_target)
        return found

    def _update_features(self, batch: Any) -> float:
        ofenet = self.policy.ofenet
        assert ofenet is not None
        with self._training(ofenet):
            predicted = ofenet(batch.observations, batch.actions)
        loss = nn.functional.mse_loss(predicted, batch.next_observations)
        self._step(ofenet, loss)
        return float(loss.detach())

    def _update_value(self, features: Tensor, entropy: Tensor) -> float:
        policy, value = self.policy, self.policy.value
        assert value is not None
        with torch.no_grad():
            actions, log_density = policy.actor.sampled(features)
            target = _least(policy.critic.of(features, actions)) - entropy * log_density
        with self._training(value):
            answer = value(features)
        loss = nn.functional.mse_loss(answer, target)
        self._step(value, loss)
        return float(loss.detach())

    def _update_entropy(self, log_density: Tensor) -> Tensor:
        """The weight of entropy, after a step of its own."""
        if self.ent_coef_optimizer is None or self.log_ent_coef is None:
            return self.ent_coef_tensor
        weight = self.log_ent_coef.detach().exp()
        loss = -(self.log_ent_coef * (log_density + float(self.target_entropy)).detach()).mean()
        self.ent_coef_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ent_coef_optimizer.step()
        return weight

    @contextmanager
    def _training(self, network: nn.Module) -> Iterator[None]:
        """A network in training mode, with a new realisation of its gates while theta moves."""
        modal = [module for module in network.modules() if isinstance(module, (UnitGate, nn.BatchNorm1d))]
        for module in modal:
            module.training = True
            if self.moving and isinstance(module, UnitGate):
                module.draw()
        yield
        for module in modal:
            module.training = False

    def _step(self, network: Any, loss: Tensor) -> None:
        """A step of a network's weights, and of its theta while it moves."""
        network.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        network.optimizer.step()
        if self.moving:
            assert self.pruning is not None
            rates = {self.policy.ofenet: self.pruning.feature_rate, self.policy.actor: self.pruning.policy_rate}
            rate = rates.get(network, self.pruning.critic_rate)
            for gate in unit_gates(network):
                gate.descend(rate)

    def _follow(self, network: nn.Module, target: nn.Module) -> None:
        polyak_update(network.parameters(), target.parameters(), self.tau)
        if self.moving:
            own, followed = ([gate.theta for gate in unit_gates(one)] for one in (target, network))
            polyak_update(followed, own, self.tau)

    def _prune(self) -> None:
        """New prices, and from time to time a removal; at the end of pruning the last one."""
        pruning = self.pruning
        if pruning is None or not self.moving:
            return
        ends = self.num_timesteps >= pruning.end
        if ends or self._n_updates % pruning.interval == 0:
            self._remove(0.5 if ends else pruning.tolerance)
            if ends:
                for gate in unit_gates(self.policy):
                    gate.fix()
                self.settled = True
        self._set_prices()

    def _remove(self, tolerance: float) -> None:
        if not remove_units(self.policy, tolerance):
            return
        kwargs = self.policy_kwargs
        kwargs["hidden"] = self.policy.hidden = hidden_of(self.policy)
        ofenet = self.policy.ofenet
        if ofenet is not None:
            widths = {"observation": ofenet.observation.widths, "action": ofenet.action.widths}
            kwargs["features"] = self.policy.feature_options = replace(kwargs["features"], **widths)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, variables = super()._get_torch_save_params()
        for name in ("ofenet", "value"):
            if getattr(self.policy, name) is not None:
                names.append(f"policy.{name}.optimizer")
        return names, variables


def _least(answers: Sequence[Tensor]) -> Tensor:
    return torch.cat(tuple(answers), dim=1).min(dim=1, keepdim=True).values


@contextmanager
def _frozen(*networks: nn.Module | None) -> Iterator[None]:
    """Networks without gradients of their weights."""
    there = [network for network in networks if network is not None]
    for network in there:
        network.requires_grad_(False)
    yield
    for network in there:
        network.requires_grad_(True)
