"""LP bounds are sound, never looser than what they start from, and survive a solver that fails or lies."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relu2mip as r2m
from relu2mip.bounds import Bounds, Crown, Lp, compute_bounds
from relu2mip.bounds.lp import tighten_lp
from relu2mip.errors import CrossedBounds, InvalidOption
from relu2mip.ir.lower import lower as lowered
from relu2mip.ir.samples import integrator
from relu2mip.lp.persistent import Outcome, PersistentLp, Vertex
from relu2mip.normal_form import NormalForm, Relu
from tests.bounds.test_bounds import trajectory, unrolled
from tests.brute_force import box_optimum
from tests.conftest import ROOT
from tests.forms import forms, mlp, points
from tests.formulations.test_exactness import SMALL_NETS

OPTIONS = [Lp(), Lp(scope="full", rounds=2), Lp(goal="sign", tolerance=0.0)]


def assert_holds(bounds: Bounds, inputs: dict[str, np.ndarray]) -> None:
    for value, lower, upper in zip(bounds.form.evaluate_all(inputs), bounds.lower, bounds.upper, strict=True):
        slack = 1e-9 * np.maximum(1, np.abs(value))
        assert (value >= lower - slack).all()
        assert (value <= upper + slack).all()


def assert_inside(tight: Bounds, loose: Bounds) -> None:
    for i in range(len(tight.form.values)):
        assert (tight.lower[i] >= loose.lower[i]).all()
        assert (tight.upper[i] <= loose.upper[i]).all()


def inside(problem: r2m.Trajectory, controls: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Inputs by name, states and controls of those sequences that satisfy every set of the problem."""
    states = problem.rollout(controls)
    low, high = problem.state_limits
    good = ((states[:, 1:] >= low) & (states[:, 1:] <= high)).all(axis=(1, 2))
    if problem.rate_limits is not None:
        change = np.diff(controls, axis=1)
        good &= ((change >= problem.rate_limits[0][1:]) & (change <= problem.rate_limits[1][1:])).all(axis=(1, 2))
    for constraint in problem.all_constraints:
        state, control, lower, upper = constraint.matrices(problem.n, problem.m)
        for t in constraint.chosen_steps(problem.horizon):
            value = states[:, t] @ state.T + (controls[:, t] @ control.T if constraint.control is not None else 0.0)
            good &= ((value >= lower) & (value <= upper)).all(axis=1)
    states, controls = states[good], controls[good]
    inputs = {f"control@{t}": controls[:, t] for t in range(problem.horizon)} | {"state@0": states[:, 0]}
    return inputs, states, controls


def unstable(bounds: Bounds) -> int:
    units = [v.input for v in bounds.form.values if isinstance(v, Relu)]
    return sum(int(((bounds.lower[i] < 0) & (bounds.upper[i] > 0)).sum()) for i in units)


def deep_form() -> NormalForm:
    return lowered(mlp([3, 10, 10, 10, 2], seed=4, scale=1.5))


def detail(bounds: Bounds) -> dict[str, float]:
    return dict(bounds.provenance[-1].detail)


@settings(max_examples=40)
@given(form=forms(max_values=12), seed=st.integers(0, 1000), options=st.sampled_from(OPTIONS))
def test_bounds_hold_at_every_point_and_are_inside_crowns(form: NormalForm, seed: int, options: Lp) -> None:
    bounds = compute_bounds(unrolled(form), [Crown(), options])
    assert_holds(bounds, points(form, 200, seed))
    assert_inside(bounds, compute_bounds(unrolled(form), [Crown()]))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", SMALL_NETS)
def test_never_tighter_than_the_truth(name: str, options: Lp) -> None:
    net = SMALL_NETS[name]
    for unit in range(net.output_size):
        pick = np.eye(net.output_size)[unit]
        exact = [box_optimum(r2m.BoxProblem(net, -1.0, 1.5, pick, sense)) for sense in ("min", "max")]
        problem = r2m.BoxProblem(net, -1.0, 1.5, pick)
        bounds = compute_bounds(problem.unrolled, [options])
        out = problem.unrolled.form.outputs[net.outputs[0].name]
        assert bounds.lower[out][unit] <= exact[0] + 1e-9
        assert bounds.upper[out][unit] >= exact[1] - 1e-9


def test_programs_narrow_what_crown_leaves() -> None:
    """By a fifth and more on the last layer of this network."""
    crown, tight = (compute_bounds(unrolled(deep_form()), [Crown(), *more]) for more in ([], [Lp()]))
    widths = [b.upper[-1] - b.lower[-1] for b in (crown, tight)]
    assert (widths[1] < 0.8 * widths[0]).all()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_plans_that_satisfy_every_set_stay_inside(options: Lp) -> None:
    problem = trajectory(
        horizon=6,
        control_rate=r2m.Box(-0.8, 0.8),
        constraints=[
            r2m.Linear(state=[[1.0, 1.0]], upper=1.6),
            r2m.Linear(state=[[0.0, 1.0]], control=[1.0], lower=-1.5),
        ],
        terminal=r2m.Box(-2.0, 1.2),
    )
    walk = np.cumsum(np.random.default_rng(0).uniform(-0.8, 0.8, (100_000, 6, 1)), axis=1)
    inputs, states, _ = inside(problem, np.clip(walk, -1, 1))
    assert len(states) > 5_000
    bounds = compute_bounds(problem.unrolled, [Crown(), options])
    assert_holds(bounds, inputs)
    crown = compute_bounds(problem.unrolled, [Crown()])
    assert_inside(bounds, crown)
    last = problem.unrolled.form.outputs["state@6"]
    assert (bounds.upper[last] < crown.upper[last] - 0.05).any()


def test_the_whole_horizon_knows_what_comes_later() -> None:
    upper = np.full((6, 2), 3.0)
    upper[5, 0] = -0.5
    problem = trajectory(states=r2m.Box(-3, upper))
    prefix, full = (compute_bounds(problem.unrolled, [Crown(), Lp(scope=s)]) for s in ("prefix", "full"))
    assert_inside(full, prefix)
    third, first = problem.unrolled.form.outputs["state@3"], problem.unrolled.form.inputs["control@0"]
    assert full.upper[third][0] < prefix.upper[third][0] - 0.1
    assert prefix.upper[first][0] == 1.0
    assert full.upper[first][0] < 0.9
    inputs, states, _ = inside(problem, np.random.default_rng(0).uniform(-1, 0.5, (100_000, 6, 1)))
    assert len(states) > 1000
    assert_holds(full, inputs)


def test_sets_that_nothing_satisfies_are_recognised() -> None:
    unreachable = [r2m.Linear(state=[[1.0, 0.0]], lower=2.9, steps=[3])]
    with pytest.raises(CrossedBounds, match=r"t03\.state.*no point of the sets"):
        compute_bounds(trajectory(constraints=unreachable).unrolled, [Crown(), Lp()])
    with pytest.raises(CrossedBounds, match="no point of the sets"):
        compute_bounds(trajectory(constraints=unreachable).unrolled, [Crown(), Lp(scope="full")])


# -- cutoff


def test_a_cutoff_holds_for_all_plans_at_least_that_good_and_says_so() -> None:
    problem = trajectory(horizon=5, cost=r2m.costs.L1(state=[1.0, 0.2], control=0.1))
    controls = np.random.default_rng(1).uniform(-1, 1, (200_000, 5, 1))
    controls[::2, :2] = -np.abs(controls[::2, :2])
    _, states, controls = inside(problem, controls)
    costs = problem.evaluate_cost(states, controls)
    cutoff = float(np.quantile(costs, 0.01))
    crown = compute_bounds(problem.unrolled, [Crown()])
    found = tighten_lp(problem.unrolled, crown, Lp(scope="full", rounds=3), cutoff)
    assert found.cutoff == cutoff
    bounds = crown.joined(found)
    good = costs <= cutoff
    assert good.sum() > 500
    inputs = {f"control@{t}": controls[good, t] for t in range(5)} | {"state@0": states[good, 0]}
    assert_holds(bounds, inputs)
    assert_inside(bounds, crown)
    first = problem.unrolled.form.inputs["control@0"]
    assert bounds.upper[first][0] < 0.5
    with pytest.raises(CrossedBounds, match="objective of at most"):
        tighten_lp(problem.unrolled, crown, Lp(scope="full"), 0.1 * float(costs.min()))


def test_a_cutoff_needs_the_whole_horizon() -> None:
    problem = trajectory()
    crown = compute_bounds(problem.unrolled, [Crown()])
    with pytest.raises(InvalidOption, match='scope "full"'):
        tighten_lp(problem.unrolled, crown, Lp(), 1.0)


def test_provenance_carries_the_cutoff_and_the_counts() -> None:
    class WithCutoff(Lp):
        def tighten(self, unrolled, bounds):
            return tighten_lp(unrolled, bounds, self, 20.0)

    bounds = compute_bounds(trajectory().unrolled, [Crown(), WithCutoff(scope="full"), Lp()])
    assert [p.cutoff for p in bounds.provenance] == [None, None, 20.0, None]
    assert bounds.cutoff == 20.0
    assert bounds.sound
    counts = json.loads(json.dumps([vars(p) for p in bounds.provenance]))[2]["detail"]
    assert counts["programs"] > 0
    assert counts["rounds"] == 1
    assert compute_bounds(trajectory().unrolled, [Crown(), Lp()]).cutoff is None


# -- what the tricks count


def test_points_filter_sides_and_signs_settle_units() -> None:
    width = detail(compute_bounds(unrolled(deep_form()), [Crown(), Lp()]))
    assert width["programs"] > 10
    assert width["filtered"] > 0
    assert width["tightened"] > 0
    assert width["iterations"] > 0
    assert width["failures"] == width["unvisited"] == 0
    sign = detail(compute_bounds(unrolled(deep_form()), [Crown(), Lp(goal="sign")]))
    assert sign["settled"] > width["settled"]
    assert sign["programs"] < width["programs"]


def test_the_sign_is_as_good_as_the_width_for_a_layer() -> None:
    form = lowered(mlp([3, 12, 12, 2], seed=6))
    width, sign = (compute_bounds(unrolled(form), [Crown(), Lp(goal=g, tolerance=0.0)]) for g in ("width", "sign"))
    relus = [v.input for v in form.values if isinstance(v, Relu)]
    both = [[(b.lower[i] >= 0) | (b.upper[i] <= 0) for i in relus[:2]] for b in (width, sign)]
    np.testing.assert_array_equal(both[0], both[1])


def test_budgets_are_respected_and_what_is_left_is_counted() -> None:
    crown = compute_bounds(unrolled(deep_form()), [Crown()])
    few = compute_bounds(unrolled(deep_form()), [Crown(), Lp(count=3)])
    assert detail(few)["programs"] == 3
    assert detail(few)["unvisited"] > 0
    assert_inside(few, crown)
    none = compute_bounds(unrolled(deep_form()), [Crown(), Lp(budget=1e-9)])
    assert detail(none)["programs"] == 0
    assert unstable(none) == unstable(crown)


def test_rounds_stop_when_nothing_changes() -> None:
    once, many = (compute_bounds(trajectory().unrolled, [Crown(), Lp(rounds=r)]) for r in (1, 50))
    assert detail(once)["rounds"] == 1
    assert 1 < detail(many)["rounds"] < 10
    assert_inside(many, once)


def test_each_program_starts_from_the_last_basis() -> None:
    warm = detail(compute_bounds(unrolled(deep_form()), [Crown(), Lp()]))["iterations"]
    minimise = PersistentLp.minimise

    def cold(self, *arguments):
        self.highs.clearSolver()
        return minimise(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PersistentLp, "minimise", cold)
        assert detail(compute_bounds(unrolled(deep_form()), [Crown(), Lp()]))["iterations"] > 1.5 * warm


def test_processes_share_a_layer() -> None:
    alone, shared = (compute_bounds(unrolled(deep_form()), [Crown(), Lp(processes=p, tolerance=0.0)]) for p in (1, 2))
    for a, b in zip(alone.upper, shared.upper, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    assert_holds(shared, points(deep_form(), 500))
    assert detail(shared)["programs"] > 0


def test_a_script_without_a_main_guard_is_told_what_to_do(tmp_path: Path) -> None:
    script = tmp_path / "plan.py"
    script.write_text(
        "from tests.bounds.test_lp import deep_form, unrolled, compute_bounds, Crown, Lp\n"
        "compute_bounds(unrolled(deep_form()), [Crown(), Lp(processes=2)])\n"
    )
    done = subprocess.run(
        [sys.executable, script],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "SolverFailure: lp: a process of 2 died; start a script" in done.stderr


# -- a solver that fails or lies


@pytest.mark.parametrize(
    "vertex",
    [
        Vertex(Outcome.FAILED),
        Vertex(Outcome.STOPPED),
        Vertex(Outcome.INFEASIBLE),
    ],
    ids=lambda v: v.outcome.value,
)
def test_where_a_solve_fails_the_earlier_bound_stays(vertex: Vertex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PersistentLp, "_solve", lambda *_: vertex)
    crown = compute_bounds(unrolled(deep_form()), [Crown()])
    bounds = compute_bounds(unrolled(deep_form()), [Crown(), Lp()])
    assert detail(bounds)["failures"] > 0
    assert detail(bounds)["tightened"] == 0
    assert unstable(bounds) == unstable(crown)


def test_a_failed_solve_is_tried_again_from_scratch(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = compute_bounds(unrolled(deep_form()), [Crown(), Lp(tolerance=0.0)])
    solve, strategies = PersistentLp._solve, []

    def primal_fails(self, strategy, seconds):
        strategies.append(strategy)
        return Vertex(Outcome.FAILED) if strategy == 4 else solve(self, strategy, seconds)

    monkeypatch.setattr(PersistentLp, "_solve", primal_fails)
    bounds = compute_bounds(unrolled(deep_form()), [Crown(), Lp(tolerance=0.0)])
    assert set(strategies) == {1, 4}
    assert detail(bounds)["failures"] == 0
    for a, b in zip(expected.lower, bounds.lower, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("noise", [1e-6, 1e-2, 10.0])
def test_wrong_duals_and_objectives_never_cut_off_a_point(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    solve, rng = PersistentLp._solve, np.random.default_rng(0)

    def perturbed(self, *arguments):
        vertex = solve(self, *arguments)
        return (
            vertex
            if vertex.duals is None
            else replace(vertex, duals=vertex.duals + noise * rng.normal(size=vertex.duals.size))
        )

    monkeypatch.setattr(PersistentLp, "_solve", perturbed)
    bounds = compute_bounds(unrolled(deep_form()), [Crown(), Lp(rounds=2)])
    assert_holds(bounds, points(deep_form(), 5000))


def test_a_ray_that_proves_nothing_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    solve, rng = PersistentLp._solve, np.random.default_rng(0)

    def infeasible(self, *arguments):
        duals = solve(self, *arguments).duals
        return Vertex(Outcome.INFEASIBLE, ray=rng.normal(size=duals.size))

    monkeypatch.setattr(PersistentLp, "_solve", infeasible)
    bounds = compute_bounds(unrolled(deep_form()), [Crown(), Lp()])
    assert detail(bounds)["failures"] > 0
    assert_holds(bounds, points(deep_form(), 500))


def test_a_solve_stopped_by_time_leaves_a_sound_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    minimise = PersistentLp.minimise
    monkeypatch.setattr(PersistentLp, "minimise", lambda self, column, sign, _: minimise(self, column, sign, 0.0))
    problem = trajectory(horizon=8)
    inputs, states, _ = inside(problem, np.random.default_rng(0).uniform(-1, 1, (20_000, 8, 1)))
    assert len(states) > 1000
    assert_holds(compute_bounds(problem.unrolled, [Crown(), Lp()]), inputs)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lp(scope=later)", 'scope "prefix" or "full"'),
        ("lp(goal=zero)", 'goal "width" or "sign"'),
        ("lp(budget=0s)", "positive budget"),
        ("lp(count=-1)", "count of 0 or more"),
        ("lp(rounds=0)", "1 or more rounds"),
        ("lp(processes=0)", "at least 1"),
    ],
)
def test_bad_options(spec: str, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        r2m.compile(r2m.BoxProblem(integrator(), -1, 1, [1.0, 1.0]), bounds=spec)


def test_the_specification_is_what_provenance_shows() -> None:
    assert str(Lp()) == "lp"
    assert str(Lp(scope="full", budget=5.0)) == "lp(scope=full,budget=5.0)"


def test_plans_are_the_same_with_fewer_binaries() -> None:
    problem = trajectory(horizon=5)
    answers = [r2m.solve(problem, bounds=b, gap=1e-6) for b in ("crown", "crown+lp", "crown+lp(scope=full)")]
    assert [a.has_plan for a in answers] == [True] * 3
    np.testing.assert_allclose([a.objective for a in answers], answers[0].objective, rtol=1e-4)
