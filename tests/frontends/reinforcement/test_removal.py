"""Physical removal: the same outputs, Adam's moments of what stays, and training that goes on."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

from relu2mip.frontends.reinforcement import layer_sizes  # noqa: E402
from relu2mip.frontends.reinforcement.gates import unit_gates  # noqa: E402
from relu2mip.frontends.reinforcement.shrink import remove_units  # noqa: E402
from tests.frontends.reinforcement.agents import agent, randomised  # noqa: E402


def outputs(found) -> list:
    """Of all networks, in evaluation mode."""
    policy = found.policy
    torch.manual_seed(2)
    observations, actions = torch.randn(50, 2), torch.rand(50, 1) * 2 - 1
    features = policy.actor.extract_features(observations)
    with torch.no_grad():
        return [
            *policy.actor.distribution(features),
            *policy.critic.of(features, actions),
            policy.value(features),
            policy.ofenet(observations, actions),
        ]


def trained():
    found = agent(value_network=True)
    found.learn(29, log_interval=None)
    return randomised(found, zeros=0.4)


def test_removal_changes_no_output_in_evaluation_mode():
    found = trained()
    before, sizes = outputs(found), layer_sizes(found.policy)
    removed = remove_units(found.policy, 0.1)
    after = layer_sizes(found.policy)
    assert removed == sum(map(sum, sizes.values())) - sum(map(sum, after.values())) > 10
    assert all(sum(after[name]) < sum(sizes[name]) for name in sizes)
    for one, other in zip(before, outputs(found), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-6)
    assert remove_units(found.policy, 0.1) == 0


def test_adam_keeps_the_moments_of_what_stays():
    found = trained()
    layer, gate = found.policy.actor.latent_pi[3], list(unit_gates(found.policy.actor))
    kept_inputs, kept_units = (torch.nonzero(one.theta > 0).flatten() for one in gate)
    state = found.policy.actor.optimizer.state[layer.weight]
    expected = {name: state[name][kept_units][:, kept_inputs].clone() for name in ("exp_avg", "exp_avg_sq")}
    step = float(state["step"])
    assert all(moment.abs().max() > 0 for moment in expected.values())
    remove_units(found.policy, 0.1)
    state = found.policy.actor.optimizer.state[layer.weight]
    assert float(state["step"]) == step > 0
    for name, moment in expected.items():
        assert torch.equal(state[name], moment)
    for optimiser in (found.policy.actor.optimizer, found.policy.critic.optimizer, found.policy.ofenet.optimizer):
        for group in optimiser.param_groups:
            assert all(optimiser.state[weight]["exp_avg"].shape == weight.shape for weight in group["params"])


def test_training_goes_on_with_the_smaller_network_and_its_target():
    found = trained()
    remove_units(found.policy, 0.1)
    before = [weight.clone() for weight in found.policy.parameters()]
    found.learn(10, reset_num_timesteps=False, log_interval=None)
    assert all(not torch.equal(one, other) for one, other in zip(before, found.policy.parameters(), strict=True))
    online, target = found.policy.critic.state_dict(), found.policy.critic_target.state_dict()
    assert {name: value.shape for name, value in online.items()} == {n: v.shape for n, v in target.items()}


def test_the_last_unit_of_a_layer_stays_and_a_dense_layer_may_lose_all():
    found = agent()
    for gate in unit_gates(found.policy):
        gate.theta.fill_(0.05)
    for gate in (*unit_gates(found.policy.actor), *unit_gates(found.policy.critic)):
        gate.theta[2] = 0.07
    remove_units(found.policy, 0.1)
    sizes = layer_sizes(found.policy)
    assert sizes.pop("observation features") == sizes.pop("action features") == [0, 0]
    assert all(widths == [1, 1] for widths in sizes.values())
    assert all(gate.theta.tolist() == [pytest.approx(0.07)] for gate in unit_gates(found.policy.actor))
    found.learn(25, log_interval=None)
