"""MIP bounds are sound whenever a solve stops, never looser than what they start from, exact with all binaries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Crown, Lp, Mip, compute_bounds
from relu2mip.bounds.mip import tighten_mip
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.ir.samples import tiny
from relu2mip.lp.integer import IntegerProgram
from relu2mip.normal_form import NormalForm
from tests.bounds.test_bounds import trajectory, unrolled
from tests.bounds.test_lp import assert_holds, assert_inside, deep_form, detail, inside, unstable
from tests.brute_force import best_sequence, box_optimum
from tests.forms import forms, points
from tests.formulations.test_exactness import SMALL_NETS


@settings(max_examples=25)
@given(form=forms(max_values=12), seed=st.integers(0, 1000), options=st.sampled_from([Mip(), Mip(0, "full")]))
def test_bounds_hold_at_every_point_and_are_inside_crowns(form: NormalForm, seed: int, options: Mip) -> None:
    bounds = compute_bounds(unrolled(form), [Crown(), options])
    assert_holds(bounds, points(form, 200, seed))
    assert_inside(bounds, compute_bounds(unrolled(form), [Crown()]))


@pytest.mark.parametrize("name", SMALL_NETS)
def test_with_all_binaries_it_is_the_truth_up_to_its_padding(name: str) -> None:
    net = SMALL_NETS[name]
    for unit in range(net.output_size):
        pick = np.eye(net.output_size)[unit]
        exact = [box_optimum(r2m.BoxProblem(net, -1.0, 1.5, pick, sense)) for sense in ("min", "max")]
        problem = r2m.BoxProblem(net, -1.0, 1.5, pick)
        bounds = compute_bounds(problem.unrolled, [Crown(), Lp(tolerance=0.0), Mip(window=0, tolerance=0.0)])
        out = problem.unrolled.form.outputs[net.outputs[0].name]
        assert exact[0] - 1e-3 <= bounds.lower[out][unit] <= exact[0] + 1e-9
        assert exact[1] - 1e-9 <= bounds.upper[out][unit] <= exact[1] + 1e-3


def test_wider_windows_are_tighter() -> None:
    widths = []
    for more in (
        [],
        [Lp(tolerance=0.0)],
        *([Mip(window=w, tolerance=0.0, budget=600.0, time_limit=60.0)] for w in (1, 2, 0)),
    ):
        bounds = compute_bounds(unrolled(deep_form()), [Crown(), *more])
        assert_holds(bounds, points(deep_form(), 500))
        widths.append(float((bounds.upper[-1] - bounds.lower[-1]).sum()))
    assert widths[0] > widths[1] > widths[2] > widths[3] > widths[4]


def test_discrete_controls_stay_discrete() -> None:
    problem = trajectory(horizon=4, controls=r2m.Finite([[-1.0, 0.1, 1.0]]), terminal=r2m.Box(-0.3, 3.0))
    prefix, full = (
        compute_bounds(problem.unrolled, [Crown(), Mip(window=0, scope=s, tolerance=0.0)]) for s in ("prefix", "full")
    )
    control = np.array(np.meshgrid(*[[-1.0, 0.1, 1.0]] * 4)).reshape(4, -1).T[:, :, None]
    inputs, states, _ = inside(problem, control)
    for bounds in (prefix, full):
        assert_holds(bounds, inputs)
    for t in range(1, 5):
        i = problem.unrolled.form.outputs[f"state@{t}"]
        np.testing.assert_allclose(full.lower[i], states[:, t].min(axis=0), atol=1e-3)
        np.testing.assert_allclose(full.upper[i], states[:, t].max(axis=0), atol=1e-3)


def test_a_stop_by_time_is_still_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    minimise = IntegerProgram.minimise
    monkeypatch.setattr(IntegerProgram, "minimise", lambda self, column, sign, _: minimise(self, column, sign, 0.0))
    bounds = compute_bounds(unrolled(deep_form()), [Crown(), Mip(window=0)])
    assert detail(bounds)["programs"] > 0
    assert_holds(bounds, points(deep_form(), 2000))


def test_where_a_solve_fails_the_earlier_bound_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IntegerProgram, "minimise", lambda *_: (-np.inf, None))
    bounds = compute_bounds(unrolled(deep_form()), [Crown(), Mip()])
    assert detail(bounds)["failures"] == detail(bounds)["programs"] > 0
    assert unstable(bounds) == unstable(compute_bounds(unrolled(deep_form()), [Crown()]))


def test_budgets_are_respected() -> None:
    bounds = compute_bounds(unrolled(deep_form()), [Crown(), Mip(count=2)])
    assert detail(bounds)["programs"] == 2
    assert detail(bounds)["unvisited"] > 0


def test_points_and_signs_save_programs() -> None:
    states = trajectory(initial_state=[2.5, 0.5])
    assert detail(compute_bounds(states.unrolled, [Crown(), Lp(), Mip()]))["filtered"] > 0
    width, sign = (
        detail(compute_bounds(unrolled(deep_form()), [Crown(), Lp(), Mip(goal=goal)])) for goal in ("width", "sign")
    )
    assert sign["settled"] > width["settled"]
    assert sign["programs"] < width["programs"]


def test_a_cutoff_keeps_the_best_plan() -> None:
    problem = trajectory(horizon=4, controls=r2m.Finite([[-1.0, 0.0, 1.0]]), cost=r2m.costs.L1(state=1.0, control=0.1))
    best, controls = best_sequence(problem)
    crown = compute_bounds(problem.unrolled, [Crown()])
    found = tighten_mip(problem.unrolled, crown, Mip(scope="full", window=0), best)
    assert found.cutoff == best
    bounds = crown.joined(found)
    states = problem.rollout(controls[None])
    assert_holds(bounds, {f"control@{t}": controls[None, t] for t in range(4)} | {"state@0": states[:, 0]})
    first = problem.unrolled.form.inputs["control@0"]
    np.testing.assert_allclose([bounds.lower[first], bounds.upper[first]], [controls[0], controls[0]], atol=1e-3)
    with pytest.raises(InvalidOption, match='scope "full"'):
        tighten_mip(problem.unrolled, crown, Mip(), best)


def test_crossed_bounds_name_the_unit() -> None:
    nowhere = trajectory(constraints=[r2m.Linear(state=[[1.0, 0.0]], lower=2.9, steps=[3])])
    with pytest.raises(CrossedBounds, match=r"t03"):
        compute_bounds(nowhere.unrolled, [Crown(), Lp(), Mip()])


@pytest.mark.parametrize("spec", ["mip(window=-1)", "mip(time_limit=0s)", "mip(scope=all)", "mip(budget=-1)"])
def test_bad_options(spec: str) -> None:
    with pytest.raises(InvalidOption, match="mip"):
        r2m.compile(r2m.BoxProblem(tiny(), -1, 1, [1.0]), bounds=spec)
