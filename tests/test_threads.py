"""Products of small matrices take one thread inside a search, and all of them again behind it."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import relu2mip as r2m
from relu2mip.incumbent.find import find_plan
from relu2mip.ir.samples import integrator
from relu2mip.threads import products_on_one_thread
from relu2mip.unrolled.bounds import Bounds


def of_products() -> list[int]:
    """Threads of numpy's library of products; others may be in the process, and be known later."""
    found = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return [library["num_threads"] for library in found if "numpy" in library["filepath"]]


def test_products_take_one_thread_inside_and_as_many_as_before_behind() -> None:
    np.ones((2, 2)) @ np.ones((2, 2))
    with threadpool_limits(limits=2, user_api="blas"):
        before = of_products()
        with products_on_one_thread():
            assert of_products() == [1]
        assert of_products() == before


def test_a_search_for_plans_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = r2m.Trajectory(integrator(), 3, [1.0, 0.5], r2m.Box(-1, 1), "change", cost=r2m.costs.L1(state=1.0))
    unrolled, seen = problem.unrolled, []
    objective = unrolled.objective()
    evaluate = objective.evaluate
    monkeypatch.setattr(type(objective), "evaluate", lambda _, batch: seen.extend(of_products()) or evaluate(batch))
    with threadpool_limits(limits=2, user_api="blas"):
        find_plan(unrolled, Bounds.of(unrolled.form, unrolled.domain))
    assert seen
    assert set(seen) == {1}
