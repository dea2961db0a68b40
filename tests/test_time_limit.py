"""The time limit is the wall time of `solve`, on a clock that tests move; and no plan that was found is lost to it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.arrays import Array
from relu2mip.bounds import Bounds, Crown, Grade, Ibp, compute_bounds
from relu2mip.errors import CrossedBounds, InfeasibleProblem, NoIncumbent, OutOfTime, SolverFailure
from relu2mip.incumbent import Plan, Sampling, cross_entropy
from relu2mip.incumbent.descend import descend
from relu2mip.incumbent.find import find_plan
from relu2mip.incumbent.improve import improve
from relu2mip.incumbent.polish import polish
from relu2mip.incumbent.start import start_from
from relu2mip.ir.samples import integrator
from relu2mip.mip import MipModel, Solution, Stop
from relu2mip.mip.outer_approximation import outer_approximate
from relu2mip.mip.run import run
from relu2mip.mip.separator import CutOptions
from relu2mip.options import SolveOptions
from relu2mip.pipeline import searching
from relu2mip.pipeline.specs import resolve_backend
from relu2mip.regions import RegionsOutOfTime, enumerate_regions, split
from relu2mip.runtime.deadline import expired, limited, seconds_left
from relu2mip.runtime.progress import Progress
from relu2mip.unrolled.unrolled import Unrolled
from tests.forms import mlp
from tests.test_deadline import FakeClock

PROBLEM = r2m.Trajectory(
    integrator(), 4, [1.0, 0.5], r2m.Box(-1, 1), "change", states=r2m.Box(-3, 3), cost=r2m.costs.L1(state=1.0)
)
WIDE = r2m.BoxProblem(mlp([6, 14, 14, 1], seed=3), -1, 1, [1.0], "max")
POOR = np.full((4, 1), -0.125)
"""Controls that satisfy every set, and cost more than any that sampling finds."""


@dataclass
class Slow:
    """A search objective of which every call takes a second."""

    inner: object
    clock: FakeClock
    calls: int = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def evaluate(self, batch: Mapping[str, Array]) -> tuple[Array, Array]:
        self.calls += 1
        self.clock.now += 1.0
        return self.inner.evaluate(batch)


@dataclass(frozen=True)
class Dawdling:
    """A bound method that takes what it is told to, or all that is left."""

    clock: FakeClock
    seconds: float = math.inf
    seen: list[float] = field(default_factory=list)
    name: ClassVar[str] = "dawdling"
    grade: ClassVar[Grade] = Grade.CERTIFIED

    def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
        self.seen.append(seconds_left())
        self.clock.now += min(self.seconds, seconds_left())
        return Ibp().tighten(unrolled, bounds)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def box() -> dict[str, tuple[Array, Array]]:
    bounds = compute_bounds(PROBLEM.unrolled, [Ibp()])
    return {name: (bounds.lower[i], bounds.upper[i]) for name, i in PROBLEM.unrolled.form.inputs.items()}


def slow(unrolled: Unrolled, clock: FakeClock) -> tuple[Unrolled, Slow]:
    objective = Slow(unrolled.objective(), clock)
    return replace(unrolled, objective=lambda: objective), objective


class TestStages:
    def test_sampling_ends_after_the_round_in_which_time_ends(self, clock: FakeClock, box: dict) -> None:
        objective = Slow(PROBLEM.unrolled.objective(), clock)
        with limited(2.5, clock):
            plan = cross_entropy(objective, box, Sampling(samples=16, elites=4))
        assert objective.calls == 3
        assert plan.feasible

    def test_sampling_gives_a_point_where_there_is_no_time_at_all(self, clock: FakeClock, box: dict) -> None:
        with limited(0.0, clock):
            assert cross_entropy(PROBLEM.unrolled.objective(), box, Sampling(samples=16, elites=4)).inputs

    def test_descending_ends_with_the_time(self, clock: FakeClock, box: dict) -> None:
        objective = Slow(PROBLEM.unrolled.objective(), clock)
        inputs = {name: low for name, (low, _) in box.items()}
        with limited(1.5, clock):
            descend(objective, box, Plan(inputs, 1e9))
        assert objective.calls <= 2

    def test_finding_and_improving_end_with_the_time(self, clock: FakeClock) -> None:
        unrolled, objective = slow(PROBLEM.unrolled, clock)
        bounds = compute_bounds(PROBLEM.unrolled, [Ibp()])
        with limited(1.5, clock):
            plan = find_plan(unrolled, bounds, Sampling(samples=16, elites=4))
        assert objective.calls <= 3
        with limited(0.0, clock):
            assert improve(unrolled, bounds, plan) is plan

    def test_polishing_and_completing_a_plan_take_no_solver_where_time_is_over(self, clock: FakeClock) -> None:
        compiled = r2m.compile(PROBLEM, bounds="crown")
        plan = find_plan(PROBLEM.unrolled, compiled.all_bounds)
        with limited(0.0, clock):
            assert polish(PROBLEM.unrolled, compiled.all_bounds, plan) is plan
            assert start_from(plan, compiled.model, compiled.normal_form) is None
            assert run(compiled.model, resolve_backend("highs"), SolveOptions()).stop is Stop.TIME_LIMIT

    def test_cut_rounds_end_with_the_time(self, clock: FakeClock) -> None:
        compiled = r2m.compile(WIDE, bounds="ibp", formulation="ideal")
        assert compiled.statistics.cuts.rounds > 1
        aids = replace(compiled.aids, cutting=CutOptions())
        from relu2mip.lp.cuts import with_root_cuts

        with limited(0.0, clock):
            _, cuts = with_root_cuts(compiled.model, aids)
        assert cuts.rounds == 0

    def test_rounds_of_tangents_end_with_the_time(self, clock: FakeClock) -> None:
        class Tired:
            """A backend whose every solve takes a second."""

            name, calls = "tired", 0

            def solve(self, model: MipModel, options: SolveOptions, aids: object) -> Solution:
                self.calls += 1
                clock.now += 1.0
                return resolve_backend("highs").solve(model, options)

        squared = r2m.compile(replace(PROBLEM, cost=r2m.costs.Quadratic(state=1.0)), bounds="crown").model
        backend = Tired()
        with limited(2.5, clock):
            solution = outer_approximate(squared, backend, SolveOptions(gap=0.0))
        assert solution.stop is Stop.TIME_LIMIT
        assert backend.calls <= 3

    def test_regions_are_not_enumerated_without_time(self, clock: FakeClock) -> None:
        (step,) = split(compute_bounds(WIDE.unrolled, [Crown()]))
        with limited(0.0, clock), pytest.raises(RegionsOutOfTime, match="raise time_limit"):
            enumerate_regions(step, limit=10**6)


class TestBudget:
    def test_bounds_get_half_and_the_search_the_rest(self, clock: FakeClock, monkeypatch) -> None:
        real, left = searching.run, []

        def spy(model: MipModel, backend: object, options: SolveOptions, *known: object) -> Solution:
            left.append(seconds_left())
            return real(model, backend, options, *known)

        monkeypatch.setattr(searching, "run", spy)
        method = Dawdling(clock, 30.0)
        with limited(1e9, clock):
            answer = r2m.solve(PROBLEM, bounds=[method], time_limit=100)
        assert method.seen == [50.0]
        assert left == [70.0]
        assert answer.status == "optimal"
        assert answer.seconds == 30.0

    def test_compiling_without_time_is_an_error_outside_solve(self, clock: FakeClock) -> None:
        with limited(0.0, clock), pytest.raises(OutOfTime, match="raise time_limit") as caught:
            r2m.compile(PROBLEM, bounds="ibp")
        assert caught.value.compiled.all_bounds.unstable > 0

    def test_a_budget_around_solve_that_ends_in_bounds_still_gives_a_plan(self, clock: FakeClock) -> None:
        class All(Dawdling):
            def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
                self.clock.now += 1000.0
                return Ibp().tighten(unrolled, bounds)

        with limited(1e9, clock):
            answer = r2m.solve(PROBLEM, bounds=[All(clock)], time_limit=10)
        assert (answer.status, answer.has_plan, answer.bound) == ("time limit", True, -math.inf)
        assert answer.seconds >= 1000.0
        states = PROBLEM.rollout(answer.controls)
        np.testing.assert_allclose(answer.states, states, atol=1e-9)
        assert answer.objective == pytest.approx(PROBLEM.evaluate_cost(states, answer.controls))
        assert answer.check.max_error < 1e-9

    def test_an_infeasible_problem_reports_all_it_took(self, clock: FakeClock) -> None:
        gate = r2m.Linear(state=[[1, 1.0]], lower=1.3, name="gate", steps=[2])
        corridor = r2m.Linear(state=[[1, 1.0]], upper=0.2, name="corridor", steps=[3])
        infeasible = replace(PROBLEM, controls=r2m.Finite([[-1, 1]]), constraints=[gate, corridor])
        with limited(1e9, clock), pytest.raises(InfeasibleProblem, match=r"highs after 7\.0 s"):
            r2m.solve(infeasible, bounds=[Dawdling(clock, 7.0)])

    def test_the_limit_of_a_compiled_problem_is_the_searchs(self, clock: FakeClock) -> None:
        with limited(1e9, clock):
            compiled = r2m.compile(PROBLEM, bounds=[Dawdling(clock, 100.0)])
            assert compiled.solve(time_limit=5).status == "optimal"


def failing(*_: object) -> Solution:
    raise SolverFailure("the solver returned a point that is no solution")


class TestPlans:
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            (failing, "failed"),
            (lambda *_: Solution(Stop.FAILED), "failed"),
            (lambda *_: Solution(Stop.INFEASIBLE, bound=np.inf), "unsettled"),
            (lambda *_: Solution(Stop.TIME_LIMIT, bound=1.0), "time limit"),
            (lambda *_: Solution(Stop.INTERRUPTED), "interrupted"),
            (lambda m, *_: Solution(Stop.TIME_LIMIT, x=np.zeros(m.columns), objective=1e6), "time limit"),
        ],
        ids=["raises", "fails", "denies", "time", "interrupt", "worse point"],
    )
    def test_a_start_survives_whatever_the_solver_says(self, monkeypatch, word: Callable, status: str) -> None:
        monkeypatch.setattr(searching, "run", word)
        answer = r2m.solve(PROBLEM, "gurobi", bounds="crown", start=POOR)
        assert (answer.status, answer.has_plan) == (status, True)
        np.testing.assert_allclose(answer.controls, POOR)
        assert answer.bound <= answer.objective
        assert answer.message

    def test_a_start_survives_bounds_that_contradict_themselves(self) -> None:
        class Wrong(Crown):
            def tighten(self, unrolled: Unrolled, bounds: Bounds) -> Bounds:
                raise CrossedBounds("t01.state[0]: nothing can be reached")

        answer = r2m.solve(PROBLEM, bounds=[Wrong()], start=POOR)
        assert (answer.status, answer.has_plan) == ("failed", True)
        with pytest.raises(CrossedBounds):
            r2m.solve(PROBLEM, bounds=[Wrong()])

    def test_a_plan_of_the_bounds_survives_a_start_that_cannot_be_completed(self, monkeypatch) -> None:
        monkeypatch.setattr("relu2mip.incumbent.start.ask", failing)
        monkeypatch.setattr(searching, "run", lambda *_: Solution(Stop.TIME_LIMIT))
        answer = r2m.solve(PROBLEM, bounds="crown+cutoff")
        assert (answer.status, answer.has_plan) == ("time limit", True)

    def test_polishing_that_fails_keeps_the_plan(self, monkeypatch) -> None:
        bounds = compute_bounds(PROBLEM.unrolled, [Crown()])
        plan = find_plan(PROBLEM.unrolled, bounds)
        monkeypatch.setattr("relu2mip.incumbent.program.ask", failing)
        assert polish(PROBLEM.unrolled, bounds, plan) is plan

    def test_a_limit_before_any_plan_is_followed_by_a_round_of_samples(self, monkeypatch) -> None:
        monkeypatch.setattr(searching, "run", lambda *_: Solution(Stop.TIME_LIMIT, bound=0.5))
        answer = r2m.solve(PROBLEM, "gurobi", bounds="crown")
        assert (answer.status, answer.has_plan, answer.bound) == ("time limit", True, 0.5)
        impossible = replace(PROBLEM, terminal=r2m.Box([1.03, -9.0], [1.0300001, 9.0]))
        with pytest.raises(NoIncumbent):
            r2m.solve(impossible, "gurobi", bounds="crown")

    def test_a_plan_of_a_box_problem_needs_no_columns(self, monkeypatch) -> None:
        monkeypatch.setattr(searching, "run", lambda *_: Solution(Stop.TIME_LIMIT, bound=-9.0))
        answer = r2m.solve(WIDE, "gurobi", bounds="crown", start=np.zeros(6))
        assert answer.objective == pytest.approx(float(WIDE.evaluate(np.zeros(6))[0]))
        assert (answer.has_plan, answer.bound) == (True, 9.0)
        assert answer.inputs["x"].tolist() == [0.0] * 6

    def test_a_start_does_not_take_the_place_of_a_sampled_plan(self, monkeypatch) -> None:
        started: list[float] = []
        real = searching.run

        def spy(model: MipModel, backend: object, options: SolveOptions, *known: object) -> Solution:
            started.append(model.objective(model.start))
            return real(model, backend, options, *known)

        monkeypatch.setattr(searching, "run", spy)
        for bounds in ("crown", "crown+cutoff"):
            r2m.solve(PROBLEM, bounds=bounds, start=POOR)
            sampled = find_plan(PROBLEM.unrolled, compute_bounds(PROBLEM.unrolled, [Crown()]))
            assert started[-1] <= sampled.cost + 1e-6
        best = r2m.solve(PROBLEM, start=POOR).controls
        r2m.solve(PROBLEM, bounds="crown", start=best)
        assert started[-1] <= PROBLEM.evaluate_cost(PROBLEM.rollout(best), best) + 1e-6


@pytest.mark.parametrize("problem", [PROBLEM, WIDE], ids=["min", "max"])
def test_progress_tells_stages_plans_and_bounds(problem: object, backend: str) -> None:
    told: list[Progress] = []
    answer = r2m.solve(problem, backend, bounds="crown", progress=told.append, time_limit=300)
    stages = list(dict.fromkeys(p.stage for p in told))
    assert stages[:3] == ["unrolling", "bounds: crown", "writing the program"]
    assert "searching" in stages
    assert all(0 < p.seconds_left <= 300 for p in told)
    left = [p.seconds_left for p in told]
    assert left == sorted(left, reverse=True)
    better = 1.0 if problem is PROBLEM else -1.0
    plans = [better * p.plan for p in told if not math.isnan(p.plan)]
    bounds = [better * p.bound for p in told]
    assert plans == sorted(plans, reverse=True)
    assert bounds == sorted(bounds)
    assert all(b <= better * answer.objective + 1e-6 for b in bounds)
    assert not plans or plans[-1] >= better * answer.objective - 1e-4
    assert not expired()
