"""Bounds hold for every point of the sets, tell where they came from, and fail loudly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Bounds, Data, Ibp, compute_bounds
from relu2mip.bounds.ibp import propagate
from relu2mip.errors import CrossedBounds, InvalidOption, InvalidProblem, UnboundedUnit, UnknownOption
from relu2mip.ir.samples import integrator, tiny
from relu2mip.normal_form import FormBuilder, NormalForm
from relu2mip.pipeline.specs import resolve_bounds
from relu2mip.unrolled.objective import Batch
from relu2mip.unrolled.unrolled import Unrolled
from tests.forms import domain, forms, mlp, points


class NoObjective:
    """A form without costs or sets."""

    def snap(self, batch: Batch) -> Batch:
        return batch

    def evaluate(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        zeros = np.zeros(len(next(iter(batch.values()))))
        return zeros, zeros


def unrolled(form: NormalForm) -> Unrolled:
    copies = {i: i for i in range(len(form.values))}
    return Unrolled(form, domain(form), form, copies, dict, lambda *_: None, NoObjective)


def trajectory(horizon: int = 6, **changes: object) -> r2m.Trajectory:
    settings = {
        "initial_state": [1.0, 0.0],
        "predicts": "change",
        "controls": r2m.Box(-1, 1),
        "states": r2m.Box(-3, 3),
        "cost": r2m.costs.L1(state=1.0),
    }
    return r2m.Trajectory(integrator(), horizon=horizon, **{**settings, **changes})


@given(form=forms(), seed=st.integers(0, 1000))
def test_interval_bounds_hold_at_every_point(form: NormalForm, seed: int) -> None:
    bounds = compute_bounds(unrolled(form), [Ibp()])
    for value, lower, upper in zip(form.evaluate_all(points(form, 200, seed)), bounds.lower, bounds.upper, strict=True):
        assert (value >= lower - 1e-12).all()
        assert (value <= upper + 1e-12).all()


def test_interval_bounds_of_one_affine_value_are_exact() -> None:
    form = FormBuilder()
    x = form.input("x", 2)
    net = form.build({"y": form.affine((x,), (np.array([[1.0, -2.0]]),), np.array([0.5]))})
    bounds = compute_bounds(unrolled(net), [Ibp()])
    np.testing.assert_allclose([bounds.lower[1][0], bounds.upper[1][0]], [-5.5, 6.5], rtol=1e-12)


def test_bounds_over_a_horizon_hold_for_trajectories_inside_the_sets() -> None:
    problem = trajectory()
    bounds = compute_bounds(problem.unrolled, [Ibp()])
    rng = np.random.default_rng(0)
    controls = rng.uniform(-1, 1, (20_000, 6, 1))
    states = problem.rollout(controls)
    inside = (np.abs(states) <= 3).all(axis=(1, 2))
    assert inside.sum() > 1000
    inputs = {f"control@{t}": controls[inside, t] for t in range(6)} | {"state@0": states[inside, 0]}
    values = problem.unrolled.form.evaluate_all(inputs)
    for value, lower, upper in zip(values, bounds.lower, bounds.upper, strict=True):
        slack = 1e-9 * np.maximum(1, np.abs(value))
        assert (value >= lower - slack).all()
        assert (value <= upper + slack).all()


def test_state_boxes_cut_the_bounds_of_later_steps() -> None:
    wide = compute_bounds(trajectory(states=None).unrolled, [Ibp()])
    cut = compute_bounds(trajectory().unrolled, [Ibp()])
    last = trajectory().unrolled.form.outputs["state@6"]
    assert (cut.upper[last] < wide.upper[last]).any()
    assert (cut.upper[last] <= 3).all()


def test_provenance_says_what_took_part() -> None:
    bounds = compute_bounds(unrolled(mlp_form()), resolve_bounds("ibp+ibp"))
    assert [p.method for p in bounds.provenance] == ["sets", "ibp", "ibp"]
    assert bounds.sound


def mlp_form() -> NormalForm:
    from relu2mip.ir.lower import lower

    return lower(mlp([2, 6, 6, 1], seed=3))


def test_data_bounds_are_inside_interval_bounds_and_unsound() -> None:
    form = mlp_form()
    samples = {"x": np.random.default_rng(0).uniform(-2, 2, (500, 2))}
    ibp = compute_bounds(unrolled(form), [Ibp()])
    data = compute_bounds(unrolled(form), [Ibp(), Data(samples=samples)])
    assert not data.sound
    values = form.evaluate_all(samples)
    for i in range(1, len(form.values)):
        assert (data.lower[i] >= ibp.lower[i]).all()
        np.testing.assert_allclose(data.lower[i], values[i].min(axis=0), atol=1e-12)
        np.testing.assert_allclose(data.upper[i], values[i].max(axis=0), atol=1e-12)


def test_margin_widens_data_bounds() -> None:
    form = mlp_form()
    samples = {"x": np.random.default_rng(0).uniform(-1, 1, (500, 2))}
    tight = compute_bounds(unrolled(form), [Ibp(), Data(samples=samples)])
    wide = compute_bounds(unrolled(form), [Ibp(), Data(samples=samples, margin=0.5)])
    width, more = (b.upper[1] - b.lower[1] for b in (tight, wide))
    assert (more >= width).all()
    assert (more > 1.4 * width).any()


def test_data_of_a_trajectory_applies_to_every_step(tmp_path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "transitions.npz"
    np.savez(path, state=rng.uniform(-2, 2, (300, 2)), control=rng.uniform(-1, 1, (300, 1)))
    compiled = r2m.compile(trajectory(horizon=3), bounds=f"data(path={path},margin=0.1)")
    assert not compiled.all_bounds.sound
    assert compiled.all_bounds.provenance[-1].method.startswith("data(path=")
    steps = compiled.problem.unrolled
    relu = [i for i in steps.step_value if steps.form.values[i].place.layer == "layer1.relu"]
    assert len(relu) == 3
    assert all((compiled.all_bounds.upper[i] <= 1.5).all() for i in relu)


def test_data_that_contradict_the_sets_are_told_apart_from_infeasibility() -> None:
    samples = {"state": np.full((5, 2), 100.0), "control": np.zeros((5, 1))}
    with pytest.raises(InvalidProblem, match="the data never reach"):
        r2m.compile(trajectory(), bounds=[Ibp(), Data(samples=samples)])


def test_unreachable_state_box_names_unit_and_step() -> None:
    far = np.tile([-3.0, 3.0], (6, 1))
    lower = np.full((6, 2), -3.0)
    lower[3, 0] = 2.9
    with pytest.raises(CrossedBounds, match=r"t04\.state\[0\].*2\.9"):
        r2m.compile(trajectory(initial_state=[-2.0, 0.0], states=r2m.Box(lower, far[:, 1:] * np.ones((6, 2)))))


@pytest.mark.parametrize("unit", [1.0, 1e-8, 1e-300, 1e8])
def test_what_is_out_of_reach_is_so_in_any_units(unit: float) -> None:
    builder = FormBuilder()
    x = builder.input("x", 1)
    form = builder.build({"y": builder.affine((x,), (2 * np.eye(1),), np.array([0.3 * unit]))})
    reached = 2.3 * unit

    def reach(least: float) -> None:
        sides = [-np.ones(1) * unit, np.array([least])], [np.ones(1) * unit, np.array([9 * unit])]
        propagate(form, *sides)

    reach(reached - 1e-7 * unit)
    reach(reached + 1e-14 * unit)
    with pytest.raises(CrossedBounds, match="y"):
        reach(reached + 1e-7 * unit)


def test_infinite_inputs_are_named() -> None:
    form = mlp_form()
    open_box = Unrolled(
        form, {0: (np.array([-1.0, -np.inf]), np.ones(2))}, form, {}, dict, lambda *_: None, lambda: None
    )
    with pytest.raises(UnboundedUnit, match=r"input x\[1\] .*\[-inf, 1\]"):
        compute_bounds(open_box, [Ibp()])


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("ibpp", UnknownOption, "did you mean 'ibp'"),
        ("ibp(window=3)", UnknownOption, "unknown option of bounds ibp: 'window'"),
        ("data", InvalidOption, "need samples, or the path"),
        ("data(path=x,margin=-1)", InvalidOption, "margin is -1"),
        ("data(path=x,margin=wide)", InvalidOption, "margin.*'wide'"),
        ("data(path=nowhere.npz)", InvalidProblem, "no file nowhere.npz"),
        ("ibp+", InvalidOption, "cannot read bounds"),
    ],
)
def test_bad_specifications(spec: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        r2m.compile(r2m.BoxProblem(tiny(), -1, 1, [1.0]), bounds=spec)


def test_before_any_method_only_the_sign_of_relus_is_known() -> None:
    form = mlp_form()
    bounds = Bounds.of(form, domain(form))
    assert np.isinf(bounds.upper[1]).all()
    assert bounds.lower[2].min() == 0.0
