"""A hundred problems of each trial; thousands of them are run by hand (benchmarks/trials)."""

from dataclasses import replace

import pytest

from benchmarks.trials import answers, units
from benchmarks.trials.judge import Case, Fault, answer_faults, judged
from benchmarks.trials.plans import enumerated
from benchmarks.trials.systems import SYSTEMS
from tests.conftest import installed_backends
from tests.formulations.test_units import small_plan


@pytest.mark.slow
def test_answers_to_random_problems_are_right() -> None:
    record = answers.run(range(100), installed_backends())
    assert record.wrong == 0, "\n".join(record.lines())


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_answers_know_no_units(system: str) -> None:
    """Nine problems for each of the twelve systems, other ones for each."""
    first = 9 * list(SYSTEMS).index(system)
    record = units.run(range(first, first + 9), installed_backends(), [system])
    assert record.trials >= 5
    assert record.wrong == 0, "\n".join(record.lines())


@pytest.mark.parametrize(("seed", "kind"), [(900011, "discrete"), (700902, "continuous")])
def test_mip_bounds_hold_where_highs_cuts_off_points(seed: int, kind: str) -> None:
    """Controls of two values, and nearly parallel units: some rules of HiGHS's presolve are wrong on both."""
    verdict = answers.trial(seed, Case("big-m", "highs", "crown+mip"), kind)
    assert verdict.wrong == ()


@pytest.mark.parametrize(
    ("seed", "system", "case"),
    [
        (8004, "all 1e-8", Case("convex-hull", "highs", "crown+cutoff")),
        (8006, "all 1e-8", Case("regions", "highs", "crown")),
        (20403, "all 1e8", Case("regions", "cvxpy", "auto")),
    ],
)
def test_crossings_and_regions_are_judged_in_units(seed: int, system: str, case: Case) -> None:
    """A set out of reach by a tenth of a range of 1e-8, sides of regions smaller than any tolerance, gains of 1e8."""
    drawn = units.rewritten_problem(seed, system)
    assert drawn is not None
    assert judged(*drawn, case).faults == ()


def test_a_wrong_answer_is_noticed() -> None:
    """The judge itself: what is right has no fault, and a plan, cost or bound that is changed has its own."""
    problem, case = small_plan().problem(), Case("big-m", "highs", "crown", gap=1e-6)
    plans = enumerated(problem)
    verdict = judged(problem, plans, case)
    assert verdict.faults == ()
    answer = verdict.answer

    def kinds(**changes: object) -> set[str]:
        found: list[Fault] = answer_faults(problem, plans, replace(answer, **changes), case)
        return {fault.kind for fault in found}

    above = answer.bound + 0.1 * plans.spread
    assert kinds(bound=above) == {"bound", "contradiction"}
    assert kinds(objective=above) == {"gap", "suboptimal", "cost"}
    assert kinds(objective=answer.objective - plans.spread, bound=-1e9) >= {"impossible", "cost", "gap"}
    assert kinds(states=answer.states + 0.1 * plans.width) == {"replay"}
    assert "set" in kinds(controls=answer.controls + 0.1)
    assert kinds(has_plan=False) == {"failure"}
