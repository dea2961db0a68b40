"""What a person plainly means is accepted, and is what they mean; what contradicts itself is refused."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidProblem, UnknownOption
from relu2mip.ir.samples import integrator
from tests.problem_files import dynamics, exogenous
from tests.trajectory.test_plans import plan

C = r2m.costs


def saying(**entries: object) -> r2m.Graph:
    """The dynamics, whose file says so."""
    model = dynamics()
    for key, value in entries.items():
        model.metadata_props.add(key=f"relu2mip.{key}", value=json.dumps(value))
    return r2m.load(model.SerializeToString())


def limits(problem: r2m.Trajectory) -> list[np.ndarray]:
    return [*problem.state_limits, *problem.control_limits]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"states": (-1, 1)}, {"states": r2m.Box(-1, 1)}),
        ({"states": [[-1, -2], [1, 2]]}, {"states": r2m.Box([-1, -2], [1, 2])}),
        ({"controls": (-1, 1)}, {"controls": r2m.Box(-1, 1)}),
        ({"controls": [r2m.Box(-1, 1)]}, {"controls": r2m.Box(-1, 1)}),
        ({"controls": [r2m.Finite([0, 1])]}, {"controls": r2m.Finite([[0, 1]])}),
        ({"controls": r2m.Finite([1, 0])}, {"controls": r2m.Finite([[0, 1]])}),
        ({"terminal": [0.5, 0.1]}, {"terminal": r2m.Box([0.5, 0.1], [0.5, 0.1])}),
        ({"terminal": np.array([0.5, 0.1])}, {"terminal": r2m.Box([0.5, 0.1], [0.5, 0.1])}),
        ({"terminal": 0.0}, {"terminal": r2m.Box(0, 0)}),
        ({"terminal": ([0, 0], [1, 1])}, {"terminal": r2m.Box(0, 1)}),
    ],
)
def test_sets(given: dict, meant: dict) -> None:
    for one, other in zip(limits(plan(**given)), limits(plan(**meant)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_one_for_several_and_several_for_one() -> None:
    row, cost = r2m.Linear([[1.0, 0.0]], upper=2.0), C.L1(state=1.0)
    assert plan(constraints=row).all_constraints == plan(constraints=[row]).all_constraints == (row,)
    assert plan(constraints=None).all_constraints == ()
    added = plan(cost=[cost, C.LInf(control=1.0)])
    assert added.cost is not None
    assert [part.name for part in added.cost.parts()] == ["l1", "linf"]
    ends = plan(terminal=[row, r2m.Linear([[0.0, 1.0]], lower=-1.0)]).all_constraints
    assert [(end.name, end.steps) for end in ends] == [("terminal1", (4,)), ("terminal2", (4,))]
    assert plan(horizon=np.int64(4), window=np.int64(1)).horizon == 4


def test_a_path_is_a_network_and_an_answer_a_start(tmp_path: Path) -> None:
    onnx.save(dynamics(), tmp_path / "net.onnx")
    problem = plan(net=tmp_path / "net.onnx")
    answer = r2m.solve(problem)
    assert r2m.solve(problem, start=answer).objective == pytest.approx(answer.objective)
    assert r2m.solve(problem, start=answer.controls[:, 0]).objective == pytest.approx(answer.objective)
    free = plan(initial_state=r2m.Box([0.9, 0.5], [1.0, 0.5]))
    best = r2m.solve(free)
    assert r2m.solve(free, start=best).objective == pytest.approx(best.objective)
    box = r2m.BoxProblem(tmp_path / "net.onnx", -1, 1, [1.0, 0.0])
    assert r2m.solve(box, start=r2m.solve(box)).status == "optimal"
    with pytest.raises(InvalidProblem, match="start: this answer has no plan"):
        r2m.solve(problem, start=replace(answer, has_plan=False))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"states": 3.0}, r"states is 3\.0; give a Box\(lower, upper\)"),
        ({"control_rate": 1.0}, "control_rate is 1"),
        ({"terminal": "origin"}, "terminal is 'origin'; give a Box"),
        ({"terminal": r2m.Finite([0, 1])}, "terminal is Finite"),
        ({"terminal": [0.0, 0.0, 0.0]}, "a point of 2 finite numbers"),
        ({"terminal": r2m.Linear([[1.0, 1.0]], upper=1.0, steps=[1])}, "terminal: .*which holds at step H"),
        ({"initial_state": [np.nan, 0.0]}, "initial_state has nan at entry 0"),
        ({"initial_state": [[1.0], [1.0, 2.0]]}, "initial_state is .*rows of one length"),
        ({"cost": lambda x, u: 0.0}, "cost is <function"),
        ({"delay": 1}, "a delay of 1 needs 1 finite past controls"),
        ({"known": {"wind": [1, 2, 3, 4]}}, "no input 'wind', and inputs= reads none"),
        ({"known": {"wind": [1, 2, 3]}}, r"known\['wind'\] is .*shape \(4, k\)"),
        ({"known": {"state[0]": 1.0}}, "'state\\[0\\]' is the name of a state or control"),
        ({"controls": [r2m.Box(-1, 1), r2m.Box(-1, 1)]}, "controls has 2 sets for 1 controls"),
    ],
)
def test_what_has_no_plain_meaning_is_refused(given: dict, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        plan(**given)


def test_options_are_known_and_right_at_once() -> None:
    with pytest.raises(UnknownOption, match="did you mean 'time_limit'"):
        plan(options={"time_limt": 3})
    with pytest.raises(r2m.Relu2MipError, match="time_limit"):
        plan(options={"time_limit": "soon"})
    with pytest.raises(InvalidProblem, match="lower = inf"):
        plan(constraints=r2m.Linear([[1.0, 0.0]], lower=np.inf))


def test_the_file_of_a_network_sets_the_defaults(caplog: pytest.LogCaptureFixture) -> None:
    net = saying(
        predicts="change", window=1, state_names=["p", "v"], control_names=["f"],
        state_range={"lower": [-1, -1], "upper": [1, 1]},
    )  # fmt: skip
    settings = {"horizon": 4, "initial_state": [1.0, 0.5], "controls": r2m.Box(-1, 1)}
    problem = r2m.Trajectory(net, **settings)
    assert (problem.predicts, problem.window, problem.state_names, problem.control_names) == (
        "change", 1, ("p", "v"), ("f",),
    )  # fmt: skip
    u = np.full((4, 1), 0.3)
    np.testing.assert_allclose(
        problem.rollout(u), r2m.Trajectory(integrator(), **settings, predicts="change").rollout(u), atol=1e-6
    )
    with pytest.raises(InvalidProblem, match=r"predicts is 'state', but the file of .* says 'change'"):
        r2m.Trajectory(net, **settings, predicts="state")
    with pytest.raises(InvalidProblem, match="window is 2, but the file"):
        r2m.Trajectory(net, **settings, window=2)
    with caplog.at_level(logging.WARNING, "relu2mip"):
        r2m.Trajectory(net, **{**settings, "initial_state": [1.01, 0.5]})
        assert not caplog.text
        r2m.Trajectory(net, **{**settings, "initial_state": [1.5, 0.5]})
    assert "initial_state: entry 0 is 1.5" in caplog.text
    assert problem.period is None
    assert r2m.Trajectory(saying(period=0.1), **settings).period == 0.1
    with pytest.raises(InvalidProblem, match=r"period in its file is -1; give a number above 0"):
        r2m.Trajectory(saying(period=-1), **settings)
    with pytest.raises(InvalidProblem, match=r"relu2mip\.predicts in its file is 'chnage'"):
        r2m.Trajectory(saying(predicts="chnage"), **settings)


def test_inputs_that_nothing_reads_need_nothing() -> None:
    net = r2m.load(exogenous().SerializeToString())
    problem = r2m.Trajectory(
        net, 3, [0.5, 0.0], r2m.Box(-1, 1), known={"wind": [0.1, 0.2, 0.3]}, cost=C.L1(state=1.0), states=(-2, 2)
    )
    assert (problem.n, problem.m) == (2, 1)
    answer = r2m.solve(problem)
    assert answer.status == "optimal"
    assert answer.check.max_error < 1e-6
    with pytest.raises(InvalidProblem, match=r"'x' has 3 entries.*state its layout"):
        r2m.Trajectory(net, 3, [0.5, 0.0], r2m.Box(-1, 1))
