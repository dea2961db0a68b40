"""Alpha-CROWN is sound, never looser than CROWN, as tight as the triangle relaxation and as the published figures."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

import relu2mip as r2m
from relu2mip.bounds import AlphaCrown, Bounds, Crown, alpha_crown, compute_bounds
from relu2mip.errors import InvalidOption, Relu2MipError, UnknownOption
from relu2mip.ir.lower import lower as lowered
from relu2mip.normal_form import Affine, FormBuilder, NormalForm, Relu
from relu2mip.pipeline.specs import resolve_bounds
from tests.bounds.test_bounds import trajectory, unrolled
from tests.brute_force import box_optimum
from tests.forms import forms, mlp, points
from tests.formulations.test_exactness import SMALL_NETS

torch = pytest.importorskip("torch")


def bounded(form: NormalForm, method: AlphaCrown | Crown) -> Bounds:
    return compute_bounds(unrolled(form), [method])


def assert_no_looser(tight: Bounds, loose: Bounds) -> None:
    for low, high, lower, upper in zip(tight.lower, tight.upper, loose.lower, loose.upper, strict=True):
        assert (low >= lower - 1e-12 * np.maximum(1, np.abs(lower))).all()
        assert (high <= upper + 1e-12 * np.maximum(1, np.abs(upper))).all()


@given(form=forms(max_values=12), seed=st.integers(0, 1000), window=st.integers(0, 2))
def test_bounds_hold_at_every_point_and_are_inside_those_of_crown(form: NormalForm, seed: int, window: int) -> None:
    bounds = bounded(form, AlphaCrown(iterations=12, window=window))
    assert_no_looser(bounds, bounded(form, Crown()))
    for value, lower, upper in zip(form.evaluate_all(points(form, 200, seed)), bounds.lower, bounds.upper, strict=True):
        assert (value >= lower - 1e-9).all()
        assert (value <= upper + 1e-9).all()


@pytest.mark.parametrize("name", SMALL_NETS)
def test_never_tighter_than_the_truth(name: str) -> None:
    net = SMALL_NETS[name]
    form = r2m.BoxProblem(net, -1.0, 1.5, np.zeros(net.output_size)).unrolled
    bounds = compute_bounds(form, [AlphaCrown()])
    out = form.form.outputs[net.outputs[0].name]
    for unit, pick in enumerate(np.eye(net.output_size)):
        least, most = (box_optimum(r2m.BoxProblem(net, -1.0, 1.5, pick, sense)) for sense in ("min", "max"))
        assert bounds.lower[out][unit] <= least + 1e-9
        assert bounds.upper[out][unit] >= most - 1e-9


def triangle_optimum(bounds: Bounds, sign: float, unit: int) -> float:
    """The least value of sign * last[unit] over the triangle relaxations of a chain, by linear programming."""
    form, starts = bounds.form, np.cumsum([0] + [v.size for v in bounds.form.values])
    equal, rows = [], []
    low, high = [bounds.lower[0]], [bounds.upper[0]]
    for i, value in enumerate(form.values):
        block = np.zeros((value.size, starts[-1]))
        here = slice(starts[i], starts[i + 1])
        block[:, here] = np.eye(value.size)
        if isinstance(value, Affine):
            for k, matrix in zip(value.inputs, value.matrices, strict=True):
                block[:, starts[k] : starts[k + 1]] -= matrix
            equal.append((block, value.bias))
            low.append(np.full(value.size, -np.inf))
            high.append(np.full(value.size, np.inf))
        elif isinstance(value, Relu):
            x = slice(starts[value.input], starts[value.input + 1])
            lower, upper = bounds.lower[value.input], bounds.upper[value.input]
            slope = np.where(lower >= 0, 1.0, np.where(upper <= 0, 0.0, upper / (upper - lower)))
            above, below = block.copy(), -block
            above[:, x], below[:, x] = -np.diag(slope), np.eye(value.size)
            rows += [(above, np.where((lower < 0) & (upper > 0), -slope * lower, 0.0)), (below, np.zeros(value.size))]
            low.append(np.where(lower >= 0, -np.inf, 0.0))
            high.append(np.full(value.size, np.inf))
    cost = np.zeros(starts[-1])
    cost[starts[-2] + unit] = sign
    (A, a), (B, b) = (tuple(map(np.concatenate, zip(*part, strict=True))) for part in (equal, rows))
    result = linprog(cost, B, b, A, a, np.stack([np.concatenate(low), np.concatenate(high)], axis=1))
    assert result.status == 0
    return float(result.fun)


@pytest.mark.parametrize("seed", range(3))
def test_reaches_the_optimum_over_the_triangle_relaxations(seed: int) -> None:
    form = lowered(mlp([3, 12, 12, 2], seed=seed, scale=2.0))
    bounds, crown = bounded(form, AlphaCrown()), bounded(form, Crown())
    for unit in range(2):
        for sign, ours, start in ((1, bounds.lower, crown.lower), (-1, bounds.upper, crown.upper)):
            optimum = triangle_optimum(bounds, sign, unit)
            width = crown.upper[-1][unit] - crown.lower[-1][unit]
            assert sign * ours[-1][unit] <= optimum + 1e-7 * width
            assert sign * ours[-1][unit] >= optimum - 5e-3 * width
            assert sign * start[-1][unit] < optimum - 4e-2 * width


def test_members_of_a_maximum_are_weighted() -> None:
    """max(a, b) - a / 2 - b / 2 is at least 0; with either member alone below the maximum, only -1 is seen."""
    form = FormBuilder()
    x = form.input("x", 2)
    both = form.affine((x,), (np.eye(2),), kept=True)
    top = form.max(both, np.array([0, 1]), np.array([0, 2]))
    net = form.build({"y": form.affine((top, x), (np.ones((1, 1)), np.full((1, 2), -0.5)))})
    assert bounded(net, Crown()).lower[-1][0] == pytest.approx(-2.0)
    assert bounded(net, AlphaCrown()).lower[-1][0] == pytest.approx(0.0, abs=1e-3)


def test_sampled_trajectories_stay_inside_over_a_horizon() -> None:
    problem = trajectory(horizon=5)
    bounds = compute_bounds(problem.unrolled, [AlphaCrown(iterations=30)])
    assert_no_looser(bounds, compute_bounds(problem.unrolled, [Crown()]))
    controls = np.random.default_rng(0).uniform(-1, 1, (50_000, 5, 1))
    controls[::2] = np.sign(controls[::2])
    states = problem.rollout(controls)
    inside = (np.abs(states) <= 3).all(axis=(1, 2))
    assert inside.sum() > 5_000
    inputs = {f"control@{t}": controls[inside, t] for t in range(5)} | {"state@0": states[inside, 0]}
    for value, lower, upper in zip(problem.unrolled.form.evaluate_all(inputs), bounds.lower, bounds.upper, strict=True):
        slack = 1e-9 * np.maximum(1, np.abs(value))
        assert (value >= lower - slack).all()
        assert (value <= upper + slack).all()


def test_at_least_as_tight_as_the_published_figures(shared_nets: Path) -> None:
    boxes = {box["name"]: box for box in json.loads((shared_nets / "boxes.json").read_text())}
    for reference in json.loads((shared_nets / "crown_reference.json").read_text())["boxes"]:
        box = boxes[reference["name"]]
        net = r2m.load(shared_nets / box["net"])
        problem = r2m.BoxProblem(net, box["lower"], box["upper"], np.zeros(net.output_size))
        bounds = compute_bounds(problem.unrolled, [AlphaCrown()])
        out = problem.unrolled.form.outputs[net.outputs[0].name]
        published = (np.array(reference["alpha-CROWN"][side]) for side in ("lower", "upper"))
        for ours, theirs, sign in zip((bounds.lower[out], bounds.upper[out]), published, (1, -1), strict=True):
            assert (sign * (ours - theirs) >= -1e-7 * np.maximum(1, np.abs(theirs))).all(), reference["name"]


def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    form = lowered(mlp([3, 10, 10, 2], seed=4))
    whole = bounded(form, AlphaCrown(iterations=20))
    monkeypatch.setattr(alpha_crown, "BATCH", 100)
    parts = bounded(form, AlphaCrown(iterations=20))
    np.testing.assert_allclose(np.concatenate(parts.lower), np.concatenate(whole.lower), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(np.concatenate(parts.upper), np.concatenate(whole.upper), rtol=1e-9, atol=1e-12)


def test_torch_is_left_as_it_was() -> None:
    threads = torch.get_num_threads()
    form = lowered(mlp([2, 8, 1], seed=1))
    try:
        torch.set_num_threads(2)
        with torch.no_grad():
            tight = bounded(form, AlphaCrown())
            assert not torch.is_grad_enabled()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert tight.upper[-1][0] - tight.lower[-1][0] < np.ptp(np.concatenate(ends(bounded(form, Crown()))))


def ends(bounds: Bounds) -> tuple[np.ndarray, np.ndarray]:
    return bounds.lower[-1], bounds.upper[-1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no cuda device")
def test_a_cuda_device_gives_the_same_bounds() -> None:
    form = lowered(mlp([3, 12, 12, 2], seed=2))
    here, there = (ends(bounded(form, AlphaCrown(device=device))) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(here, there, rtol=1e-2)


def test_options_in_words() -> None:
    (method,) = resolve_bounds("alpha-crown(iterations=20,window=4)")
    assert method == AlphaCrown(iterations=20, window=4)
    assert str(method) == "alpha-crown(iterations=20,window=4)"
    assert str(AlphaCrown()) == "alpha-crown"
    assert bounded(lowered(mlp([2, 4, 1])), AlphaCrown()).provenance[-1].method == "alpha-crown"


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("alpha-crown(iteration=3)", UnknownOption, "did you mean 'iterations'"),
        ("alpha-crown(iterations=-1)", InvalidOption, "iterations=-1"),
        ("alpha-crown(patience=0)", InvalidOption, "patience=0"),
        ("alpha-crown(window=-2)", InvalidOption, "window=-2"),
        ("alpha-crown(learning_rate=0)", InvalidOption, "learning_rate is 0"),
        ("alpha-crown(device=tpu)", InvalidOption, "device is 'tpu'; give cpu, cuda, auto"),
    ],
)
def test_bad_options(spec: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        resolve_bounds(spec)


def test_without_torch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "relu2mip.bounds.slope_ascent", raising=False)
    with pytest.raises(Relu2MipError, match=r'pip install "relu2mip\[torch\]"'):
        bounded(lowered(mlp([2, 4, 1])), AlphaCrown())


def test_without_a_cuda_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    form = lowered(mlp([2, 4, 1]))
    with pytest.raises(Relu2MipError, match='device="cpu" or "auto"'):
        bounded(form, AlphaCrown(device="cuda"))
    assert_no_looser(bounded(form, AlphaCrown(device="auto")), bounded(form, Crown()))
