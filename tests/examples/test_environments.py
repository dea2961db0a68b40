"""The contact tasks: gymnasium's checker, exact transitions, costs, pictures, and data that touch something."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

for package in ("gymnasium", "pymunk", "PIL"):
    pytest.importorskip(package)

import gymnasium  # noqa: E402
from gymnasium.utils.env_checker import check_env  # noqa: E402

from relu2mip.control.environment import Environment  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"
IDS = ("Push-v0", "Sort-v0", "Rope-v0")
VARIANTS = [
    ("Push-v0", {"shape": "L"}),
    ("Push-v0", {"shape": "box"}),
    ("Sort-v0", {"discs": 8, "piles": 3}),
    ("Rope-v0", {"shape": "arc"}),
    ("Rope-v0", {"shape": "corner"}),
    *((name, {}) for name in IDS),
]


@pytest.fixture(scope="module", autouse=True)
def environments():
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module("environments")
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def collecting(environments: ModuleType) -> ModuleType:
    return importlib.import_module("environments.collect")


def made(name: str, **options: Any) -> Any:
    return gymnasium.make(name, **options).unwrapped


@pytest.mark.parametrize(("name", "options"), VARIANTS)
@pytest.mark.filterwarnings("ignore:.*should be symmetric:UserWarning", "ignore::UserWarning:gymnasium")
def test_gymnasium_finds_nothing_wrong(name: str, options: dict[str, Any]) -> None:
    check_env(made(name, render_mode="rgb_array", **options))


@pytest.mark.parametrize("name", IDS)
def test_equal_seeds_and_actions_give_equal_runs(name: str) -> None:
    actions, runs = np.random.default_rng(0).uniform(-30, 30, (15, 2)), []
    for _ in range(2):
        env = made(name)
        runs.append([env.reset(seed=4)[0], *(env.step(action)[0] for action in actions)])
    assert np.array_equal(*(np.array(run) for run in runs))


@pytest.mark.parametrize("name", IDS)
def test_a_step_from_a_state_that_was_set_is_the_original(name: str, collecting: ModuleType) -> None:
    """Also in contact, where a physics engine that is not built anew remembers impulses."""
    env, rng = made(name), np.random.default_rng(1)
    env.reset(seed=1)
    moved = 0
    for _ in range(6):
        collecting.rollout(env, rng, 6)
        layout, pusher, control = env.layout.copy(), env.pusher.copy(), rng.uniform(-30, 30, 2)
        env.layout, env.pusher = env.transition(layout, pusher, control)
        other = made(name)
        other.reset(seed=9, options={"layout": layout, "pusher": pusher})
        other.step(control)
        assert np.array_equal(env.state, other.state)
        moved += not np.array_equal(env.layout, layout)
    assert moved


def test_the_pusher_moves_by_the_control_and_stays_in_the_workspace() -> None:
    env = made("Push-v0")
    env.reset(seed=0, options={"pusher": [480.0, 20.0]})
    env.step(np.array([30.0, -12.5]))
    assert np.allclose(env.pusher, [500.0, 7.5])


def test_pushing_a_box_moves_it_the_way_it_is_pushed() -> None:
    env = made("Push-v0", shape="box")
    env.reset(seed=0, options={"layout": [250.0, 250.0, 0.0], "pusher": [180.0, 250.0]})
    for _ in range(4):
        _, _, _, _, info = env.step(np.array([20.0, 0.0]))
    assert info["moved"] > 5
    x, y, angle = env.layout
    assert x == pytest.approx(180 + 80 + 10 + 50, abs=3.0)
    assert abs(y - 250) < 2
    assert abs(angle) < 0.1


def test_points_keep_their_distances() -> None:
    env, rng = made("Push-v0"), np.random.default_rng(0)
    env.reset(seed=0)
    apart = None
    for _ in range(20):
        points = env.state[:8].reshape(4, 2)
        now = np.linalg.norm(points[:, None] - points[None], axis=2)
        assert apart is None or np.allclose(now, apart)
        apart = now
        env.step(rng.uniform(-30, 30, 2))


@pytest.mark.parametrize(("name", "options"), VARIANTS)
def test_the_cost_is_zero_at_the_target_alone(name: str, options: dict[str, Any]) -> None:
    env = made(name, **options)
    env.reset(seed=2)
    assert env.cost(env.state) > 0
    assert not env.success(env.state)
    there = env.state.copy()
    if name == "Sort-v0":
        there[:-2] = np.tile(env.target, env.discs)[: 2 * env.discs]
    else:
        there[:8] = env.target
    assert env.cost(there) == 0
    assert env.success(there)


def test_the_target_of_push_is_a_pose_of_the_object() -> None:
    env = made("Push-v0", shape="T")
    env.reset(seed=5)
    pose = sys.modules["environments.push"]._pose_of(env.points, env.target)
    assert np.allclose(env.keypoints(pose), env.target)


def test_segments_of_a_rope_stay_together(collecting: ModuleType) -> None:
    env, ends_of = made("Rope-v0"), sys.modules["environments.rope"].ends_of
    env.reset(seed=0)
    collecting.rollout(env, np.random.default_rng(3), 20)
    lengths = np.linalg.norm(np.diff(ends_of(env.layout), axis=0), axis=1)
    assert np.abs(lengths - 14.0).max() < 1.4


def test_discs_do_not_overlap(collecting: ModuleType) -> None:
    env = made("Sort-v0", discs=8)
    env.reset(seed=0)
    collecting.rollout(env, np.random.default_rng(3), 30)
    centres = env.layout.reshape(-1, 2)
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2) + 99 * np.eye(8)
    assert apart.min() > 36


@pytest.mark.parametrize("name", IDS)
def test_a_picture_shows_things(name: str) -> None:
    env = gymnasium.make(name, render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert picture.shape == (320, 320, 3)
    assert picture.dtype == np.uint8
    red = (picture[..., 0] > 180) & (picture[..., 1] < 110)
    assert 50 < red.sum() < 1000
    env.unwrapped.layout = env.unwrapped.layout + 30.0
    assert not np.array_equal(picture, env.render())


def test_the_state_is_told_from_the_target() -> None:
    env = Environment(gymnasium.make("Push-v0"), state=range(10))
    assert np.array_equal(env.reset(3), env.env.unwrapped.state)


@pytest.mark.parametrize(("name", "share"), [("Push-v0", 0.45), ("Sort-v0", 0.35), ("Rope-v0", 0.6)])
def test_data_touch_something(name: str, share: float, collecting: ModuleType, tmp_path: Path) -> None:
    task = made(name, **({"discs": 2} if name == "Sort-v0" else {}))
    data = collecting.collect(task, rollouts=60, steps=15, seed=0)
    assert len(data["state"]) == 900
    assert share < data["moved"].mean() < 1
    assert np.allclose(data["next_state"][:, -2:] - data["state"][:, -2:], data["control"], atol=1e-3)
    again = collecting.collect(task, rollouts=60, steps=15, seed=0)
    assert all(np.array_equal(data[key], again[key]) for key in data)
    still = {**data, "moved": np.zeros(900, dtype=bool)}
    with pytest.raises(ValueError, match="nothing moves"):
        collecting.datasheet(still, task)
    sheet = json.loads(json.dumps(collecting.datasheet(data, task)))
    assert sheet["transitions"] == 900


def test_files_are_read_by_the_sparsifier(collecting: ModuleType, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("torch")
    from relu2mip.frontends.sparsify import Transitions, load_data

    monkeypatch.setattr(sys, "argv", ["collect.py", "push", str(tmp_path / "push.npz"), "--rollouts", "20"])
    collecting.main()
    data = load_data(tmp_path / "push.npz")
    assert isinstance(data, Transitions)
    assert data.state_names[0] == "key_0_x"
    assert data.moved is not None


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="no shape 'S'"):
        made("Push-v0", shape="S")
    with pytest.raises(ValueError, match="give 2 to 8"):
        made("Sort-v0", discs=9)
    with pytest.raises(ValueError, match="give 2 or 3"):
        made("Sort-v0", piles=4)
    with pytest.raises(ValueError, match="target shape"):
        made("Rope-v0", shape="knot")
    env = made("Push-v0")
    with pytest.raises(ValueError, match="outside the workspace"):
        env.reset(seed=0, options={"target": np.full(8, 900.0)})
    with pytest.raises(ValueError, match="no option"):
        env.reset(seed=0, options={"goal": 1})
    with pytest.raises(ValueError, match="give \\(3,\\)"):
        env.reset(seed=0, options={"layout": [1.0]})
    with pytest.raises(ValueError, match="finite"):
        env.step(np.array([np.nan, 0.0]))
