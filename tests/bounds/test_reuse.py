"""Bounds saved, loaded and reused: only where they hold, and then they change no optimum."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Bounds, Crown, Data, compute_bounds
from relu2mip.errors import CrossedBounds, InvalidOption, InvalidProblem
from relu2mip.ir.samples import integrator, tiny
from relu2mip.trajectory.read import read
from tests.bounds.test_bounds import mlp_form, trajectory, unrolled
from tests.conftest import ROOT
from tests.forms import mlp
from tests.problem_files import TRAJECTORY, write_problem

C = r2m.costs
START = r2m.Box([0.6, -0.4], [1.2, 0.4])
INSIDE = [[0.6, -0.4], [0.9, 0.1], [1.2, 0.4], [0.7, 0.3]]


def over_box(**changes: object) -> r2m.Trajectory:
    return trajectory(horizon=5, **{"initial_state": START, **changes})


def window_of_two(**changes: object) -> r2m.Trajectory:
    settings = {
        "net": mlp([6, 6, 2], seed=9),
        "horizon": 3,
        "window": 2,
        "initial_state": r2m.Box([0.5, 0.2], [1.0, 0.6]),
        "previous_controls": [0.5],
        "controls": r2m.Box(-1, 1),
        "states": r2m.Box(-30, 30),
    }
    return r2m.Trajectory(**{**settings, **changes})


PROBLEMS: dict[str, r2m.Trajectory | r2m.BoxProblem] = {
    "trajectory": over_box(),
    "without states": over_box(states=None),
    "finite controls and rates": over_box(controls=r2m.Finite([[-1, 0, 1]]), control_rate=r2m.Box(-1, 1)),
    "linear constraints": over_box(constraints=[r2m.Linear(state=[[1.0, 1.0]], upper=3.0)]),
    "cost network": over_box(cost=C.Network(mlp([2, 4, 1], seed=4))),
    "window": window_of_two(),
    "box": r2m.BoxProblem(mlp([3, 6, 6, 2], seed=1), [-1, -0.5, 0], [1, 0.5, 1], [1.0, -2.0], "max"),
}


def assert_same(a: Bounds, b: Bounds) -> None:
    for x, y in zip((*a.lower, *a.upper), (*b.lower, *b.upper), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_round_trip_changes_nothing(name: str, tmp_path: Path) -> None:
    problem = PROBLEMS[name]
    bounds = r2m.compile(problem, bounds="ibp+crown+lp(count=20)+structure").all_bounds
    path = bounds.save(tmp_path / "known")
    assert path == tmp_path / "known"
    known = Bounds.load(path, replace(problem))
    assert_same(known, bounds)
    assert known.provenance == bounds.provenance
    assert known.implications.size == bounds.implications.size
    assert known.covers(problem)
    assert known.why_not(problem) == ""
    again = r2m.compile(problem, bounds=f"file(path={path})").all_bounds
    assert_same(again, bounds)
    assert [p.method for p in again.provenance] == ["sets", str(known), f"file(path={path})"]
    assert str(known) == "reused(ibp+crown+lp(count=20)+structure)"
    assert again.implications.size == bounds.implications.size
    np.testing.assert_array_equal(again.implications.second_unit, bounds.implications.second_unit)


@pytest.mark.parametrize("state", INSIDE)
def test_reused_bounds_hold_inside_the_initial_box(state: list[float]) -> None:
    problem = over_box(initial_state=state)
    known = r2m.compile(over_box(), bounds="crown+lp(count=40)").all_bounds
    reused = r2m.compile(problem, bounds=known).all_bounds
    rng = np.random.default_rng(0)
    controls = rng.choice([-1.0, -0.5, 0.3, 1.0], (20_000, 5, 1))
    states = problem.rollout(controls)
    good = (np.abs(states) <= 3).all(axis=(1, 2))
    assert good.sum() > 1000
    inputs = {f"control@{t}": controls[good, t] for t in range(5)} | {"state@0": states[good, 0]}
    for i, value in enumerate(problem.unrolled.form.evaluate_all(inputs)):
        slack = 1e-9 * np.maximum(1, np.abs(value))
        assert (value >= reused.lower[i] - slack).all()
        assert (value <= reused.upper[i] + slack).all()
        assert (reused.lower[i] >= known.lower[i]).all()
        assert (reused.upper[i] <= known.upper[i]).all()


@pytest.mark.parametrize("method", ["known", "known, then crown", "known, then auto"])
@pytest.mark.parametrize("cost", [C.L1(state=1.0, control=0.1), C.Network(mlp([2, 4, 1], seed=4))])
def test_the_optimum_is_that_of_a_fresh_compile(cost: r2m.costs.Cost, method: str) -> None:
    known = r2m.compile(over_box(cost=cost), bounds="crown").all_bounds
    for state in INSIDE:
        problem = over_box(initial_state=state, cost=cost)
        assert known.covers(problem)
        further = {"known": [], "known, then crown": [Crown()], "known, then auto": [r2m.bounds.Auto()]}[method]
        fresh = r2m.solve(problem, "highs", bounds="crown", gap=1e-7)
        reused = r2m.solve(problem, "highs", bounds=[known, *further], gap=1e-7)
        assert reused.objective == pytest.approx(fresh.objective, rel=1e-6, abs=1e-6)
        assert reused.bounds[:2] == ("sets", "reused(crown)")
        assert reused.sound


def test_reuse_saves_what_only_the_box_decides() -> None:
    known = r2m.compile(over_box(), bounds="crown+lp").all_bounds
    problem = over_box(initial_state=INSIDE[1])
    both = r2m.compile(problem, bounds=[known, Crown()]).all_bounds
    crown = r2m.compile(problem, bounds="crown").all_bounds
    for x, y in zip(both.lower, crown.lower, strict=True):
        assert (x >= y - 1e-12).all()
    assert both.premises.boxes is not known.premises.boxes
    assert not both.covers(over_box())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"net": mlp([3, 4, 2], seed=2)}, "network: not the same"),
        ({"horizon": 6}, "horizon: 6 instead of 5"),
        ({"predicts": "state"}, "predicts: state instead of change"),
        ({"normalisation": r2m.Normalisation(state=(0.5, 2.0))}, "normalisation: not the same"),
        ({"controls": r2m.Finite([[-1, 1]])}, "finite values of the controls: not the same"),
        ({"control_rate": r2m.Box(-1, 1)}, "control_rate: not the same"),
        ({"constraints": [r2m.Linear(state=[[1.0, 0.0]], upper=2.0)]}, "linear constraints: not the same"),
        ({"terminal": r2m.Linear(state=[[1.0, 0.0]], upper=2.0)}, "linear constraints: not the same"),
        ({"cost": C.Network(mlp([2, 4, 1], seed=4))}, "cost networks: not the same"),
        ({"initial_state": [1.3, 0.0]}, r"t00\.state\[0\] in \[1\.3, 1\.3\] lies outside \[0\.6, 1\.2\]"),
        ({"initial_state": r2m.Box([0.7, -0.5], 1.0)}, r"t00\.state\[1\] in \[-0\.5, 1\] lies outside \[-0\.4, 0\.4\]"),
        ({"states": r2m.Box(-3, [3, 3.5])}, r"t01\.state\[1\] in \[-3, 3\.5\] lies outside \[-3, 3\]"),
        ({"controls": r2m.Box(-1, 1.5)}, r"t00\.control\[0\] in \[-1, 1\.5\] lies outside \[-1, 1\]"),
    ],
)
def test_another_problem_is_refused(changes: dict, message: str, tmp_path: Path) -> None:
    bounds = r2m.compile(over_box(), bounds="crown").all_bounds
    problem = replace(over_box(initial_state=[0.9, 0.1]), **changes)
    assert not bounds.covers(problem)
    with pytest.raises(InvalidProblem, match=f"cannot be reused: .*{message}"):
        r2m.compile(problem, bounds=[bounds, Crown()])
    path = bounds.save(tmp_path / "bounds.npz")
    for use in (lambda: Bounds.load(path, problem), lambda: r2m.compile(problem, bounds=f"file(path={path})+crown")):
        with pytest.raises(InvalidProblem, match=message) as caught:
            use()
        assert str(path) in str(caught.value)


def test_rows_are_told_apart() -> None:
    rate, row = r2m.Box(-1, 1), r2m.Linear(state=[[1.0, 0.0]], upper=2.0, steps=[1, 2])
    rated = r2m.compile(over_box(control_rate=rate), bounds="crown").all_bounds
    assert "control_rate" in rated.why_not(over_box(control_rate=r2m.Box(-1, 1.5)))
    bounded = r2m.compile(over_box(constraints=[row]), bounds="crown").all_bounds
    assert bounded.covers(over_box(constraints=[replace(row, name="another name")]))
    for other in (replace(row, steps=[1, 3]), replace(row, upper=2.5), replace(row, state=[[1.0, 0.1]])):
        assert "linear constraints" in bounded.why_not(over_box(constraints=[other]))


def test_smaller_sets_are_covered() -> None:
    bounds = r2m.compile(over_box(), bounds="crown").all_bounds
    smaller = over_box(states=r2m.Box(-2, 2), controls=r2m.Box(-0.5, 0.5), cost=C.Quadratic(state=2.0))
    assert bounds.covers(smaller)
    assert not r2m.compile(smaller, bounds="crown").all_bounds.covers(over_box())
    box = PROBLEMS["box"]
    known = r2m.compile(box, bounds="crown").all_bounds
    assert known.covers(replace(box, lower=[-0.5, 0, 0.2], objective=[0.0, 1.0], sense="min"))
    assert "input" in known.why_not(replace(box, upper=2.0)) or "x[" in known.why_not(replace(box, upper=2.0))
    assert "network" in known.why_not(replace(box, net=mlp([3, 6, 6, 2], seed=5)))
    assert known.why_not(trajectory()) != ""


def test_the_control_before_counts_where_its_change_is_limited() -> None:
    rate = r2m.Box(-0.5, 0.5)
    unknown = r2m.compile(over_box(control_rate=rate), bounds="crown").all_bounds
    known = r2m.compile(over_box(control_rate=rate, previous_controls=[0.2]), bounds="crown").all_bounds
    after = over_box(control_rate=rate, previous_controls=[0.6])
    assert unknown.covers(after)
    assert "t00.control[0] in [0.1, 1] lies outside [-0.3, 0.7]" in known.why_not(after)
    free = r2m.compile(over_box(previous_controls=[0.2]), bounds="crown").all_bounds
    assert free.covers(over_box(previous_controls=[0.6]))


def test_the_window_counts_with_its_controls() -> None:
    known = r2m.compile(window_of_two(), bounds="crown").all_bounds
    assert known.covers(window_of_two(initial_state=[[0.6, 0.3], [0.9, 0.5]]))
    assert "t-1.control[0]" in known.why_not(window_of_two(previous_controls=[0.4]))


@pytest.mark.parametrize("method", ["crown+cutoff", "crown+lp+cutoff"])
def test_bounds_with_a_cutoff_hold_for_one_problem_alone(method: str, tmp_path: Path) -> None:
    problem = trajectory(horizon=5, initial_state=[0.9, 0.1])
    compiled = r2m.compile(problem, bounds=method)
    bounds = compiled.all_bounds
    assert bounds.cutoff is not None
    path = bounds.save(tmp_path / "bounds.npz")
    again = r2m.compile(replace(problem), bounds=f"file(path={path})")
    assert again.all_bounds.cutoff == bounds.cutoff
    np.testing.assert_allclose(again.model.start, compiled.model.start, atol=1e-6)
    assert again.solve().objective == pytest.approx(r2m.solve(problem, bounds="crown").objective, rel=1e-4)
    for changes, message in (
        ({"initial_state": [0.9, 0.100001]}, r"t00\.state\[1\] in .* is not the same"),
        ({"cost": C.L1(state=1.0, control=1e-6)}, "cost: not the same"),
        ({"cost": C.L1(state=1.0, target=[0.1, 0.0])}, "cost: not the same"),
        ({"states": r2m.Box(-2, 2)}, "is not the same"),
    ):
        other = replace(problem, **changes)
        for use in (lambda o=other: r2m.compile(o, bounds=bounds), lambda o=other: Bounds.load(path, o)):
            with pytest.raises(InvalidProblem, match=message):
                use()
    assert "without one" in bounds.why_not(replace(problem, initial_state=[1.0, 0.1]))
    over = r2m.compile(over_box(), bounds="crown+cutoff").all_bounds
    assert over.cutoff is not None
    assert not over.covers(problem)
    assert over.covers(over_box())


def test_unsound_bounds_stay_unsound(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = {"state": rng.uniform(-2, 2, (500, 2)), "control": rng.uniform(-1, 1, (500, 1))}
    bounds = r2m.compile(over_box(), bounds=[Crown(), Data(samples=samples)]).all_bounds
    path = bounds.save(tmp_path / "bounds.npz")
    problem = over_box(initial_state=[0.9, 0.1])
    for method in (bounds, [Crown(), bounds], f"file(path={path})", f"crown+file(path={path})+ibp"):
        reused = r2m.compile(problem, bounds=method)
        assert not reused.all_bounds.sound
        assert not reused.solve().sound
    assert not Bounds.load(path, problem).sound


def test_an_infeasible_start_inside_the_box_says_so() -> None:
    known = r2m.compile(over_box(states=r2m.Box(-3, [1.25, 3.0])), bounds="crown").all_bounds
    problem = over_box(initial_state=[1.2, 0.4], states=r2m.Box(-3, [1.25, 3.0]))
    assert known.covers(problem)
    with pytest.raises(CrossedBounds):
        r2m.compile(problem, bounds=[known, Crown()])


def changed(path: Path, change: Callable[[dict], None]) -> None:
    with np.load(path) as archive:
        arrays = dict(archive)
    change(arrays)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def header(**values: object) -> Callable[[dict], None]:
    def change(arrays: dict) -> None:
        arrays["header"] = np.array(json.dumps({**json.loads(arrays["header"].item()), **values}))

    return change


def version(arrays: dict) -> None:
    facts = json.loads(arrays["header"].item())["facts"]
    header(facts={**facts, "relu2mip": "0.0.1"})(arrays)


def dropped(name: str) -> Callable[[dict], None]:
    return lambda arrays: arrays.pop(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (header(format=2), "has format 2; this relu2mip reads 1"),
        (version, r"relu2mip: .* instead of 0\.0\.1"),
        (header(facts=[1]), "is not a file of bounds"),
        (header(provenance=[{"method": "crown"}]), "is not a file of bounds"),
        (dropped("header"), "is not a file of bounds"),
        (dropped("upper"), "is damaged"),
        (lambda a: a.update(lower=a["lower"][:-1]), "is damaged"),
        (lambda a: a.update(lower=a["lower"] * np.nan), "is damaged"),
        (lambda a: a.update(lower=a["upper"] + 1), "is damaged"),
        (lambda a: a.update(boxed=a["boxed"] + 1000), "is damaged"),
        (lambda a: a.update(boxed=a["boxed"][1:], box_lower=a["box_lower"][2:], box_upper=a["box_upper"][2:]), "boxes"),
    ],
)
def test_a_damaged_file_is_refused(change: Callable[[dict], None], message: str, tmp_path: Path) -> None:
    problem = over_box()
    path = r2m.compile(problem, bounds="crown").all_bounds.save(tmp_path / "bounds.npz")
    changed(path, change)
    with pytest.raises(InvalidProblem, match=message):
        Bounds.load(path, problem)


def test_a_foreign_or_truncated_file_is_refused(tmp_path: Path) -> None:
    problem = over_box()
    path = r2m.compile(problem, bounds="crown").all_bounds.save(tmp_path / "bounds.npz")
    data = path.read_bytes()
    for content in (
        data[: len(data) // 2],
        data[:10],
        b"",
        b"no bounds at all",
        (ROOT / "pyproject.toml").read_bytes(),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidProblem, match="is not a file of bounds"):
            Bounds.load(path, problem)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InvalidProblem, match="is not a file of bounds"):
        Bounds.load(path, problem)
    np.savez(path, state=np.zeros((3, 2)), control=np.zeros((3, 1)))
    with pytest.raises(InvalidProblem, match="is not a file of bounds"):
        r2m.compile(problem, bounds=f"file(path={path})")
    with pytest.raises(InvalidProblem, match=r"no file of bounds nowhere\.npz"):
        r2m.compile(problem, bounds="file(path=nowhere.npz)")
    with pytest.raises(InvalidOption, match="need the path"):
        r2m.compile(problem, bounds="file")


def test_bounds_of_no_problem_are_neither_saved_nor_reused(tmp_path: Path) -> None:
    reduced = r2m.compile(over_box(), bounds="crown").bounds
    by_hand = compute_bounds(unrolled(mlp_form()), [Crown()])
    for bounds in (reduced, by_hand):
        with pytest.raises(InvalidProblem, match=r"compiled\.all_bounds"):
            bounds.save(tmp_path / "bounds.npz")
        assert not bounds.covers(over_box())
    assert not (tmp_path / "bounds.npz").exists()
    known = r2m.compile(over_box(), bounds="crown").all_bounds
    with pytest.raises(InvalidProblem, match="belong to no problem"):
        compute_bounds(unrolled(mlp_form()), [known])
    path = known.save(tmp_path / "bounds.npz")
    with pytest.raises(InvalidProblem, match="made by hand"):
        compute_bounds(unrolled(mlp_form()), [r2m.bounds.File(str(path))])


def test_a_problem_file_names_saved_bounds_relative_to_itself(tmp_path: Path) -> None:
    wide = TRAJECTORY.replace("[1.0, 0.0]\n", "{ lower = [0.5, -0.5], upper = [1.0, 0.5] }\n", 1)
    problem = read(write_problem(tmp_path, wide))
    r2m.compile(problem, bounds="crown").all_bounds.save(tmp_path / "known.npz")
    text = TRAJECTORY.replace("[solve]\n", '[solve]\nbounds = "file(path=known.npz)+crown"\n')
    answer = r2m.solve(read(write_problem(tmp_path, text)))
    fresh = r2m.solve(read(write_problem(tmp_path)))
    assert answer.objective == pytest.approx(fresh.objective, rel=1e-6)
    assert answer.bounds == ("sets", "reused(crown)", f"file(path={tmp_path / 'known.npz'})", "crown")
    outside = text.replace("[1.0, 0.0]", "[1.5, 0.0]", 1)
    with pytest.raises(InvalidProblem, match=r"known\.npz: t00\.state\[0\] in \[1\.5, 1\.5\] lies outside"):
        r2m.solve(read(write_problem(tmp_path, outside)))


def test_a_network_without_a_file_is_known_by_its_constants() -> None:
    assert integrator().digest == integrator().digest
    assert integrator().digest != tiny().digest
    net = integrator()
    other = replace(
        net, nodes=(replace(net.nodes[0], op=replace(net.nodes[0].op, bias=np.full(2, -1.1))), *net.nodes[1:])
    )
    known = r2m.compile(over_box(), bounds="crown").all_bounds
    assert known.covers(replace(over_box(), net=integrator()))
    assert "network" in known.why_not(replace(over_box(), net=other))


SAMPLES, CHUNK = 1_000_000, 25_000


@pytest.mark.slow
@pytest.mark.parametrize("network", ["dynamics.onnx", "dynamics_2x16.onnx"])
def test_a_million_trajectories_never_leave_a_sound_bound(network: str) -> None:
    """Inside the sets, beyond 1e-9 relative; `crown+structure` is what `auto` does before it knows a plan."""
    folder = ROOT / "examples" / "cartpole"
    given = r2m.Trajectory.from_toml(folder / "problem.toml")
    centre = np.asarray(given.initial_state)
    start = r2m.Box(centre - 0.05, centre + 0.05)
    problem = replace(given, net=r2m.load(folder / network), initial_state=start, controls=r2m.Box(-1, 1))
    methods = ["ibp", "crown", "crown+lp(budget=20s)", "crown+lp(scope=full,budget=20s)", "crown+structure"]
    found = [r2m.compile(problem, bounds=method).all_bounds for method in methods]
    assert all(bounds.sound and bounds.cutoff is None for bounds in found)
    form, rng, steps = problem.unrolled.form, np.random.default_rng(0), range(problem.horizon)
    inside = 0
    for _ in range(SAMPLES // CHUNK):
        spread = rng.choice([0.2, 1.0, 1.0, np.inf], (CHUNK, 1, 1))
        controls = rng.uniform(-1, 1, (CHUNK, problem.horizon, 1))
        controls = np.where(np.isinf(spread), np.sign(controls), controls * np.minimum(spread, 1.0))
        initial = rng.uniform(start.lower, start.upper, (CHUNK, 4))
        initial = np.where(rng.random((CHUNK, 1)) < 0.3, np.where(initial > centre, start.upper, start.lower), initial)
        values = form.evaluate_all({f"control@{t}": controls[:, t] for t in steps} | {"state@0": initial})
        good = np.ones(CHUNK, dtype=bool)
        for i, (low, high) in problem.unrolled.domain.items():
            good &= ((values[i] >= low) & (values[i] <= high)).all(axis=1)
        inside += int(good.sum())
        for i, value in enumerate(values):
            value, place = value[good], form.values[i].place.prefix
            slack = 1e-9 * np.maximum(1.0, np.abs(value))
            least, most = (value + slack).min(axis=0), (value - slack).max(axis=0)
            for method, bounds in zip(methods, found, strict=True):
                assert (least >= bounds.lower[i]).all(), (method, place)
                assert (most <= bounds.upper[i]).all(), (method, place)
    assert inside > 0.9 * SAMPLES
