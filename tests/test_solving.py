"""A solver's word becomes an answer only through the check; every other end is its own error."""

import json
from dataclasses import replace

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import (
    InfeasibleProblem,
    InvalidOption,
    InvalidProblem,
    NoIncumbent,
    SolverFailure,
    UnboundedProblem,
)
from relu2mip.ir.samples import integrator, tiny
from relu2mip.mip import Solution, Stop
from relu2mip.pipeline import searching
from relu2mip.trajectory import size
from relu2mip.trajectory.conflict import sets_in


def problem(**changes: object) -> r2m.Trajectory:
    settings: dict = {"horizon": 4, "initial_state": [1.0, 0.0], "controls": r2m.Finite([[-1, 1]])}
    settings |= {"predicts": "change", "states": r2m.Box(-3, 3), "cost": r2m.costs.L1(state=1.0)}
    return r2m.Trajectory(integrator(), **{**settings, **changes})


GATE = r2m.Linear(state=[[1, 1.0]], lower=1.3, name="gate", steps=[2])
CORRIDOR = r2m.Linear(state=[[1, 1.0]], upper=0.7, name="corridor", steps=[3])
"""Together they leave no plan."""


def test_an_infeasible_problem_names_the_sets_by_step() -> None:
    for backend in ("highs", "gurobi"):
        with pytest.raises(InfeasibleProblem, match=r"in conflict: constraint 'gate' at step 2") as caught:
            r2m.solve(problem(constraints=[GATE, CORRIDOR]), backend)
        assert {"constraint 'gate' at step 2", "constraint 'corridor' at step 3"} <= set(caught.value.conflict)
    with pytest.raises(InfeasibleProblem, match="no plan satisfies"):
        r2m.solve(problem(constraints=[GATE, CORRIDOR]), "cvxpy")


def test_rows_and_columns_of_a_conflict_become_sets_as_they_were_given() -> None:
    names = [
        "t03.state[1]",
        "t02.control[0]",
        "t02.layer1.relu[3].above",
        "t03.state[0].is",
        "t02.gate[0]",
        "t00.state[0]",
    ]

    def said(names: list[str], **changes: object) -> tuple[str, ...]:
        made = problem(**{"constraints": [GATE], **changes})
        model = r2m.compile(made, bounds="ibp", formulation="big-m").model
        assert set(names) <= {*model.row_names, *model.column_names, "t02.layer1.relu[3].above"}
        return sets_in(names, model, made)

    assert said(names) == ("constraint 'gate' at step 2", "states at step 3", "initial state", "controls at step 2")
    assert said(names, state_names=["p", "v"], control_names=["force"])[1::2] == ("v at step 3", "force at step 2")
    assert said(["t04.state[0]"], terminal=r2m.Box(0, 1)) == ("terminal set",)
    aim = r2m.Linear(state=[[1, 1.0]], lower=0.1, name="terminal")
    assert said(["t04.terminal[0]"], terminal=aim) == ("terminal set",)
    assert said(["t01.control[0].choice[2]"], controls=r2m.Finite([[-1, 0, 1]])) == ("controls at step 1",)
    assert "states at step 3" not in said(names, states=None)
    always = r2m.Linear(state=[[1, 1.0]], lower=-4, name="state1")
    assert len(said([f"t{k:02d}.state1[0]" for k in range(1, 9)], constraints=[always], horizon=8)) == 5
    assert said(["t02.layer1.relu[3].above"]) == ("t02.layer1.relu[3].above",)


def test_a_set_out_of_reach_says_by_how_much_and_of_what() -> None:
    far = problem(states=r2m.Box([2.5, -3], [3, 3]), state_names=["position", "speed"])
    with pytest.raises(InfeasibleProblem, match=r"position at step 1 \(t01\.state\[0\]\).*it misses its set by 1\.5"):
        r2m.solve(far)


@pytest.mark.parametrize(
    ("stop", "error"),
    [
        (Stop.TIME_LIMIT, NoIncumbent),
        (Stop.NODE_LIMIT, NoIncumbent),
        (Stop.INFEASIBLE, InfeasibleProblem),
        (Stop.UNBOUNDED, UnboundedProblem),
        (Stop.FAILED, SolverFailure),
    ],
)
def test_no_point_is_an_error_of_its_own(monkeypatch, stop: Stop, error: type[Exception]) -> None:
    """Of a problem for which sampling finds no plan either: it has none."""
    monkeypatch.setattr(searching, "run", lambda *_: Solution(stop, bound=-3.5, seconds=1.0))
    with pytest.raises(error) as caught:
        r2m.solve(problem(constraints=[GATE, CORRIDOR]))
    if isinstance(caught.value, NoIncumbent):
        assert caught.value.bound == -3.5
        assert caught.value.stop == str(stop)


def test_a_known_plan_is_the_answer_where_the_solver_denies_it(monkeypatch) -> None:
    monkeypatch.setattr(searching, "run", lambda *_: Solution(Stop.INFEASIBLE, bound=np.inf))
    answer = r2m.solve(problem(), bounds="crown+cutoff")
    assert (answer.status, answer.has_plan, answer.bound) == ("unsettled", True, -np.inf)
    assert "the plan is a known one" in answer.message


def test_states_and_cost_are_what_the_network_makes_of_the_controls(monkeypatch) -> None:
    real = searching.run

    def lying(model, *rest):
        solution = real(model, *rest)
        x = solution.x.copy()
        x[model.values["t02.state"]] += 0.3
        return replace(solution, x=x)

    honest = r2m.solve(problem())
    monkeypatch.setattr(searching, "run", lying)
    answer = r2m.solve(problem(), "highs(incumbents=off)")  # so that no other plan is known
    assert answer.objective == pytest.approx(honest.objective)
    np.testing.assert_allclose(answer.states, problem().rollout(answer.controls))
    assert answer.check.max_error >= 0.29
    assert answer.check.relative_error > 0.05
    assert answer.check.rows > 0.1
    assert answer.check.errors["graph"].index(max(answer.check.errors["graph"])) >= 1
    assert any("off by" in note for note in answer.check.notes)


def test_controls_that_leave_the_sets_are_no_plan(monkeypatch) -> None:
    """Zeros are what a modelling layer returns at a limit without an incumbent."""
    impossible = problem(constraints=[GATE, CORRIDOR])
    monkeypatch.setattr(searching, "run", lambda m, *_: Solution(Stop.TIME_LIMIT, x=np.zeros(m.columns), objective=0.0))
    answer = r2m.solve(impossible, "highs(incumbents=off)")
    assert not answer.has_plan
    assert answer.check.sets > 0.01


@pytest.mark.parametrize("case", ["trajectory", "box"])
def test_an_answer_is_saved_and_loaded(tmp_path, case: str) -> None:
    asked = problem() if case == "trajectory" else r2m.BoxProblem(tiny(), -1, 1, [1.0], "max")
    answer = r2m.solve(asked)
    loaded = r2m.Answer.load(answer.save(tmp_path / "answer.json"))
    assert loaded.to_dict() == answer.to_dict()
    assert json.loads((tmp_path / "answer.json").read_text())["check"]["passed"] is True
    if case == "trajectory":
        np.testing.assert_array_equal(loaded.states, answer.states)
    broken = tmp_path / "broken.json"
    broken.write_text('{"status": "optimal"}')
    with pytest.raises(InvalidProblem, match=r"broken\.json is not an answer"):
        r2m.Answer.load(broken)


def test_an_unproven_bound_is_null_in_json(tmp_path, monkeypatch) -> None:
    real = searching.run
    monkeypatch.setattr(searching, "run", lambda *a: replace(real(*a), bound=-np.inf))
    answer = r2m.solve(problem())
    assert json.loads(answer.save(tmp_path / "a.json").read_text())["bound"] is None
    assert r2m.Answer.load(tmp_path / "a.json").bound == -np.inf


BAD = {
    "horizon 0": ({"horizon": 0}, "horizon is 0"),
    "horizon 2.5": ({"horizon": 2.5}, r"horizon is 2\.5"),
    "horizon beyond memory": (
        {"horizon": 99_999_999_999},
        r"horizon is 99,999,999,999: .* at least 199 TB .* fewer than [\d,]+ steps",
    ),
    "state size": ({"initial_state": [1.0, 0.0, 0.0]}, r"initial_state has shape \(3,\).*predicts 2 states"),
    "state NaN": ({"initial_state": [1.0, np.nan]}, "finite numbers"),
    "empty box": ({"states": r2m.Box([-1, 1], [1, -1])}, r"states: the box \[1, -1\] of unit 1 at step 1 is empty"),
    "box size": ({"states": r2m.Box([-1, 1, 0], 3)}, r"states: lower has shape \(3,\)"),
    "infinite controls": ({"controls": r2m.Box(-1, np.inf)}, r"controls: the box \[-1, inf\].*infinite"),
    "no control values": ({"controls": r2m.Finite([[]])}, "one list of finite values"),
    "control lists": ({"controls": r2m.Finite([[1], [2]])}, "each of the 1 controls"),
    "predicts": ({"predicts": "delta"}, '"state" or "change"'),
    "window without history": ({"window": 2}, "check window"),
    "window beyond the network": ({"window": 10**11}, "window is 100000000000; integrator has 3 inputs"),
    "weights": ({"cost": r2m.costs.L1(state=[1.0, 2.0, 3.0])}, "state has shape"),
    "negative weight": ({"cost": r2m.costs.L1(state=-1.0)}, "negative weight.*not be convex"),
    "no weights": ({"cost": r2m.costs.L1()}, "has no weights"),
    "non-convex": ({"cost": r2m.costs.Quadratic(state=[[1.0, 2.0], [2.0, 1.0]])}, "eigenvalue -1.*not convex"),
    "asymmetric": ({"cost": r2m.costs.Quadratic(state=[[1.0, 2.0], [0.0, 1.0]])}, "symmetric"),
    "reference": ({"cost": r2m.costs.L1(target=np.zeros((3, 2)), state=1.0)}, r"a reference \(4, 2\)"),
    "cost network": ({"cost": r2m.costs.Network(integrator())}, "3 inputs, 2 outputs"),
    "terminal box": ({"terminal": r2m.Box(4, 5)}, "terminal and states together.*is empty"),
    "constraint steps": ({"constraints": [r2m.Linear(state=[[1.0, 0]], steps=[5])]}, r"step 5 is outside 1 \.\.\. 4"),
    "constraint shape": ({"constraints": [r2m.Linear(state=[[1.0]])]}, r"give finite matrices \(r, 2\)"),
    "names": ({"state_names": ["p"]}, "state_names has 1 names for 2 states"),
    "rate": ({"control_rate": r2m.Box(1, -1)}, "control_rate: the box"),
    "previous controls": ({"previous_controls": [1.0, 2.0]}, "previous_controls has shape"),
    "normalisation": ({"normalisation": r2m.Normalisation(state=(0.0, 0.0))}, "scales other than 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_problems_are_refused_where_they_are_made(name: str) -> None:
    changes, message = BAD[name]
    with pytest.raises(InvalidProblem, match=message):
        problem(**changes)


def test_a_horizon_that_does_not_fit_is_refused_before_it_is_unrolled(monkeypatch) -> None:
    needed = 8 * size.step_bytes(problem().dynamics.step())
    monkeypatch.setattr(size, "memory", lambda: needed)
    assert problem(horizon=8).unrolled.form.outputs
    with pytest.raises(InvalidProblem, match=r"horizon is 9: .*fewer than 8 steps"):
        _ = problem(horizon=9).unrolled


@pytest.mark.parametrize(
    ("option", "message"),
    [({"time_limit": 0.0}, "time_limit is 0"), ({"gap": 2.0}, "gap is 2"), ({"seed": -1}, "at least 0"),
     ({"threads": "two"}, "threads.*'two'; give a whole number")],
)  # fmt: skip
def test_bad_solve_options(option: dict, message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        r2m.solve(problem(), **option)


def test_emitting_bounds_that_hold_for_good_plans_only_warns() -> None:
    compiled = r2m.compile(problem(), bounds="crown+cutoff")
    assert compiled.all_bounds.cutoff is not None
    with pytest.warns(UserWarning, match='compile with bounds="crown"'):
        compiled.emit("highs")
    r2m.compile(problem(), bounds="crown").emit("highs")
