"""CartPole and Reacher as tasks: states, costs and success, exact steps from any state, and data."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

for package in ("gymnasium", "pymunk", "PIL"):
    pytest.importorskip(package)

import gymnasium  # noqa: E402

from relu2mip.control.environment import Environment  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("CartPole", "Reacher")


@pytest.fixture(scope="module", autouse=True)
def environments():
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("environments")
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(params=NAMES)
def task(request: pytest.FixtureRequest, environments: ModuleType) -> Any:
    if request.param == "Reacher":
        pytest.importorskip("mujoco")
    return getattr(environments, request.param)()


def action(task: Any, rng: np.random.Generator) -> Any:
    space = task.action_space
    return int(rng.integers(space.n)) if task.actions is not None else rng.uniform(space.low, space.high)


def test_the_observation_is_the_state_and_the_target(task: Any) -> None:
    env = Environment(task, state=range(len(task.state_names)), actions=task.actions)
    assert np.array_equal(env.reset(3), task.state)
    observed, reward, ended, cut, info = task.step(action(task, np.random.default_rng(0)))
    assert observed.shape == task.observation_space.shape
    assert np.array_equal(observed, np.concatenate([task.state, task.target]))
    assert info == {"cost": task.cost(task.state), "success": task.success(task.state)}
    assert np.isfinite(reward)
    assert not ended
    assert not cut


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:gymnasium")
def test_steps_and_rewards_are_those_of_gymnasium(task: Any) -> None:
    """Also from a state that was set."""
    with pytest.warns() if task.name == "Reacher-v4" else pytest.MonkeyPatch.context():
        plain = gymnasium.make(task.name)
    plain.reset(seed=5)
    task.reset(seed=5)
    rng = np.random.default_rng(1)
    for _ in range(10):
        before, done = task.state, action(task, rng)
        _, expected, *_ = plain.step(done)
        _, reward, *_ = task.step(done)
        assert reward == pytest.approx(expected, rel=1e-6)
        after = task.state
        control = done if task.actions is None else task.actions[done]
        assert np.allclose(task.next_state(before, control), after, rtol=0, atol=1e-9)
        task.state = after
    if task.name == "Reacher-v4":
        seen = plain.unwrapped._get_obs()
        assert np.allclose(seen[:4], task.state[:4])
        assert np.allclose(seen[8:10], task.state[6:] - task.target, rtol=0, atol=1e-4)


def test_the_cost_is_zero_at_the_target_alone(task: Any) -> None:
    task.reset(seed=1)
    assert task.cost(task.state) > 0
    there = task.state.copy()
    if task.name == "CartPole-v1":
        there[:] = 0.0
    else:
        there[6:] = task.target
        assert not task.success(task.state)
    assert task.cost(there) == 0
    assert task.success(there)


def test_an_episode_begins_at_a_given_state(task: Any) -> None:
    state = task.rollout(np.random.default_rng(2), 1)[0][0]
    observed, _ = task.reset(seed=0, options={"state": state})
    assert np.allclose(observed[: len(state)], state)
    with pytest.raises(ValueError, match="no option 'target'"):
        task.reset(options={"target": [0.0]})
    with pytest.raises(ValueError, match="finite numbers"):
        task.reset(options={"state": [np.nan]})


def test_data_are_read_by_the_sparsifier(task: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from relu2mip.frontends.sparsify import load_data

    collecting = importlib.import_module("environments.collect")
    path, given = tmp_path / "data.npz", type(task).__name__.lower()
    monkeypatch.setattr(sys, "argv", ["collect.py", given, str(path), "--rollouts", "12", "--steps", "8"])
    collecting.main()
    data = load_data(path)
    assert data.state_names == task.state_names
    assert data.moved is None
    assert 40 < len(data.state) <= 12 * 8
    assert len(np.unique(data.rollout)) == 12
    again = collecting.collect(task, 12, 8, 0)
    assert np.array_equal(again["state"], data.state)
    rows = data.state[:3].astype(np.float64), data.control[:3]
    assert np.allclose([task.next_state(s, u) for s, u in zip(*rows, strict=True)], data.next_state[:3], atol=1e-5)


def test_without_mujoco_the_extra_is_named(environments: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise gymnasium.error.DependencyNotInstalled("mujoco")

    monkeypatch.setattr(gymnasium, "make", missing)
    with pytest.raises(ImportError, match=r"relu2mip\[envs\]"):
        environments.Reacher()
