"""Certificates: proven again, and refused where anything in them was changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidProblem
from relu2mip.search import Certificate
from relu2mip.unrolled.plan import Plan
from tests.search.test_cells import PUSH


@pytest.fixture(scope="module")
def proof() -> Certificate:
    answer = r2m.solve(PUSH, search="cells(few=0)", gap=1e-3)
    assert answer.certificate is not None
    return answer.certificate


def changed(proof: Certificate, how: Callable[[Certificate], None]) -> Certificate:
    arrays = {name: getattr(proof.tree, name).copy() for name in ("across", "low_part", "high_part", "parts", "bound")}
    made = replace(proof, tree=replace(proof.tree, **arrays), lower=proof.lower.copy(), upper=proof.upper.copy())
    how(made)
    return made


def inner(proof: Certificate) -> int:
    return int(np.flatnonzero(~proof.tree.leaves)[3])


def leaf(proof: Certificate) -> int:
    return int(np.flatnonzero(proof.tree.leaves)[3])


def test_it_is_proven_again_from_a_file(proof: Certificate, tmp_path: Path) -> None:
    found = Certificate.load(proof.save(tmp_path / "proof.npz")).check(PUSH)
    assert found.passed
    assert found.leaves == found.proven > 10
    assert found.bound == proof.bound


def hole(proof: Certificate) -> None:
    proof.tree.low_part[inner(proof)] -= 1e-3


def lost(proof: Certificate) -> None:
    proof.tree.parts[inner(proof)] += 2


def smaller(proof: Certificate) -> None:
    proof.upper[0] -= 0.1


def unknown(proof: Certificate) -> None:
    proof.tree.bound[leaf(proof)] = np.nan


@pytest.mark.parametrize(
    ("how", "says"),
    [(hole, "nothing covers"), (lost, "part of exactly one"), (smaller, "does not hold"), (unknown, "exactly one")],
)
def test_a_tree_that_does_not_cover_is_refused(proof: Certificate, how: Callable, says: str) -> None:
    found = changed(proof, how).check(PUSH)
    assert not found.passed
    assert found.bound == -np.inf
    assert says in "; ".join(found.faults)


def test_bounds_above_the_optimum_are_not_proven(proof: Certificate) -> None:
    objective = PUSH.unrolled.objective()
    worse = {name: (x if name.startswith("state") else np.zeros_like(x)) for name, x in proof.plan.inputs.items()}
    cost, _ = objective.evaluate({name: x[None] for name, x in worse.items()})
    assert cost[0] > 1.1 * proof.plan.cost
    claimed = changed(replace(proof, plan=Plan(worse, float(cost[0]))), lambda made: made.tree.bound.fill(cost[0]))
    found = claimed.check(PUSH, seconds=5)
    assert not found.passed
    assert found.bound == -np.inf
    assert "has a plan of" in "; ".join(found.faults)


def test_bounds_that_cut_the_inputs_leave_no_certificate() -> None:
    answer = r2m.solve(PUSH, search="cells", bounds="crown+cutoff(rounds=1)", gap=1e-3)
    assert answer.status == "optimal"
    assert answer.certificate is None


def test_a_plan_that_costs_something_else_is_refused(proof: Certificate) -> None:
    dearer = replace(proof, plan=replace(proof.plan, cost=2 * proof.plan.cost))
    assert "costs" in dearer.check(PUSH).faults[0]


@pytest.mark.parametrize(
    "other",
    [
        replace(PUSH, initial_state=[0.41, -0.2]),
        replace(PUSH, cost=r2m.costs.L1(target=[0.5, 0.1], state=1.0, control=0.1)),
        replace(PUSH, controls=r2m.Box(-1, 0.9)),
    ],
)
def test_another_problem_is_refused(proof: Certificate, other: r2m.Trajectory) -> None:
    with pytest.raises(InvalidProblem, match="another problem"):
        proof.check(other)


def test_time_may_end_before_all_is_proven(proof: Certificate) -> None:
    found = proof.check(PUSH, time_limit=1e-6)
    assert not found.passed
    assert not found.faults


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "proof.npz").write_bytes(b"nothing")
    with pytest.raises(InvalidProblem, match="no certificate"):
        Certificate.load(tmp_path / "proof.npz")
