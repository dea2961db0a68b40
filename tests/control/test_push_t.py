"""Pushing a T around the published obstacles: no planner that calls its plan feasible enters one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.control import planner
from relu2mip.registry import planners

SEEN = np.zeros((12, 10))
"""Points that obstacles are published for: pusher, four keypoints, and the middle of the second and the fourth."""

for _k, _parts in enumerate([(), (0,), (1,), (2,), (3,), (1, 3)]):
    SEEN[2 * _k : 2 * _k + 2, 8:] = np.eye(2)
    for _point in _parts:
        SEEN[2 * _k : 2 * _k + 2, 2 * _point : 2 * _point + 2] = np.eye(2) / len(_parts)


def pushing(folder: Path, net: str, case: str, horizon: int) -> tuple[r2m.Trajectory, dict]:
    given = json.loads((folder / f"{case}.json").read_text())
    pusher, start, target = (np.array(given[key]) for key in ("pusher", "start_keypoints", "target_keypoints"))
    absolute = np.hstack([np.eye(8), np.tile(np.eye(2), (4, 1))])
    obstacles = [
        r2m.Outside(r2m.Ball(one["centre"], one["inflated"], faces=8), (SEEN, np.zeros(12)), name=f"obstacle {k}")
        for k, one in enumerate(given["obstacles"])
    ]
    problem = r2m.Trajectory(
        r2m.load(folder / f"{net}.onnx"), horizon, np.r_[start - np.tile(pusher, 4), pusher], r2m.Box(-0.25, 0.25),
        "change", states=r2m.Box(np.r_[np.full(8, -6.0), -1.0, -1.0], np.r_[np.full(8, 6.0), 7.0, 7.0]),
        cost=r2m.costs.L1(target=target, terminal=1.0, state=0.05, keypoints=(absolute, np.zeros(8))),
        constraints=obstacles,
    )  # fmt: skip
    return problem, given


def entered(states: np.ndarray, obstacles: list[dict]) -> float:
    """By how much any point is inside of an obstacle, 0 where none is."""
    points = (states[1:] @ SEEN.T).reshape(len(states) - 1, 6, 2)
    away = [np.linalg.norm(points - one["centre"], axis=2) - one["inflated"] for one in obstacles]
    return float(max(0.0, -min(distance.min() for distance in away)))


@pytest.mark.parametrize("case", ["case0", "case1"])
@pytest.mark.parametrize("name", list(planners))
def test_no_plan_enters_an_obstacle(name: str, case: str, shared_nets: Path) -> None:
    problem, given = pushing(shared_nets / "push_t", "distilled_2x8", case, 12)
    plan = planner(name).plan(problem, deadline=2.0)
    still = problem.evaluate_cost(problem.rollout(np.zeros((12, 2))), np.zeros((12, 2)))
    if name != "mip":
        assert plan.feasible
        assert plan.cost < still
    assert not plan.feasible or entered(plan.states, given["obstacles"]) <= 1e-6
    if plan.bound is not None:
        assert plan.bound <= plan.cost + 1e-9 or not plan.feasible


def test_the_published_plans_enter_none_either(shared_nets: Path) -> None:
    problem, given = pushing(shared_nets / "push_t", "dynamics_768", "case0", 20)
    for published in given["published"].values():
        states = problem.rollout(np.array(published["plan"]))
        assert entered(states, given["obstacles"]) <= 1e-3
