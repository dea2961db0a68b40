"""CROWN is sound, never looser than intervals, and at least as tight as the published figures."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Crown, Ibp, compute_bounds
from relu2mip.bounds.sides import relu_slopes
from relu2mip.errors import InvalidOption
from relu2mip.normal_form import NormalForm, Relu
from tests.bounds.test_bounds import trajectory, unrolled
from tests.brute_force import box_optimum
from tests.forms import forms, mlp, points
from tests.formulations.test_exactness import SMALL_NETS


@given(form=forms(max_values=12), seed=st.integers(0, 1000), window=st.integers(0, 2))
def test_bounds_hold_at_every_point_and_are_inside_interval_bounds(form: NormalForm, seed: int, window: int) -> None:
    bounds = compute_bounds(unrolled(form), [Crown(window)])
    intervals = compute_bounds(unrolled(form), [Ibp()])
    values = form.evaluate_all(points(form, 200, seed))
    for i, value in enumerate(values):
        assert (value >= bounds.lower[i] - 1e-9).all()
        assert (value <= bounds.upper[i] + 1e-9).all()
        # Intervals of tighter boxes round differently.
        slack = 1e-12 * np.maximum(1, np.maximum(np.abs(intervals.lower[i]), np.abs(intervals.upper[i])))
        assert (bounds.lower[i] >= intervals.lower[i] - slack).all()
        assert (bounds.upper[i] <= intervals.upper[i] + slack).all()


@pytest.mark.parametrize("name", SMALL_NETS)
def test_never_tighter_than_the_truth(name: str) -> None:
    net = SMALL_NETS[name]
    for unit in range(net.output_size):
        pick = np.eye(net.output_size)[unit]
        exact = [box_optimum(r2m.BoxProblem(net, -1.0, 1.5, pick, sense)) for sense in ("min", "max")]
        problem = r2m.BoxProblem(net, -1.0, 1.5, pick)
        bounds = compute_bounds(problem.unrolled, [Crown()])
        out = problem.unrolled.form.outputs[net.outputs[0].name]
        assert bounds.lower[out][unit] <= exact[0] + 1e-9
        assert bounds.upper[out][unit] >= exact[1] - 1e-9


def test_one_affine_map_after_another_is_exact() -> None:
    """x - x is zero for CROWN, not for intervals."""
    from relu2mip.normal_form import FormBuilder

    form = FormBuilder()
    x = form.input("x", 1)
    two = form.affine((x,), (np.array([[1.0], [1.0]]),))
    net = form.build({"y": form.affine((two,), (np.array([[1.0, -1.0]]),))})
    bounds = compute_bounds(unrolled(net), [Crown()])
    np.testing.assert_allclose([bounds.lower[2][0], bounds.upper[2][0]], [0.0, 0.0], atol=1e-9)
    assert compute_bounds(unrolled(net), [Ibp()]).upper[2][0] == pytest.approx(4.0)


def test_relaxations_enclose_the_relu() -> None:
    lower, upper = np.array([-1.0, -3.0, 0.0, -2.0]), np.array([2.0, 1.0, 2.0, 0.0])
    alphas, slope, offset = relu_slopes(lower, upper)
    for share in np.linspace(0, 1, 11):
        x = lower + share * (upper - lower)
        y = np.maximum(x, 0)
        assert (alphas * x <= y + 1e-12).all()
        assert (slope * x + offset >= y - 1e-12).all()


def test_sampled_trajectories_stay_inside_over_a_horizon() -> None:
    problem = trajectory(horizon=8)
    bounds = compute_bounds(problem.unrolled, [Crown()])
    controls = np.random.default_rng(0).uniform(-1, 1, (50_000, 8, 1))
    controls[::2] = np.sign(controls[::2])
    states = problem.rollout(controls)
    inside = (np.abs(states) <= 3).all(axis=(1, 2))
    assert inside.sum() > 5_000
    inputs = {f"control@{t}": controls[inside, t] for t in range(8)} | {"state@0": states[inside, 0]}
    for value, lower, upper in zip(problem.unrolled.form.evaluate_all(inputs), bounds.lower, bounds.upper, strict=True):
        slack = 1e-9 * np.maximum(1, np.abs(value))
        assert (value >= lower - slack).all()
        assert (value <= upper + slack).all()


def test_a_window_is_between_intervals_and_the_whole_form() -> None:
    from relu2mip.ir.lower import lower as lowered

    form = lowered(mlp([4, 12, 12, 12, 2], seed=5))
    widths = []
    for method in (Ibp(), Crown(window=1), Crown(window=2), Crown()):
        bounds = compute_bounds(unrolled(form), [method])
        widths.append(float((bounds.upper[-1] - bounds.lower[-1]).sum()))
    assert widths[0] >= widths[1] >= widths[3]
    assert widths[0] > widths[3]
    with pytest.raises(InvalidOption, match="window is -1"):
        Crown(window=-1)


@pytest.mark.parametrize("method", ["ibp", "crown"])
def test_network_bounds_hold_on_the_public_networks(shared_nets: Path, method: str) -> None:
    for box in json.loads((shared_nets / "boxes.json").read_text())[:12]:
        net = r2m.load(shared_nets / box["net"])
        problem = r2m.BoxProblem(net, box["lower"], box["upper"], np.zeros(net.output_size))
        bounds = r2m.compile(problem, bounds=method).all_bounds
        low, high = problem.limits
        x = np.random.default_rng(0).uniform(low, high, (2000, low.size))
        form = problem.unrolled.form
        for value, lower, upper in zip(form.evaluate_all(problem.split(x)), bounds.lower, bounds.upper, strict=True):
            slack = 1e-9 * np.maximum(1, np.abs(value))
            assert (value >= lower - slack).all()
            assert (value <= upper + slack).all()


def test_at_least_as_tight_as_the_published_figures(shared_nets: Path) -> None:
    boxes = {box["name"]: box for box in json.loads((shared_nets / "boxes.json").read_text())}
    for reference in json.loads((shared_nets / "crown_reference.json").read_text())["boxes"]:
        box = boxes[reference["name"]]
        net = r2m.load(shared_nets / box["net"])
        problem = r2m.BoxProblem(net, box["lower"], box["upper"], np.zeros(net.output_size))
        bounds = compute_bounds(problem.unrolled, [Crown()])
        form = problem.unrolled.form
        out = form.outputs[net.outputs[0].name]
        published = (np.array(reference["CROWN"][side]) for side in ("lower", "upper"))
        for ours, theirs, sign in zip((bounds.lower[out], bounds.upper[out]), published, (1, -1), strict=True):
            assert (sign * (ours - theirs) >= -1e-7 * np.maximum(1, np.abs(theirs))).all(), reference["name"]
        units = [v for v in form.values if isinstance(v, Relu)]
        unstable = [int(((bounds.lower[v.input] < 0) & (bounds.upper[v.input] > 0)).sum()) for v in units]
        assert sum(unstable) <= sum(layer["unstable"] for layer in reference["crown_preactivations"])
