"""Points from outside HiGHS's search: found before it, improved during it, and checked before they are handed over."""

import logging
from dataclasses import dataclass, field

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.arrays import Array
from relu2mip.backends.highs import HighsBackend
from relu2mip.errors import InvalidOption, SolverFailure
from relu2mip.incumbent import Plan
from relu2mip.incumbent.heuristic import PlanHeuristic
from relu2mip.incumbent.start import start_from
from relu2mip.mip import Aids, MipModel
from relu2mip.mip.check import violations
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions
from relu2mip.registry import formulations
from tests.forms import mlp
from tests.trajectory.test_plans import PROBLEMS

WIDE = r2m.BoxProblem(mlp([6, 14, 14, 1], seed=3), -1, 1, [1.0], "max")
EXACT = [name for name, formulation in formulations.items() if formulation.exact and name != "complementarity"]


@dataclass
class Scripted:
    """A heuristic that hands out what it was given and keeps what it was asked."""

    first: Array | None = None
    better: Array | None = None
    error: Exception | None = None
    started: int = 0
    met: list[Array] = field(default_factory=list)

    def find(self, model: MipModel, seconds: float) -> Array | None:
        assert seconds > 0
        self.started += 1
        if self.error is not None:
            raise self.error
        return self.first

    def improve(self, model: MipModel, x: Array, seconds: float) -> Array | None:
        assert violations(model, x).feasible()
        self.met.append(x)
        return self.better


@pytest.fixture(scope="module")
def wide() -> tuple[MipModel, Array]:
    """A model that takes HiGHS some nodes, and its optimum."""
    model = r2m.compile(WIDE, bounds="crown").model
    return model, HighsBackend(incumbents="off").solve(model, SolveOptions(gap=0.0)).x


def solve(model: MipModel, scripted: Scripted, incumbents: str, **options: object) -> r2m.mip.Solution:
    return HighsBackend(incumbents=incumbents).solve(model, SolveOptions(**options), Aids(heuristic=scripted))


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_a_point_handed_over_during_the_search_is_taken(wide: tuple[MipModel, Array], threads: int) -> None:
    """HiGHS stops at the gap that the point closes: the incumbents it found itself never reach that objective."""
    model, best = wide
    scripted = Scripted(better=best)
    solution = solve(model, scripted, "on", threads=threads, gap=0.0)
    assert scripted.met
    assert solution.objective == pytest.approx(model.objective(best), rel=1e-7)
    np.testing.assert_allclose(solution.x, best, atol=1e-6)
    assert model.objective(scripted.met[0]) > model.objective(best) + 1e-3
    assert len(scripted.met) < 3


def test_the_first_point_is_asked_for_where_there_is_no_start(wide: tuple[MipModel, Array]) -> None:
    model, best = wide
    for incumbents, start, asked in (("auto", None, 1), ("on", None, 1), ("auto", best, 0), ("off", None, 0)):
        scripted = Scripted(first=best)
        solution = solve(model.with_start(start), scripted, incumbents, node_limit=1)
        assert scripted.started == asked
        assert bool(scripted.met) <= (incumbents == "on")
        if incumbents != "off":
            assert solution.objective <= model.objective(best) + 1e-7


@pytest.mark.parametrize("wrong", ["infeasible", "not finite", "failing"])
def test_a_wrong_point_is_dropped_with_a_warning(wide: tuple[MipModel, Array], wrong: str, caplog) -> None:
    model, best = wide
    bad = best + 0.5 if wrong == "infeasible" else np.full(best.size, np.nan)
    scripted = Scripted(bad, bad, SolverFailure("no") if wrong == "failing" else None)
    with caplog.at_level(logging.WARNING):
        solution = solve(model, scripted, "on", gap=0.0)
    assert "from outside the search" in caplog.text
    assert solution.objective == pytest.approx(model.objective(best), rel=1e-6)


def test_a_point_that_is_no_better_is_not_handed_over(wide: tuple[MipModel, Array]) -> None:
    model, best = wide
    worse = r2m.compile(WIDE, bounds="crown").start_from(np.zeros(6))
    solution = solve(model, Scripted(better=worse), "on", gap=0.0)
    assert solution.objective == pytest.approx(model.objective(best), rel=1e-6)


def test_an_error_of_another_kind_reaches_the_caller(wide: tuple[MipModel, Array]) -> None:
    with pytest.raises(ZeroDivisionError):
        solve(wide[0], Scripted(error=ZeroDivisionError()), "on")


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("name", PROBLEMS)
def test_plans_stay_optimal(name: str, threads: int) -> None:
    """Solves inside the search's own callbacks, tangent cuts and discrete controls included."""
    compiled = r2m.compile(PROBLEMS[name], bounds="crown")
    found = [compiled.solve(HighsBackend(incumbents=how), threads=threads).objective for how in ("off", "on")]
    assert found[1] == pytest.approx(found[0], rel=2e-4, abs=1e-6)


@pytest.mark.parametrize("formulation", EXACT)
def test_every_formulation_gets_its_columns(formulation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both kinds of points, in the model that HiGHS solves, columns that a rewriting added included."""
    compiled = r2m.compile(WIDE, bounds="crown", formulation=formulation)
    solved: list[MipModel] = []
    monkeypatch.setattr(PlanHeuristic, "find", lambda self, model, seconds: solved.append(model))
    run(compiled.model, HighsBackend(), SolveOptions(node_limit=1), aids=compiled.aids)
    monkeypatch.undo()
    (model,), heuristic = solved, compiled.aids.heuristic
    assert (model.columns > compiled.model.columns) == (formulation in {"sos1", "max-constraint"})
    corner = np.full(6, -1.0)
    poor = start_from(Plan({"x": corner}, -float(WIDE.evaluate(corner)[0])), model, compiled.normal_form)
    for better in (heuristic.find(model, 5.0), heuristic.improve(model, poor, 5.0)):
        assert violations(model, better).feasible()
        assert model.objective(better) < model.objective(poor) - 1e-3
        point = better[model.values["x"]]
        assert -model.objective(better) == pytest.approx(float(WIDE.evaluate(point)[0]), rel=1e-6)
    assert heuristic.improve(model, heuristic.find(model, 5.0), 5.0) is None


def test_a_relaxation_has_no_heuristic() -> None:
    assert r2m.compile(WIDE, bounds="crown", formulation="triangle").aids.heuristic is None


def test_a_misspelt_choice_is_refused() -> None:
    with pytest.raises(InvalidOption, match="incumbents is 'yes'"):
        HighsBackend(incumbents="yes")
