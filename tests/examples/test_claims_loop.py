"""The claims in the loop: episodes, places to push from, closed loops and reinforcement learning at tiny settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

for package in ("gymnasium", "pymunk", "PIL"):
    pytest.importorskip(package)

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def path() -> Iterator[None]:
    sys.path.insert(0, str(EXAMPLES))
    yield
    sys.path.remove(str(EXAMPLES))


@pytest.mark.parametrize("task", ["push", "sort-2", "rope", "cartpole"])
def test_an_episode_is_that_of_its_seed(task: str) -> None:
    from claims.episodes import episode

    first, again = episode(task), episode(task)
    begun = first.reset(seed=5)[0]
    again.reset(seed=8)
    assert not np.array_equal(begun, again.task.state)
    assert np.array_equal(begun, again.reset(seed=5)[0])
    # Without a seed, episodes differ from one another.
    assert not np.array_equal(first.reset()[0], first.reset()[0])


@pytest.mark.parametrize("task", ["push", "rope"])
def test_targets_are_near_and_episodes_end(task: str) -> None:
    from claims.episodes import episode

    env = episode(task)
    costs = []
    for seed in range(20):
        env.reset(seed=seed)
        costs.append(env.task.cost(env.task.state))
    assert 25 < np.mean(costs) < 70
    env.reset(seed=0)
    ends = [env.step(np.zeros(2))[2:4] for _ in range(env.steps)]
    assert ends == [(False, False)] * (env.steps - 1) + [(False, True)]
    env.reset(seed=0, options={"target": env.task.state[:8] + 1.0})
    assert env.step(np.zeros(2))[2]


def test_an_outcome_is_padded() -> None:
    from claims.episodes import episode, outcome

    env = episode("push")
    env.reset(seed=0)
    there = np.concatenate([env.task.target, [0.0, 0.0]])
    states = [there + np.r_[off, np.zeros(9)] for off in (80.0, 24.0, 8.0)]
    found = outcome(env, states)
    assert found["cost"] == pytest.approx(2.0)
    assert found["mean"] == pytest.approx((6.0 + 24 * 2.0) / 25)
    assert (found["success"], found["reached"], found["steps"]) == (1, 1, 2)
    assert outcome(env, states[:1] * 3)["reached"] == -1


@pytest.mark.parametrize("task", ["push", "sort-2", "rope"])
@pytest.mark.parametrize("kind", ["behind", "probe", "route"])
def test_pushing_from_its_place_helps(task: str, kind: str) -> None:
    """A straight push from the place on, in the simulator, moves things towards the target more often than not."""
    from claims.episodes import episode
    from claims.places import reference_of
    from claims.tasks import TASKS

    better = []
    for seed in range(8):
        env = episode(task)
        env.reset(seed=seed)
        planned = TASKS[task]
        member = next(iter(planned.members.values()))
        problem = planned.problem(member, 6 if kind == "probe" else 12, env.task, env.task.state)
        target = planned.target(env.task)
        found = reference_of(kind, task, target, problem)(0, env.task.state)
        assert np.array_equal(np.atleast_2d(found)[-1, :-2], target)
        place, before, costs = np.atleast_2d(found)[-1, -2:], env.task.cost(env.task.state), []
        if env.task.success(env.task.state):
            continue
        for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False):
            pushes = np.repeat(20 * np.array([[np.cos(angle), np.sin(angle)]]), 4, axis=0)
            env.task.pusher = place
            costs.append(min(env.task.cost(state) for state in planned.replay(env.task, pushes)[1:]))
        better.append(min(costs) < 0.95 * before)
    assert np.mean(better) > 0.6


def test_a_route_goes_round() -> None:
    """From one side of a rope to the other, a pusher goes round an end, a step at a time, and touches nothing."""
    from claims.places import CLEARANCE, Ways

    rope = np.array([[150.0, 250.0], [217.0, 250.0], [283.0, 250.0], [350.0, 250.0]])
    state = np.concatenate([rope.ravel(), [200.0, 200.0]])
    way = Ways.of("rope", state).to(np.array([200.0, 300.0]), 12)
    assert way[-1].tolist() == [200.0, 300.0]
    strides = np.linalg.norm(np.diff(np.concatenate([[[200.0, 200.0]], way]), axis=0), axis=1)
    assert strides.max() <= 30.0 + 1e-9
    assert way[:, 0].min() < 150.0
    along = np.stack([np.linspace(150, 350, 100), np.full(100, 250.0)], axis=1)
    assert np.linalg.norm(way[:, None] - along, axis=2).min() > CLEARANCE["rope"] - 8.0
    straight = Ways.of("rope", np.concatenate([rope.ravel(), [200.0, 100.0]])).to(np.array([300.0, 100.0]), 4)
    assert np.allclose(straight, [[230.0, 100.0], [260.0, 100.0], [290.0, 100.0], [300.0, 100.0]])


def test_closed_loop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from claims import closed_loop
    from claims.rows import read

    given = [
        "--tasks", "push", "cartpole", "--relus", "36", "8", "--planners", "mppi", "hybrid", "--horizons", "4",
        "--period", "0.05", "--episodes", "1", "--folder", str(tmp_path),
    ]  # fmt: skip
    closed_loop.main(given)
    rows = read(tmp_path / "closed_loop.csv")
    assert [(row["task"], row["relus"], row["planner"]) for row in rows] == [
        ("push", 36, "mppi"), ("push", 36, "hybrid"), ("push", 8, "mppi"), ("push", 8, "hybrid"),
        ("cartpole", 8, "mppi"), ("cartpole", 8, "hybrid"),
    ]  # fmt: skip
    assert all(row["faults"] == 0 and row["steps"] > 0 for row in rows)
    assert "success" in capsys.readouterr().out
    assert (tmp_path / "closed_loop.svg").stat().st_size > 1000


def test_disturbances(tmp_path: Path) -> None:
    from claims import disturbances
    from claims.rows import read
    from environments.task import Scene

    before = Scene.contact
    disturbances.main(["--tasks", "push", "--rollouts", "2", "--factors", "1.0", "0.2", "--folder", str(tmp_path)])
    assert Scene.contact == before
    rows = read(tmp_path / "disturbances.csv")
    assert all(row["after_10"] == 0 for row in rows if row["factor"] == 1 or row["what"] == "density")
    assert all(row["after_10"] > 0.1 for row in rows if row["factor"] == 0.2 and row["what"] != "density")


def test_reinforcement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("stable_baselines3")
    from claims import reinforcement
    from claims.rows import read

    monkeypatch.setattr(reinforcement, "POINTS", 2)
    given = ["--tasks", "push", "--episodes", "2", "--folder", str(tmp_path)]
    reinforcement.main(["--algorithms", "sac", "--transitions", "240", *given])
    reinforcement.main(["--algorithms", "ppo", "--transitions", "2", *given])
    rows = read(tmp_path / "reinforcement.csv")
    assert [(row["algorithm"], row["after"]) for row in rows[::2]] == [
        ("sac", 120), ("sac", 240), ("ppo", 2048), ("ppo", 4096)
    ]  # fmt: skip
    assert all(0 < row["steps"] <= 25 for row in rows)
    assert (tmp_path / "reinforcement.svg").stat().st_size > 1000


def test_what_a_policy_sees_and_does_is_scaled() -> None:
    from claims.episodes import episode
    from claims.reinforcement import scaled

    env = episode("push")
    seen, _ = scaled(env).reset(seed=0)
    assert np.allclose(seen, env.task._observation() / 250 - 1, atol=1e-6)
    before = env.task.pusher
    scaled(env).step(np.array([0.5, -1.0], dtype=np.float32))
    assert np.allclose(env.task.pusher, before + np.array([15.0, -30.0]))


def test_differences_are_by_episode() -> None:
    from claims.closed_loop import differences

    rows = [
        {"task": "push", "horizon": 10, "relus": relus, "planner": planner, "episode": k, "cost": cost + k, "mean": 2.0}
        for relus, planner, cost, count in ((128, "mppi", 5.0, 9), (128, "hybrid", 3.0, 8), (36, "mppi", 6.5, 9))
        for k in range(count)
    ]
    hybrid, mppi = differences(rows)
    assert hybrid.startswith("push 10 steps: 128 hybrid less 128 mppi")
    assert hybrid.endswith("end  -2.00 [ -2.00,  -2.00]  on the way   0.00 [  0.00,   0.00]")
    assert mppi.startswith("push 10 steps: 36 mppi less 128 mppi")
    assert "end   1.50 [  1.50,   1.50]" in mppi
    assert differences([row for row in rows if row["planner"] == "hybrid"]) == []
