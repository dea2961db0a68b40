"""Policies and predictors as ONNX: compiled, planned through, verified over a box; smooth ones are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("stable_baselines3")

import relu2mip as r2m  # noqa: E402
from relu2mip.errors import InvalidNetwork, UnsupportedNetwork  # noqa: E402
from relu2mip.frontends.reinforcement import action_of, export_policy, export_predictor, layer_sizes  # noqa: E402
from tests.frontends.reinforcement.agents import PRUNING, agent, randomised  # noqa: E402


@pytest.fixture(scope="module")
def trained():
    """Agents without gates, with some theta between 0 and 1 and some 0, and one that was pruned."""
    found = agent(pruning=None)
    found.learn(60, log_interval=None)
    gated = agent()
    gated.learn(25, log_interval=None)
    pruned = agent(pruning=replace(PRUNING, features=1e-4, policy=1e-3))
    pruned.learn(90, log_interval=None)
    return {"without gates": found, "while theta moves": randomised(gated, zeros=0.3), "pruned": pruned}


def test_units_were_pruned_and_some_are_left(trained: dict):
    assert trained["pruned"].settled
    sizes = layer_sizes(trained["pruned"].policy)
    assert 4 < sum(sizes["policy"]) < 12
    assert 2 < sum(sizes["observation features"]) + sum(sizes["action features"]) < 18


@pytest.mark.parametrize("name", ["without gates", "while theta moves", "pruned"])
def test_files_compute_what_the_networks_do(trained: dict, name: str, tmp_path: Path):
    found = trained[name]
    policy = r2m.load(export_policy(found, tmp_path / "policy.onnx"))
    predictor = r2m.load(export_predictor(found, tmp_path / "predictor.onnx"))
    rng = np.random.default_rng(0)
    states, controls = rng.uniform(-1, 1, (40, 2)), rng.uniform(-1, 3, (40, 1))
    scaled = torch.tensor(found.policy.scale_action(controls)).float()
    with torch.no_grad():
        expected = found.policy.ofenet(torch.tensor(states).float(), scaled)
    np.testing.assert_allclose(predictor.evaluate(states, controls)["next_state"], expected, atol=2e-5)
    means = policy.evaluate(states)["mean"]
    chosen, _ = found.predict(states.astype(np.float32), deterministic=True)
    np.testing.assert_allclose(action_of(found, means), chosen, atol=1e-4)
    assert (action_of(found, [[-50.0], [50.0]]) == [[-1.0], [3.0]]).all()


@pytest.mark.parametrize("name", ["without gates", "pruned"])
def test_a_predictor_is_planned_through(trained: dict, name: str, tmp_path: Path):
    network = export_predictor(trained[name], tmp_path / "dynamics.onnx")
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(network).metadata_props}
    assert metadata["relu2mip.predicts"] == "state"
    problem = r2m.Trajectory(
        network,
        horizon=2,
        initial_state=[0.5, 0.5],
        controls=r2m.Box(-1, 3),
        states=r2m.Box(-5, 5),
        cost=r2m.costs.L1(target=[0.0, 0.0], state=[1.0, 0.0]),
    )
    answer = r2m.solve(problem)
    assert answer.status == "optimal"
    assert answer.check.max_error < 1e-4


@pytest.mark.parametrize("name", ["without gates", "pruned"])
def test_a_policy_is_verified_over_a_box_of_states(trained: dict, name: str, tmp_path: Path):
    found = trained[name]
    policy = r2m.load(export_policy(found, tmp_path / "policy.onnx"))
    largest = r2m.solve(r2m.BoxProblem(policy, [-1, -1], [1, 1], [1.0], sense="max")).objective
    sampled = policy.evaluate(np.random.default_rng(0).uniform(-1, 1, (2000, 2)))["mean"].max()
    assert sampled <= largest + 1e-6
    assert largest - sampled < 0.2
    chosen, _ = found.predict(np.random.default_rng(1).uniform(-1, 1, (500, 2)).astype(np.float32), deterministic=True)
    assert chosen.max() <= action_of(found, [largest])[0] + 1e-4


def test_a_smooth_activation_is_refused_with_the_reason(tmp_path: Path):
    found = agent(activation="silu")
    found.learn(25, log_interval=None)
    for write in (export_policy, export_predictor):
        with pytest.raises(UnsupportedNetwork, match=r'silu is smooth.*activation = "relu"'):
            write(found, tmp_path / "smooth.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_cannot_be_exported(tmp_path: Path):
    found = agent(features=None, pruning=None)
    with pytest.raises(InvalidNetwork, match="no transitions"):
        export_policy(found, tmp_path / "policy.onnx")
    found.learn(25, log_interval=None)
    with pytest.raises(InvalidNetwork, match="no feature extractor"):
        export_predictor(found, tmp_path / "predictor.onnx")
    export_policy(found, tmp_path / "policy.onnx")
