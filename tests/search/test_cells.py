"""Branch and bound over boxes of the inputs: the same optima as solvers and enumeration, bounds that hold, workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Crown, compute_bounds
from relu2mip.errors import InfeasibleProblem, InvalidOption, UnknownOption
from relu2mip.runtime.worker import Processes
from relu2mip.search import Cells, Judge
from relu2mip.search.boxes import Boxes, cut
from tests.brute_force import best_sequence, box_optimum
from tests.forms import mlp
from tests.trajectory.test_plans import PROBLEMS

PUSH = r2m.Trajectory(
    mlp([3, 12, 12, 2], seed=3, scale=0.8), 4, [0.4, -0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-3, 3),
    cost=r2m.costs.L1(target=[0.5, 0.0], state=1.0, control=0.1),
)  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_it_ends_at_the_optimum_of_the_tree(name: str) -> None:
    problem = PROBLEMS[name]
    tree = r2m.solve(problem, time_limit=30)
    answer = r2m.solve(problem, search="cells", gap=1e-3, time_limit=60)
    assert answer.status == "optimal"
    assert answer.has_plan
    assert answer.gap <= 1e-3
    room = 2e-3 * max(1.0, abs(tree.objective))
    assert tree.bound - room <= answer.objective <= tree.objective + room
    assert answer.bound <= tree.objective + 1e-6
    assert answer.certificate is not None
    assert answer.certificate.check(problem).passed


@pytest.mark.parametrize("backend", ["highs", "gurobi", "cvxpy"])
@pytest.mark.parametrize("sense", ["min", "max"])
def test_a_box_problem_ends_at_the_optimum_of_all_patterns(backend: str, sense: str) -> None:
    problem = r2m.BoxProblem(mlp([2, 5, 4, 2], seed=1), -1, 1, objective=[1.0, -0.5], sense=sense)
    answer = r2m.solve(problem, backend, search=Cells(few=3), gap=1e-4)
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(box_optimum(problem), abs=1e-3)
    assert answer.certificate is not None
    assert answer.certificate.check(problem, backend).passed


def test_discrete_controls_end_at_the_best_sequence() -> None:
    problem = replace(PUSH, controls=r2m.Finite([[-1.0, -0.25, 0.5, 1.0]]))
    answer = r2m.solve(problem, search="cells(few=0)", gap=1e-6)
    assert answer.status == "optimal"
    assert answer.objective == pytest.approx(best_sequence(problem)[0], rel=1e-5)
    assert answer.certificate is not None
    assert answer.certificate.check(problem).passed


def test_obstacles_are_left_to_the_solver_in_the_end() -> None:
    post = r2m.Outside(r2m.Box([-0.1, -0.3], [0.1, 0.3]), keypoints=(np.eye(2), [0.0, 0.0]), name="post")
    problem = replace(PUSH, horizon=2, initial_state=[0.5, 0.0], constraints=[post])
    tree, answer = r2m.solve(problem), r2m.solve(problem, search="cells", gap=1e-3)
    assert answer.has_plan
    assert answer.objective == pytest.approx(tree.objective, rel=2e-3)
    assert answer.bound <= tree.objective + 1e-6


def test_what_no_plan_can_reach_is_infeasible() -> None:
    problem = replace(PUSH, terminal=r2m.Box([2.5, 2.5], [3, 3]), horizon=2)
    with pytest.raises(InfeasibleProblem):
        r2m.solve(problem, search="cells")


def test_boxes_without_a_plan_have_no_hull_and_cost_infinitely_much() -> None:
    problem = replace(PUSH, terminal=r2m.Box([0.1, -3], [3, 3]), horizon=2)
    judge = Judge.of(problem, compute_bounds(problem.unrolled, [Crown()]))
    whole = judge.whole
    ends = [Boxes(end.copy(), end.copy()) for end in (whole.low, whole.high)]
    states = [problem.rollout(box.low.reshape(2, 1))[-1, 0] for box in ends]
    assert min(states) < 0.1
    for box, state in zip(ends, states, strict=True):
        held = state >= 0.1
        assert (judge.hull(box) is not None) == held
        assert np.isfinite(judge.judged(box).least[0]) == held


def test_the_bound_holds_where_time_ends() -> None:
    problem = replace(PUSH, horizon=8)
    best = r2m.solve(problem, "gurobi", time_limit=30)
    answer = r2m.solve(problem, search="cells(few=0)", time_limit=1.5)
    assert answer.has_plan
    assert answer.bound <= best.objective + 1e-6
    assert answer.certificate is not None
    assert answer.certificate.bound == pytest.approx(answer.bound)


def test_two_workers_prove_what_one_does() -> None:
    alone = r2m.solve(PUSH, search="cells", gap=1e-3)
    two = r2m.solve(PUSH, search="cells(workers=2)", gap=1e-3)
    assert (alone.status, two.status) == ("optimal", "optimal")
    assert two.objective == pytest.approx(alone.objective, rel=1e-3)


def test_an_executor_of_the_caller_judges_the_boxes_and_stays_open() -> None:
    with ThreadPoolExecutor(2) as executor:
        assert r2m.solve(PUSH, search="cells", executor=executor, gap=1e-3).status == "optimal"
        assert executor.submit(sum, [1, 2]).result() == 3


class Killing(Executor):
    """Two workers; the first two calls kill the worker that runs them."""

    def __init__(self) -> None:
        self.inner, self.kills = Processes(2), 2

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        if self.kills:
            self.kills -= 1
            return self.inner.submit(_die)
        return self.inner.submit(function, *given, **named)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_die_lose_nothing() -> None:
    executor = Killing()
    try:
        answer = r2m.solve(PUSH, search="cells", executor=executor, gap=1e-3)
    finally:
        executor.inner.shutdown(wait=False)
    assert executor.kills == 0
    assert answer.status == "optimal"
    assert answer.certificate is not None
    assert answer.certificate.check(PUSH).passed


@pytest.mark.slow
def test_dask_judges_the_boxes() -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        answer = r2m.solve(PUSH, search=Cells(engine="dask", scheduler=cluster.scheduler_address, workers=2), gap=1e-3)
    assert answer.status == "optimal"


def test_boxes_are_cut_between_listed_values() -> None:
    boxes = Boxes(np.array([[0.0, -1.0], [0.0, 0.5]]), np.array([[1.0, 1.0], [0.1, 1.0]]))
    levels = [None, np.array([-1.0, 0.5, 1.0])]
    cuts = cut(boxes, np.array([[0.0, 1.0], [0.0, 1.0]]), levels)
    parts = cuts.parts(boxes)
    assert parts.high[:2, 1].tolist() == [-1.0, 0.5]
    assert parts.low[2:, 1].tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"search": "cells(workers=0)"}, InvalidOption, "workers at least 1"),
        ({"search": "boxes"}, UnknownOption, "cells"),
        ({"search": "tree(leaf=1)"}, InvalidOption, "tree"),
        ({"search": 3}, InvalidOption, "search"),
        ({"search": "cells", "formulation": "triangle"}, InvalidOption, "relaxation"),
        ({"executor": "processes", "search": "cells"}, InvalidOption, "executor"),
        ({"search": "cells(engine=threads,workers=2)"}, UnknownOption, "engine"),
    ],
)
def test_what_cannot_be_is_said(given: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        r2m.solve(PUSH, **given)
