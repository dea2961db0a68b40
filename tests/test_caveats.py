"""What rests on relaxed or unproven parts says so: models, files and embedded networks, bounds and plans."""

import json
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import Grade, Tightened, compute_bounds
from relu2mip.bounds.layers import layer_bounds
from relu2mip.errors import CapabilityMissing, ContradictoryBounds, CrossedBounds
from relu2mip.mip import Solution, Stop
from relu2mip.normal_form import FormBuilder
from relu2mip.passes import specialise
from relu2mip.pipeline.answer import Answer
from relu2mip.unrolled.bounds import Bounds
from tests.bounds.test_bounds import unrolled
from tests.forms import mlp
from tests.problem_files import TRAJECTORY, write_problem

NET = mlp([2, 6, 1], seed=1)
BOX = r2m.BoxProblem(NET, -1, 1, [1.0])


def data(folder: Path) -> str:
    x = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    np.savez(folder / "seen.npz", x=x)
    return f"data(path={folder / 'seen.npz'})"


def said(caught: list[warnings.WarningMessage]) -> str:
    return " | ".join(str(warning.message) for warning in caught)


@pytest.mark.parametrize("how", ["emit", "write", "embed"])
def test_a_relaxation_says_so(how: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="triangle is a relaxation") as caught:
        made = given(how, tmp_path, formulation="triangle", bounds="crown")
    assert Path(caught[0].filename).name == Path(__file__).name
    assert (made["exact"], made["grade"], made["cutoff"]) == (False, "certified", None)


@pytest.mark.parametrize("how", ["emit", "write", "embed"])
def test_unsound_bounds_say_so(how: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"its bounds are unsound \(data"):
        made = given(how, tmp_path, bounds=f"crown+{data(tmp_path)}")
    assert (made["exact"], made["grade"]) == (True, "unsound")


@pytest.mark.parametrize("how", ["emit", "write", "embed"])
def test_what_is_exact_and_certified_says_nothing(how: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert given(how, tmp_path, bounds="crown") == {"exact": True, "grade": "certified", "cutoff": None}
        assert given(how, tmp_path, bounds="crown+mip(count=2)")["grade"] == "trusted"


def given(how: str, folder: Path, **options: str) -> dict[str, object]:
    keys = ("exact", "grade", "cutoff")
    if how == "embed":
        import cvxpy as cp

        made = r2m.embed(NET, cp.Variable(2), [], -1, 1, **options)
    elif how == "emit":
        made = r2m.compile(BOX, **options).emit("highs")
    else:
        r2m.compile(BOX, **options).write(folder / "model.lp")
        return {key: json.loads((folder / "model.lp.map.json").read_text())[key] for key in keys}
    return {key: getattr(made, key) for key in keys}


@dataclass(frozen=True)
class Beside:
    """Says that every unit lies above its range; a method that is wrong."""

    grade: Grade = Grade.TRUSTED
    name: ClassVar[str] = "beside"

    def tighten(self, unrolled: r2m.NormalForm, bounds: Bounds) -> Tightened:
        raise CrossedBounds("layer1[0]: nothing can be reached")


@pytest.mark.parametrize("grade", [Grade.TRUSTED, Grade.UNSOUND])
def test_bounds_that_are_not_certified_prove_no_infeasibility(grade: Grade) -> None:
    with pytest.raises(ContradictoryBounds, match=rf"some of them are {grade}.*leave out") as caught:
        r2m.solve(BOX, bounds=[r2m.bounds.Crown(), Beside(grade)])
    assert not isinstance(caught.value, r2m.errors.InfeasibleProblem)
    with pytest.raises(CrossedBounds):
        r2m.solve(BOX, bounds=[r2m.bounds.Crown(), Beside(Grade.CERTIFIED)])


def test_a_plan_that_leaves_a_set_says_which_and_by_how_much(tmp_path: Path) -> None:
    write_problem(tmp_path, TRAJECTORY)
    problem = r2m.Trajectory.from_toml(tmp_path / "problem.toml")
    compiled = r2m.compile(problem, bounds="ibp")
    x = compiled.solve().controls
    narrow = replace(problem, states=r2m.Box(-0.05, 0.05), initial_state=problem.initial_limits[0][0])
    states = narrow.rollout(x)
    assert np.abs(states[1:]).max() > 0.05
    point = compiled.start_from(x)
    wrong = replace(compiled, problem=narrow)
    answer = Answer.of(wrong, Solution(Stop.OPTIMAL, point, 0.0, 0.0), "none")
    assert not answer.has_plan
    assert any("the plan leaves" in note and "at step" in note for note in answer.check.notes)


def test_one_rule_says_which_members_of_a_maximum_count() -> None:
    """max(x0 in [0, 0], x1 in [-1, 2]) is undecided, max of two equal fixed members is decided, for all who ask."""
    for low, high, undecided in (
        ([0.0, -1.0], [0.0, 2.0], 1),
        ([1.0, 1.0], [1.0, 1.0], 0),
        ([0.0, -1.0], [1.0, 0.0], 0),
    ):
        builder = FormBuilder()
        x = builder.input("x", 2)
        form = builder.build({"y": builder.max(x, np.array([0, 1]), np.array([0, 2]))})
        sets = replace(unrolled(form), domain={form.inputs["x"]: (np.array(low), np.array(high))})
        bounds = compute_bounds(sets, [r2m.bounds.Ibp()])
        (layer,) = layer_bounds(bounds)
        assert layer.unstable == undecided
        left = specialise(form, bounds.lower, bounds.upper).form
        assert left.max_units == undecided


def test_rows_for_a_callback_need_a_solver_that_has_one_but_a_file_is_complete(tmp_path: Path) -> None:
    import cvxpy as cp

    formulation = "ideal(rounds=0,callback=true)"
    with pytest.raises(CapabilityMissing, match="cuts separated during the search"):
        r2m.embed(NET, cp.Variable(2), [], -1, 1, formulation=formulation)
    assert r2m.compile(BOX, bounds="ibp", formulation=formulation).write(tmp_path / "model.lp").is_file()
