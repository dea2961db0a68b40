"""A solver's word that cannot be true is doubted, settled by asking again, and not called optimal where that fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest

from relu2mip.backends.highs import HighsBackend
from relu2mip.errors import SolverFailure
from relu2mip.mip import Aids, MipModel, Solution, Stop
from relu2mip.mip import run as run_module
from relu2mip.mip.judge import Judge
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions
from tests.backends.library import program

Change = Callable[[Solution], Solution]


@dataclass(frozen=True)
class Scripted(HighsBackend):
    """HiGHS, but the first words are changed on their way."""

    changes: tuple[Change, ...] = ()
    asked: list[SolveOptions] = field(default_factory=list)
    name: ClassVar[str] = "scripted"

    def solve(self, model: MipModel, options: SolveOptions, aids: Aids) -> Solution:
        word = super().solve(model, options, aids)
        self.asked.append(options)
        return self.changes[len(self.asked) - 1](word) if len(self.asked) <= len(self.changes) else word


def knapsack() -> MipModel:
    """max 5 a + 4 b + 3 c within 2 a + 3 b + c <= 4, as a minimum: -8 at (1, 0, 1), then -7 at (0, 1, 1)."""
    return program([-5.0, -4.0, -3.0], [[2.0, 3.0, 1.0]], [-np.inf], [4.0], upper=1.0, integer=True)


WORSE = np.array([0.0, 1.0, 1.0])
LIES: dict[str, tuple[Change, str]] = {
    "bound above its own point": (lambda s: replace(s, bound=s.objective + 1), "above a plan of cost -8"),
    "optimal at a gap": (lambda s: replace(s, bound=s.bound - 1), "called optimal at a gap of"),
    "optimal without a bound": (lambda s: replace(s, bound=-np.inf), "called optimal at a gap of inf"),
    "optimal without a point": (lambda s: replace(s, x=None), "called optimal at a gap of inf"),
    "infeasible": (lambda s: Solution(Stop.INFEASIBLE, bound=np.inf), "called infeasible"),
    "no solution": (lambda s: replace(s, x=np.ones(3)), "its point is no solution"),
    "failed": (lambda s: Solution(Stop.FAILED, message="out of memory"), "out of memory"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_settled_by_asking_again(name: str) -> None:
    lie, said = LIES[name]
    backend = Scripted(changes=(lie,))
    solution = run(knapsack(), backend, SolveOptions(rescale=False))
    assert (solution.stop, solution.objective, solution.bound) == (Stop.OPTIMAL, -8.0, pytest.approx(-8.0))
    assert said in solution.message
    assert "asked 2 times, settled without presolve" in solution.message
    assert [o.presolve for o in backend.asked] == [True, False]


def test_a_truth_is_believed_at_once() -> None:
    backend = Scripted()
    solution = run(knapsack().with_start(WORSE), backend, SolveOptions(rescale=False))
    assert (solution.objective, solution.message, len(backend.asked)) == (-8.0, "", 1)


def test_second_opinions_differ_in_all_that_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presolve, tolerance, seed, then other solvers."""
    monkeypatch.setattr(run_module, "backends", {"highs": HighsBackend})
    lie = LIES["infeasible"][0]
    backend = Scripted(changes=(lie,) * 9)
    solution = run(knapsack(), backend, SolveOptions(seed=3, rescale=False), known=lambda: -8.0)
    assert [(o.presolve, o.tolerance, o.seed) for o in backend.asked] == [
        (True, 0.0, 3), (False, 0.0, 3), (True, 1e-9, 3), (False, 1e-9, 4)
    ]  # fmt: skip
    assert (solution.stop, solution.objective) == (Stop.OPTIMAL, -8.0)
    assert "settled by highs" in solution.message


def test_what_is_not_settled_is_not_optimal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best point comes back with the weakest bound that no plan contradicts."""
    monkeypatch.setattr(run_module, "backends", {})
    changes = [lambda s, b=b: replace(s, bound=b) for b in (-10.0, -7.0, -9.0, -12.0)]
    solution = run(knapsack(), Scripted(changes=tuple(changes)), SolveOptions(rescale=False))
    assert solution.stop is Stop.UNSETTLED
    assert (solution.objective, solution.bound) == (-8.0, -12.0)
    assert "asked 4 times, not settled" in solution.message


def test_a_start_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is worse than the start is not optimal, and no bound may exclude it."""
    best = np.array([1.0, 0.0, 1.0])

    def worse(word: Solution) -> Solution:
        return replace(word, x=WORSE, objective=-7.0, bound=-7.0)

    solution = run(knapsack().with_start(best), Scripted(changes=(worse,)), SolveOptions(rescale=False))
    assert (solution.stop, solution.objective) == (Stop.OPTIMAL, -8.0)
    assert "bound -7 above a plan of cost -8" in solution.message
    monkeypatch.setattr(run_module, "backends", {})
    lost = run(knapsack().with_start(best), Scripted(changes=(worse,) * 4), SolveOptions(rescale=False))
    assert (lost.stop, lost.objective, lost.bound) == (Stop.UNSETTLED, -8.0, -np.inf)


def test_two_that_deny_are_believed_where_no_plan_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "backends", {})
    lie = LIES["infeasible"][0]
    backend = Scripted(changes=(lie,) * 2)
    solution = run(knapsack(), backend, SolveOptions(rescale=False))
    assert (solution.stop, solution.bound, len(backend.asked)) == (Stop.INFEASIBLE, np.inf, 2)


def test_a_limit_with_a_false_bound_stays_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "backends", {})

    def limited(word: Solution) -> Solution:
        return replace(word, stop=Stop.TIME_LIMIT, bound=-5.0)

    solution = run(knapsack(), Scripted(changes=(limited,) * 4), SolveOptions(rescale=False))
    assert (solution.stop, solution.objective, solution.bound) == (Stop.TIME_LIMIT, -8.0, -np.inf)


def test_the_network_says_what_a_point_costs() -> None:
    """A point whose binaries leak looks cheaper than its controls are."""

    class Network:
        unit = 1.0

        def cost(self, model: MipModel, x: np.ndarray) -> float:
            return model.objective(x) + 0.5

    judge = Judge(knapsack(), 1e-4, heuristic=Network())
    doubts = judge.doubts(Solution(Stop.OPTIMAL, np.array([1.0, 0.0, 1.0]), -8.0, -8.0))
    assert doubts == ["called optimal at a gap of 6.67%, cost -7.5 and bound -8"]
    assert judge.doubts(Solution(Stop.NODE_LIMIT, np.array([1.0, 0.0, 1.0]), -8.0, -8.0)) == []


def test_controls_that_leave_the_sets_are_not_optimal() -> None:
    class Network:
        unit = 1.0

        def cost(self, model: MipModel, x: np.ndarray) -> float:
            return np.inf

    judge = Judge(knapsack(), 1e-4, heuristic=Network())
    assert judge.doubts(Solution(Stop.OPTIMAL, np.array([1.0, 0.0, 1.0]), -8.0, -8.0)) == [
        "its controls leave the sets"
    ]


def test_a_solver_that_breaks_is_asked_again() -> None:
    def breaks(word: Solution) -> Solution:
        raise SolverFailure("the solver broke")

    solution = run(knapsack(), Scripted(changes=(breaks,)), SolveOptions(rescale=False))
    assert (solution.stop, solution.objective) == (Stop.OPTIMAL, -8.0)
    assert "asked 2 times, settled without presolve: the solver broke" in solution.message


def test_a_quick_look_speaks_against_a_bound_that_nothing_else_contradicts() -> None:
    class Network:
        unit = 1.0

        def cost(self, model: MipModel, x: np.ndarray) -> float:
            return model.objective(x)

        def find(self, model: MipModel, seconds: float) -> None:
            return None

        def rival(self, model: MipModel, x: np.ndarray | None) -> float:
            return -8.0

    def worse(word: Solution) -> Solution:
        return replace(word, x=WORSE, objective=-7.0, bound=-7.0)

    for lie in (worse, LIES["infeasible"][0]):
        solution = run(
            knapsack(), Scripted(changes=(lie,)), SolveOptions(rescale=False), aids=Aids(heuristic=Network())
        )
        assert (solution.stop, solution.objective) == (Stop.OPTIMAL, -8.0)
        assert "a plan of cost -8" in solution.message


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_doubts_do_not_depend_on_units(unit: float) -> None:
    model = knapsack()
    judge = Judge(replace(model, cost=model.cost * unit), 1e-4)
    x = np.array([1.0, 0.0, 1.0])
    assert judge.doubts(Solution(Stop.OPTIMAL, x, -8 * unit, -8.0001 * unit)) == []
    assert judge.doubts(Solution(Stop.OPTIMAL, x, -8 * unit, -8.01 * unit))
    assert judge.doubts(Solution(Stop.OPTIMAL, x, -8 * unit, -7.99 * unit))


def test_terms_that_cancel_hide_no_gap() -> None:
    """A cost (x - 4e5)^2, whose terms are 1e11 each: a bound that is 4 % off is doubted all the same."""
    model = program([-8e5], lower=[399990.0], upper=[400010.0])
    squared = replace(model, quadratic=np.ones(1), offset=1.6e11)

    class Network:
        unit = 0.05

        def cost(self, model: MipModel, x: np.ndarray) -> float:
            return 4.0

    judge = Judge(squared, 1e-6, heuristic=Network())
    x = np.array([400002.0])
    assert judge.doubts(Solution(Stop.OPTIMAL, x, 4.0, 3.8)) != []
    assert judge.doubts(Solution(Stop.OPTIMAL, x, 4.0, 4.0)) == []


def test_a_square_without_bounds_leaves_the_judge_as_strict() -> None:
    model = replace(program([0.0], lower=[-np.inf], upper=[np.inf]), quadratic=np.ones(1), offset=1.0)
    judge = Judge(model, 1e-6)
    assert np.isfinite(judge.slack)
    assert judge.doubts(Solution(Stop.OPTIMAL, np.array([0.0]), 1.0, 2.0)) != []
