"""Problem files: every key of the documentation is read, and everything else is refused with its place."""

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidNetwork, InvalidOption, InvalidProblem, UnknownOption
from relu2mip.trajectory import costs
from relu2mip.trajectory.read import read
from relu2mip.trajectory.toml import NORMS, box_problem_keys, cost_keys, trajectory_keys
from tests.conftest import ROOT
from tests.problem_files import BOX, TRAJECTORY, write_networks, write_problem

PAGE = (ROOT / "docs" / "problem-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


class TestDocumentation:
    @pytest.mark.parametrize("number", range(len(EXAMPLES)))
    def test_example_is_solved_and_checked(self, number: int, tmp_path: Path):
        answer = r2m.solve(read(write_problem(tmp_path, EXAMPLES[number])))
        assert answer.status == "optimal"
        assert answer.has_plan

    def test_there_is_an_example_of_each_kind(self, tmp_path: Path):
        kinds = {type(read(write_problem(tmp_path, text))).__name__ for text in EXAMPLES}
        assert kinds == {"Trajectory", "BoxProblem"}

    def test_tables_name_every_key(self):
        listed = set(re.findall(r"`([a-z_]+)`", "\n".join(re.findall(r"^\|([^|]*)\|", PAGE, flags=re.MULTILINE))))
        keys = {
            *trajectory_keys(ROOT),
            *box_problem_keys(ROOT),
            *(k for kind in cost_keys(ROOT).values() for k in kind),
        }
        assert keys <= listed
        assert {f.name for f in fields(r2m.SolveOptions)} | {"backend", "bounds", "formulation"} <= listed


class TestKeysAreTheFields:
    def test_of_a_trajectory(self):
        named = {"net": "network", "cost": "costs", "options": "solve"}
        keys = set(trajectory_keys(ROOT)) - {"control", "scenarios"}  # those tables are arguments of functions
        assert {named.get(f.name, f.name) for f in fields(r2m.Trajectory)} == keys

    def test_of_a_box_problem(self):
        named = {"net": "network", "options": "solve"}
        assert {named.get(f.name, f.name) for f in fields(r2m.BoxProblem)} == set(box_problem_keys(ROOT))

    @pytest.mark.parametrize("kind", ["l1", "linf", "quadratic", "network"])
    def test_of_a_cost(self, kind: str):
        cost = costs.Network if kind == "network" else NORMS[kind]
        assert {"network" if f.name == "net" else f.name for f in fields(cost)} == set(cost_keys(ROOT)[kind])
        assert cost.name == kind


def test_trajectory_equals_the_one_built_in_python(tmp_path: Path):
    problem = r2m.Trajectory.from_toml(write_problem(tmp_path))
    same = r2m.Trajectory(
        r2m.load(tmp_path / "dynamics.onnx"),
        horizon=3,
        initial_state=[1.0, 0.0],
        predicts="change",
        states=r2m.Box(-2, 2),
        controls=r2m.Box(-1, 1),
        cost=r2m.costs.L1(state=[1.0, 0.1], control=0.01),
    )
    rng = np.random.default_rng(0)
    controls = rng.uniform(-1, 1, (5, 3, 1))
    states = problem.rollout(controls)
    np.testing.assert_array_equal(states, same.rollout(controls))
    np.testing.assert_array_equal(problem.evaluate_cost(states, controls), same.evaluate_cost(states, controls))
    assert problem.options == {"time_limit": 30.0}
    assert r2m.solve(problem).objective == pytest.approx(r2m.solve(same).objective, abs=1e-6)


def test_every_part_of_the_file_reaches_the_problem(tmp_path: Path):
    (text,) = (text for text in EXAMPLES if "corridor" in text)
    problem = r2m.Trajectory.from_toml(write_problem(tmp_path, text))
    assert isinstance(problem.initial_state, r2m.Box)
    assert isinstance(problem.controls, r2m.Finite)
    assert isinstance(problem.terminal, r2m.Linear)
    assert [constraint.name for constraint in problem.all_constraints] == ["corridor", "brake", "terminal"]
    assert problem.constraints[0].steps == (1, 2, 3)
    assert problem.cost is not None
    assert [part.name for part in problem.cost.parts()] == ["linf", "quadratic", "network"]
    states, controls = np.zeros((7, 2)), np.zeros((6, 1))
    states[:, 0], controls[0] = 0.5, 1.0
    residual = np.array([0.5, 0.1])
    expected = 6 * 0.5 + residual @ [[2.0, 0.5], [0.5, 1.0]] @ residual + 0.1 * (1 + 1) + 0.1 * 6 * 0.5
    assert problem.evaluate_cost(states, controls) == pytest.approx(expected)
    window = r2m.Trajectory.from_toml(write_problem(tmp_path, next(t for t in EXAMPLES if "window = 2" in t)))
    assert window.dynamics.layout == {
        "past": ("state[-1]", "state[0]", "control[-1]"),
        "force": ("control[0]",),
    }
    assert window.normalisation is not None
    np.testing.assert_array_equal(window.normalisation.state, ([0.0, 0.5], [2.0, 1.0]))


def test_sets_that_are_soft_or_not_convex_reach_the_problem(tmp_path: Path):
    (text,) = (text for text in EXAMPLES if "any_of" in text)
    problem = r2m.Trajectory.from_toml(write_problem(tmp_path, text))
    post, way = problem.constraints
    assert isinstance(post, r2m.Outside)
    assert isinstance(post.region, r2m.Box)
    assert (post.between, post.margin) == (1, 0.05)
    assert isinstance(way, r2m.AnyOf)
    assert [type(part).__name__ for part in way.sets] == ["Box", "Linear"]
    assert problem.cost is not None
    soft, box = problem.cost.parts()[-2:]
    assert isinstance(box, r2m.Soft)
    assert isinstance(box.within, r2m.Box)
    assert isinstance(soft, r2m.Soft)
    assert (soft.weight, soft.norm) == (10.0, "linf")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", state=rng.normal(size=(50, 2)), control=rng.normal(size=(50, 1)))
    more = '\n[[constraints]]\ntrust_region = "data.npz"\nquantile = 0.9\nsoft = 1.0\n'
    held = r2m.Trajectory.from_toml(write_problem(tmp_path, text + more))
    assert held.cost is not None
    assert len(held.cost.parts()) == 4
    for wrong, match in (
        ("outside = { lower = 0, upper = 1 }\nany_of = []", "give one of them"),
        ("outside = { centre = [0.0, 0.0] }", "radius"),
        ('state = [[1.0, 0.0]]\nupper = 1\nnorm = "l1"', "a norm without soft"),
        ("outsde = { lower = 0, upper = 1 }", "outsde"),
        ("box = { lower = 0, upper = 1 }", r"constraints\[4\] has a box without soft; .* is the key states"),
        ("box = { lower = 0, upper = 1 }\nsoft = -1.0", "weight"),
        ("box = { lower = 0, upper = 1 }\nsoft = 1.0\nsteps = [1]", "steps"),
    ):
        with pytest.raises((InvalidProblem, UnknownOption), match=match):
            r2m.Trajectory.from_toml(write_problem(tmp_path, f"{text}\n[[constraints]]\n{wrong}\n"))


def test_soft_states_are_those_built_in_python(tmp_path: Path):
    text = TRAJECTORY.replace("upper = 2\n", "upper = [2.0, 0.3]\nsoft = [3.0, 4.0]\nnorm = 'linf'\n")
    problem = r2m.Trajectory.from_toml(write_problem(tmp_path, text))
    hard = r2m.Trajectory.from_toml(write_problem(tmp_path))
    same = replace(hard, states=r2m.Soft(r2m.Box(-2, [2.0, 0.3]), [3.0, 4.0], "linf"))
    assert problem.states is None
    rng = np.random.default_rng(0)
    controls = rng.uniform(-1, 1, (9, 3, 1))
    states = 2 * problem.rollout(controls)
    np.testing.assert_array_equal(problem.evaluate_cost(states, controls), same.evaluate_cost(states, controls))
    assert (problem.evaluate_cost(states, controls) > hard.evaluate_cost(states, controls)).any()
    away = problem.changed(initial_state=[3.0, 0.0])
    assert r2m.solve(away).has_plan, "a state outside of the box does not end it"


def test_scenarios_are_those_built_in_python(tmp_path: Path):
    (text,) = (text for text in EXAMPLES if "[scenarios]" in text)
    problem = read(write_problem(tmp_path, text))
    assert isinstance(problem, r2m.Trajectory)
    nets = [r2m.load(tmp_path / f"{name}.onnx") for name in ("dynamics", "heavier")]
    before, after = text.partition("[scenarios]")[0], text.partition("\n[states]")[2]
    one = r2m.Trajectory.from_toml(write_problem(tmp_path, f"{before}[states]{after}"))
    assert one.n == 2
    same = r2m.scenarios(one, nets, [[1.0, 0.0], [0.9, 0.1]], cost="worst")
    controls = np.random.default_rng(0).uniform(-1, 1, (9, 4, 1))
    states = problem.rollout(controls)
    np.testing.assert_array_equal(states, same.rollout(controls))
    assert np.abs(states[..., :2] - states[..., 2:]).max() > 0.1
    np.testing.assert_array_equal(problem.evaluate_cost(states, controls), same.evaluate_cost(states, controls))
    assert r2m.solve(problem).objective == pytest.approx(r2m.solve(same).objective, abs=1e-6)


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        ("", InvalidProblem, "scenarios: give networks, initial_states, or both"),
        ("network = []", UnknownOption, r"in \[scenarios\]: 'network': did you mean 'networks'"),
        ('networks = "dynamics.onnx"', InvalidProblem, "scenarios.networks is 'dynamics.onnx'; give a list"),
        ('networks = ["missing.onnx"]', InvalidProblem, r"scenarios.networks\[0\]: there is no file"),
        ('networks = ["dynamics.onnx", "window.onnx"]', InvalidProblem, "scenario 1, with window: "),
        ("initial_states = [[0.0, 0.0], [0.0]]", InvalidProblem, "scenario 1, with .*: initial_state has shape"),
        ("initial_states = [[0.0, 0.0]]\ncost = 'median'", InvalidProblem, "cost is 'median'; give \"mean\" or"),
        (
            'networks = ["dynamics.onnx", "heavier.onnx"]\ninitial_states = [[0.0, 0.0], [0.1, 0.0], [0.2, 0.0]]',
            InvalidProblem,
            "2 networks, 3 initial states; give as many, or one",
        ),
    ],
)
def test_bad_scenarios_are_refused_with_their_place(tmp_path: Path, table: str, error: type, message: str):
    path = write_problem(tmp_path, f"{TRAJECTORY}\n[scenarios]\n{table}\n")
    with pytest.raises(error, match=message) as raised:
        read(path)
    assert str(raised.value).startswith(str(path))


def test_infinite_limits_and_one_sided_boxes(tmp_path: Path):
    text = TRAJECTORY.replace("upper = 2\n", "upper = [inf, 2.5]\n")
    _, upper = r2m.Trajectory.from_toml(write_problem(tmp_path, text)).state_limits
    assert upper[0].tolist() == [np.inf, 2.5]


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = tmp_path / "plans"
    folder.mkdir()
    rng = np.random.default_rng(0)
    np.savez(folder / "samples.npz", state=rng.uniform(-2, 2, (500, 2)), control=rng.uniform(-1, 1, (500, 1)))
    text = TRAJECTORY.replace("[solve]", '[solve]\nbounds = "ibp+data(path=samples.npz, margin=0.1)"')
    path = write_problem(folder, text)
    monkeypatch.chdir(tmp_path)
    compiled = r2m.compile(read(path.relative_to(tmp_path)))
    assert not compiled.all_bounds.sound


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        # keys
        ("horizon = 3", "horizn = 3", UnknownOption, "unknown key 'horizn': did you mean 'horizon'"),
        ("[states]", "[state]", UnknownOption, "unknown key 'state': did you mean 'states'"),
        ("lower = -2", "lowr = -2", UnknownOption, r"unknown key in \[states\]: 'lowr': did you mean 'lower'"),
        ("control = 0.01", "contrl = 0.01", UnknownOption, r"in \[costs\[0\]\]: 'contrl': did you mean 'control'"),
        ("time_limit", "timelimit", UnknownOption, r"unknown key in \[solve\]: 'timelimit': did you mean 'time_limit'"),
        ('"l1"', '"l11"', UnknownOption, "'l11': did you mean 'l1'"),
        ("time_limit = 30", 'backend = "hihgs"', UnknownOption, "backend 'hihgs': did you mean 'highs'"),
        ("time_limit = 30", 'bounds = "ibpp"', UnknownOption, "bounds 'ibpp': did you mean 'ibp'"),
        ("time_limit = 30", 'formulation = "bigm"', UnknownOption, "formulation.? 'bigm': did you mean 'big-m'"),
        ("time_limit = 30", 'backend = "cvxpy(solvr=SCIP)"', UnknownOption, "'solvr': did you mean 'solver'"),
        # what a file must have, and only one of
        ("horizon = 3", "", InvalidProblem, "neither horizon nor objective"),
        ("horizon = 3", "horizon = 3\nobjective = [1.0]", InvalidProblem, "both horizon and objective"),
        ("initial_state = [1.0, 0.0]", "", InvalidProblem, "has no initial_state"),
        ("upper = 2", "", InvalidProblem, "states has no upper"),
        ('kind = "l1"', "", InvalidProblem, r"costs\[0\] has no kind"),
        # types
        ("horizon = 3", "horizon = 3.0", InvalidProblem, "horizon is 3.0; give a whole number"),
        ("horizon = 3", "horizon = true", InvalidProblem, "horizon is True; give a whole number"),
        (
            "initial_state = [1.0, 0.0]",
            'initial_state = "zero"',
            InvalidProblem,
            "initial_state is 'zero'; give a number",
        ),
        ("[1.0, 0.0]", "[1.0, [0.0]]", InvalidProblem, r"initial_state\[0\] is 1.0; give a list"),
        ("[1.0, 0.0]", "[[1.0], [0.0, 1.0]]", InvalidProblem, "initial_state has rows of 1, 2 numbers"),
        ("lower = -2", "lower = false", InvalidProblem, "states.lower is False"),
        ('predicts = "change"', "predicts = 1", InvalidProblem, "predicts is 1; give a text"),
        ("[states]\n", "states = 2\n[terminal]\n", InvalidProblem, "states is 2; give a table with lower, upper"),
        ("[[costs]]", "[costs]", InvalidProblem, "costs is .* give a list"),
        ("control = 0.01", "keypoints = [[1.0, 0.0]]", InvalidProblem, r"costs\[0\].keypoints is .* matrix, offset"),
        ("time_limit = 30", "time_limit = [1]", InvalidOption, "time_limit"),
        ("time_limit = 30", "binary_horizon = 1.5", InvalidProblem, "solve.binary_horizon is 1.5; give a whole number"),
        (
            "time_limit = 30",
            "binary_horizon = -1",
            InvalidProblem,
            "binary_horizon is -1; give a whole number, at least 0",
        ),
        ("lower = -2", "lower = -2\nnorm = 'l1'", InvalidProblem, "states has a norm without soft"),
        ("lower = -2", "lower = -2\nsoft = 1\nnorm = 'l3'", InvalidProblem, "norm is 'l3'"),
        ("time_limit = 30", "threads = 1.5", InvalidOption, "'threads' is 1.5; give a whole number"),
        # values and sizes
        ("horizon = 3", "horizon = 0", InvalidProblem, "horizon is 0; .*at least 1"),
        ('"change"', '"delta"', InvalidProblem, "predicts is 'delta'"),
        ("[1.0, 0.0]", "[1.0, 0.0, 0.0]", InvalidProblem, "initial_state has shape .* 2 states"),
        ("[1.0, 0.0]", "[1.0, nan]", InvalidProblem, "initial_state .*finite"),
        ("lower = -2", "lower = [-2, -2, -2]", InvalidProblem, "states: lower has shape"),
        ("lower = -2", "lower = [-2, 3]", InvalidProblem, r"states: the box \[3, 2\] of unit 1 at step 1 is empty"),
        ("lower = -1", "lower = -inf", InvalidProblem, "controls: .* unit 0 at step 0 is infinite"),
        ("state = [1.0, 0.1]", "state = [1.0, -0.1]", InvalidProblem, "negative weight"),
        ("time_limit = 30", "time_limit = -30", InvalidOption, "time_limit is -30"),
        ("time_limit = 30", "gap = 2.0", InvalidOption, "gap is 2.0"),
        # networks
        ("dynamics.onnx", "dynamic.onnx", InvalidProblem, "network: there is no file .*dynamic.onnx; .*relative"),
        ("dynamics.onnx", "problem.toml", InvalidNetwork, "problem.toml: is not an ONNX file"),
        ("dynamics.onnx", "unsupported.onnx", InvalidNetwork, r"(?s)2 node.*Sigmoid.*Tanh"),
        (
            "dynamics.onnx",
            "cost.onnx",
            InvalidProblem,
            "cost has 2 inputs and predicts 1 states|initial_state has shape",
        ),
        ("horizon = 3", "horizon = ", InvalidProblem, r"problem.toml: not a TOML file: .*line 3"),
    ],
)
def test_bad_file_is_refused_with_its_place(tmp_path: Path, old: str, new: str, error: type, message: str):
    assert old in TRAJECTORY
    path = write_problem(tmp_path, TRAJECTORY.replace(old, new, 1))
    with pytest.raises(error, match=message) as raised:
        r2m.Trajectory.from_toml(path)
    if error is not InvalidNetwork:
        assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sense", "sence", "unknown key 'sence': did you mean 'sense'"),
        ('"max"', '"best"', "sense is 'best'"),
        ("[1.0, -1.0]", "[1.0]", "objective has 1 entries; .* 2 outputs"),
        ("lower = [-1.0, -1.0, -0.5]", "lower = [-1.0, 2.0, -0.5]", "inputs: .* unit 1 .*empty"),
        ("lower = [-1.0, -1.0, -0.5]", "lower = -inf", "lower is -inf; give finite limits"),
        ("lower = [-1.0, -1.0, -0.5]", "", "has no lower"),
        ("sense", "[states]\nlower = 0\nupper = 1\n[solve]\nsense", "unknown key 'states'"),
    ],
)
def test_bad_box_problem_is_refused(tmp_path: Path, old: str, new: str, message: str):
    with pytest.raises((InvalidProblem, UnknownOption), match=message):
        r2m.BoxProblem.from_toml(write_problem(tmp_path, BOX.replace(old, new, 1)))


def test_each_kind_refuses_the_other(tmp_path: Path):
    with pytest.raises(InvalidProblem, match="describes a BoxProblem"):
        r2m.Trajectory.from_toml(write_problem(tmp_path, BOX))
    with pytest.raises(InvalidProblem, match="describes a Trajectory"):
        r2m.BoxProblem.from_toml(write_problem(tmp_path, TRAJECTORY))


def test_files_that_are_no_problem_files(tmp_path: Path):
    write_networks(tmp_path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    for name, message in {
        "missing.toml": "cannot read the problem file: No such file",
        ".": "cannot read the problem file: Is a directory",
        "dynamics.onnx": "this is a network; give a problem file",
        "bytes.toml": "not a TOML file",
    }.items():
        with pytest.raises(InvalidProblem, match=message):
            read(tmp_path / name)
