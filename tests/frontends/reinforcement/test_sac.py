"""The update: SAC without extras, gates that decide rightly, saving, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
stable_baselines3 = pytest.importorskip("stable_baselines3")

from gymnasium import spaces  # noqa: E402

from relu2mip.errors import InvalidOption, InvalidProblem  # noqa: E402
from relu2mip.frontends.reinforcement import Features, Pruning, PruningSAC, layer_sizes  # noqa: E402
from relu2mip.frontends.reinforcement.gates import UnitGate, unit_gates  # noqa: E402
from relu2mip.frontends.sparsify.gates.bernoulli import BernoulliGate  # noqa: E402
from tests.frontends.reinforcement.agents import FEATURES, PRUNING, Integrator, agent  # noqa: E402


def test_without_features_and_pruning_it_is_the_sac_of_stable_baselines3():
    options = {"seed": 3, "device": "cpu", "learning_starts": 20, "batch_size": 16}
    theirs = stable_baselines3.SAC("MlpPolicy", Integrator(), policy_kwargs={"net_arch": [8, 6]}, **options)
    theirs.learn(50, log_interval=None)
    ours = PruningSAC("MlpPolicy", Integrator(), hidden=(8, 6), **options)
    ours.learn(50, log_interval=None)
    expected, found = theirs.policy.state_dict(), ours.policy.state_dict()
    assert list(expected) == list(found)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_draws_and_steps_are_those_of_the_sparsifier():
    assert UnitGate.draw is BernoulliGate.draw
    assert UnitGate.descend is BernoulliGate.descend


def test_a_unit_without_use_is_pruned_and_one_with_use_survives():
    """y = relu(x): unit 0 is the answer, unit 1 is read with weight 0, and what a unit saves is 0.02."""
    torch.manual_seed(0)
    gate, hidden = UnitGate(2), torch.nn.Linear(1, 2)
    weights = torch.tensor([1.0, 0.0])
    with torch.no_grad():
        hidden.weight.copy_(torch.tensor([[1.0], [-0.7]]))
        hidden.bias.zero_()
    gate.price.fill_(0.02)
    for _ in range(2000):
        x = torch.randn(32, 1)
        gate.draw()
        error = (gate(hidden(x).detach().relu()) @ weights - x[:, 0].relu()).square().mean()
        error.backward()
        gate.descend(0.05)
    assert gate.theta[0] > 0.9
    assert gate.theta[1] == 0.0
    assert gate.kept(0.1).tolist() == [0]


def test_theta_rests_before_the_start_moves_in_between_and_is_one_after_the_end():
    found = agent()
    found.learn(29, log_interval=None)
    assert all((gate.theta == 1).all() and (gate.sample == 1).all() for gate in unit_gates(found.policy))
    found.learn(30, reset_num_timesteps=False, log_interval=None)
    thetas = torch.cat([gate.theta for gate in unit_gates(found.policy)])
    assert ((thetas > 0) & (thetas < 1)).any()
    found.learn(25, reset_num_timesteps=False, log_interval=None)
    assert found.settled
    assert all((gate.theta == 1).all() for gate in unit_gates(found.policy))
    sizes = layer_sizes(found.policy)
    found.learn(10, reset_num_timesteps=False, log_interval=None)
    assert layer_sizes(found.policy) == sizes
    assert sum(map(sum, sizes.values())) < 18 + 3 * 12


@pytest.mark.parametrize("moves", ["features", "policy", "critics"])
def test_theta_of_each_kind_of_network_has_its_own_rate(moves: str):
    rates = {"features": "feature_rate", "policy": "policy_rate", "critics": "critic_rate"}
    still = {name: 1e-9 for kind, name in rates.items() if kind != moves}
    found = agent(pruning=replace(PRUNING, value=1e-2, tolerance=1e-6, **still), value_network=True)
    found.learn(45, log_interval=None)
    policy = found.policy
    networks = {"features": [policy.ofenet], "policy": [policy.actor], "critics": [policy.critic, policy.value]}
    for kind, parts in networks.items():
        for part in parts:
            least = min(gate.theta.min() for gate in unit_gates(part))
            assert (least < 0.95) == (kind == moves)
            assert least < 0.95 or least > 0.999


def test_only_the_network_that_is_trained_is_in_training_mode(monkeypatch: pytest.MonkeyPatch):
    found = agent(value_network=True)
    found.learn(25, log_interval=None)
    modes = []
    policy = found.policy
    parts = {"features": policy.ofenet, "policy": policy.actor, "critics": policy.critic, "value": policy.value}
    for part in parts.values():
        first = next(iter(unit_gates(part)))
        forward = UnitGate.forward.__get__(first)

        def noted(x, forward=forward):
            modes.append(tuple(name for name, part in parts.items() if next(iter(unit_gates(part))).training))
            return forward(x)

        monkeypatch.setattr(first, "forward", noted)
    found.train(1, 16)
    assert {"features", "policy", "critics", "value"} == {name for mode in modes for name in mode}
    assert max(map(len, modes)) == 1
    assert () in modes


def test_saved_agents_are_read_back_pruned(tmp_path: Path):
    found = agent()
    found.learn(85, log_interval=None)
    found.save(tmp_path / "agent.zip")
    again = PruningSAC.load(tmp_path / "agent.zip", env=Integrator(), device="cpu")
    assert layer_sizes(again.policy) == layer_sizes(found.policy) != layer_sizes(agent().policy)
    observation = np.array([0.3, 0.3], dtype=np.float32)
    expected, _ = found.predict(observation, deterministic=True)
    np.testing.assert_array_equal(again.predict(observation, deterministic=True)[0], expected)
    again.learn(25, log_interval=None)


class Other(Integrator):
    def __init__(self, observation_space=Integrator.observation_space, action_space=Integrator.action_space) -> None:
        self.observation_space, self.action_space = observation_space, action_space


IMAGE = spaces.Box(0, 255, (36, 36, 3), np.uint8)


@pytest.mark.parametrize(
    ("spaces_of_it", "words"),
    [
        ({"action_space": spaces.Discrete(2)}, "continuous actions"),
        ({"action_space": spaces.Box(-np.inf, np.inf, (1,), np.float32)}, "finite limits"),
        ({"observation_space": IMAGE}, r"Box of shape \(36, 36, 3\), not a vector"),
        ({"observation_space": spaces.Dict({"image": IMAGE})}, "Dict"),
    ],
)
def test_environments_that_cannot_be_trained_on_are_refused(spaces_of_it: dict, words: str):
    with pytest.raises(InvalidProblem, match=words):
        PruningSAC("MlpPolicy", Other(**spaces_of_it))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hidden": ()}, "hidden"),
        ({"activation": "tanh"}, "'relu' or 'silu'"),
        ({"decay": -1.0}, "decay"),
        ({"use_sde": True}, "use_sde"),
        ({"pruning": PRUNING, "learning_starts": 31}, "pruning.start is 30, below the 31 steps of the random phase"),
        ({"policy_kwargs": {"net_arch": [3]}}, "policy_kwargs"),
    ],
)
def test_options_out_of_range_are_refused(options: dict, words: str):
    with pytest.raises(InvalidOption, match=words):
        PruningSAC("MlpPolicy", Integrator(), **options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tolerance": 0.0}, "tolerance"),
        ({"tolerance": 0.5}, "rounded to 1"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"start": 5, "end": 5}, "first below the second"),
        ({"share": 1.5}, "share"),
        ({"features": -1.0}, "pruning.features"),
        ({"policy_rate": 0.0}, "policy_rate"),
        ({"critic_rate": float("inf")}, "critic_rate"),
        ({"interval": 0}, "interval"),
    ],
)
def test_pruning_out_of_range_is_refused(options: dict, words: str):
    with pytest.raises(InvalidOption, match=words):
        Pruning(**options)


@pytest.mark.parametrize("options", [{"observation": ()}, {"action": (3, -1)}, {"pretraining": -1}, {"decay": -1.0}])
def test_features_out_of_range_are_refused(options: dict):
    with pytest.raises(InvalidOption, match=f"features.{next(iter(options))}"):
        Features(**options)


def test_the_smooth_activation_trains_too():
    found = agent(activation="silu", features=FEATURES)
    found.learn(60, log_interval=None)
    assert all(torch.isfinite(weight).all() for weight in found.policy.parameters())
