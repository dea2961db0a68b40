"""Every bound method ends when time is up, with sound, finite bounds from what it had done by then."""

from __future__ import annotations

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import (
    AlphaCrown,
    Auto,
    BoundMethod,
    Bounds,
    Crown,
    Cutoff,
    Data,
    File,
    Ibp,
    Lp,
    Mip,
    Split,
    Structure,
    compute_bounds,
)
from relu2mip.runtime.deadline import limited
from tests.forms import mlp

PROBLEM = r2m.Trajectory(
    mlp([3, 12, 12, 2], seed=3), 3, [0.4, -0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-3, 3),
    cost=r2m.costs.L1(target=[0.5, 0.0], state=1.0, control=0.1),
)  # fmt: skip
METHODS: list[BoundMethod] = [
    Ibp(), Crown(), Lp(budget=1e6), Lp(scope="full", budget=1e6), Mip(budget=1e6), Cutoff(budget=1e6),
    Split(few=0, budget=1e6), Structure(), Auto(budget=1e6),
]  # fmt: skip


class Clock:
    """A second passes with every look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def names(method: BoundMethod) -> str:
    return str(method)


def torch_too() -> list[BoundMethod]:
    try:
        import torch  # noqa: F401
    except ImportError:
        return METHODS
    return [*METHODS, AlphaCrown(iterations=20)]


def width(bounds: Bounds) -> float:
    return sum(float((high - low).sum()) for low, high in zip(bounds.lower, bounds.upper, strict=True))


def assert_sound(bounds: Bounds, problem: r2m.Trajectory) -> None:
    """No plan of random controls that keeps all sets, and is as good as the cutoff asks, leaves the bounds."""
    rng = np.random.default_rng(0)
    controls = rng.uniform(-1, 1, (20_000, problem.horizon, 1))
    if bounds.plan is not None:
        best = np.stack([bounds.plan.inputs[f"control@{t}"] for t in range(problem.horizon)])
        near = rng.choice([1e-4, 1e-2, 0.1], (10_000, 1, 1)) * rng.normal(size=controls[::2].shape)
        controls[::2] = np.clip(best + near, -1, 1)
        controls[0] = best
    states = problem.rollout(controls)
    good = (np.abs(states) <= 3).all(axis=(1, 2))
    if bounds.cutoff is not None:
        good &= problem.evaluate_cost(states, controls) <= bounds.cutoff
    assert good.any()
    inputs = {f"control@{t}": controls[good, t] for t in range(problem.horizon)} | {"state@0": states[good, 0]}
    for x, low, high in zip(bounds.form.evaluate_all(inputs), bounds.lower, bounds.upper, strict=True):
        slack = 1e-7 * np.maximum(1, np.abs(x))
        assert ((x >= low - slack) & (x <= high + slack)).all()


@pytest.mark.parametrize("method", torch_too(), ids=names)
def test_without_time_bounds_are_those_of_intervals(method: BoundMethod) -> None:
    ibp = compute_bounds(PROBLEM.unrolled, [Ibp()])
    with limited(0.0, clock=lambda: 0.0):
        bounds = compute_bounds(PROBLEM.unrolled, [method])
    for a, b in zip((*bounds.lower, *bounds.upper), (*ibp.lower, *ibp.upper), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    assert bounds.cutoff is None


@pytest.mark.parametrize("method", torch_too(), ids=names)
def test_little_time_is_kept_and_gives_sound_bounds(method: BoundMethod) -> None:
    least = looks(method, 0.0)[1]
    loosest = width(compute_bounds(PROBLEM.unrolled, [Ibp()]))
    for seconds in (3.0, 30.0, 300.0, 1000.0):
        bounds, seen = looks(method, seconds)
        assert_sound(bounds, PROBLEM)
        assert width(bounds) <= loosest * (1 + 1e-9)
        assert seen <= seconds + least + 30


def looks(method: BoundMethod, seconds: float) -> tuple[Bounds, float]:
    """The bounds of a method, and how often it looked at a clock that moves on by a second with each look."""
    clock = Clock()
    with limited(seconds, clock):
        return compute_bounds(PROBLEM.unrolled, [method]), clock.now


def test_more_time_gives_tighter_bounds() -> None:
    widths = [width(looks(Crown(), seconds)[0]) for seconds in (0.0, 60.0, 100.0, 1e9)]
    assert widths[0] > widths[1] > widths[2] > widths[3]


def test_what_was_left_is_counted() -> None:
    crown = looks(Crown(), 60.0)[0].provenance[-1]
    programs = looks(Lp(budget=1e6), 450.0)[0].provenance[-1]
    assert crown.detail["unvisited"] > 0
    assert programs.detail["unvisited"] > 0 < programs.detail["programs"]


def test_half_of_the_data_bounds_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    data = Data(samples={"state": rng.uniform(-1, 1, (9000, 2)), "control": rng.uniform(-1, 1, (9000, 1))})
    crown = compute_bounds(PROBLEM.unrolled, [Crown()])
    for seconds in (0.0, 2.0):
        with limited(seconds, Clock()):
            bounds = data.tighten(PROBLEM.unrolled, crown)
        assert width(bounds) == width(crown)
        assert bounds.detail["complete"] == 0
    assert "time is up" in caplog.text


def test_bounds_in_a_file_need_no_time(tmp_path) -> None:
    crown = compute_bounds(PROBLEM.unrolled, [Crown()])
    path = crown.save(tmp_path / "bounds.npz")
    with limited(0.0, Clock()):
        assert width(compute_bounds(PROBLEM.unrolled, [File(path=str(path))])) == width(crown)
