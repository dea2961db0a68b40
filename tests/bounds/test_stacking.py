"""Any method on any other: bounds only tighten, and no plan, cutoff or implication is lost."""

from dataclasses import fields

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.bounds import BoundMethod, Bounds, Implications, compute_bounds
from relu2mip.pipeline.specs import resolve_bounds
from tests.forms import mlp

PROBLEM = r2m.Trajectory(
    mlp([3, 6, 6, 2], seed=5), 3, [0.3, -0.2], r2m.Box(-1, 1), "change", states=r2m.Box(-3, 3),
    cost=r2m.costs.L1(state=1.0, control=0.1),
)  # fmt: skip
SPECS = (
    "ibp", "crown", "lp(budget=1)", "mip(count=4)", "cutoff(rounds=1)", "structure(samples=50)", "split(budget=1)",
    "auto(budget=1)", "reused", "reused with a cutoff",
)  # fmt: skip


@pytest.fixture(scope="module")
def methods() -> dict[str, BoundMethod]:
    """Every sound method, and bounds known from before."""
    found = {spec: resolve_bounds(spec)[0] for spec in SPECS if not spec.startswith("reused")}
    found["reused"] = compute_bounds(PROBLEM.unrolled, resolve_bounds("crown+structure(samples=50,seed=1)"))
    found["reused with a cutoff"] = compute_bounds(PROBLEM.unrolled, resolve_bounds("crown+cutoff(rounds=1,seed=2)"))
    return found


def pairs(known: Implications) -> set[tuple[int, ...]]:
    return set(zip(*(getattr(known, f.name).tolist() for f in fields(known)), strict=True))


@pytest.mark.parametrize("second", SPECS)
@pytest.mark.parametrize("first", SPECS)
def test_nothing_is_lost(first: str, second: str, methods: dict[str, BoundMethod]) -> None:
    one: Bounds = compute_bounds(PROBLEM.unrolled, [methods[first]])
    both: Bounds = compute_bounds(PROBLEM.unrolled, [methods[first], methods[second]])
    for low, lower, high, upper in zip(one.lower, both.lower, one.upper, both.upper, strict=True):
        assert (lower >= low - 1e-9 * (1 + np.abs(low))).all()
        assert (upper <= high + 1e-9 * (1 + np.abs(high))).all()
    assert [p.method for p in both.provenance][: len(one.provenance)] == [p.method for p in one.provenance]
    assert pairs(one.implications) <= pairs(both.implications)
    if one.plan is not None:
        assert both.plan is not None
        assert not one.plan.better_than(both.plan)
    if one.cutoff is not None:
        assert both.cutoff is not None
        assert both.cutoff <= one.cutoff


def test_what_was_reused_joins_what_was_found(methods: dict[str, BoundMethod]) -> None:
    """Implications of `structure` were lost where bounds with others were reused after it."""
    known, before = methods["reused"], compute_bounds(PROBLEM.unrolled, [methods["structure(samples=50)"]])
    both = compute_bounds(PROBLEM.unrolled, [methods["structure(samples=50)"], known])
    assert pairs(before.implications) | pairs(known.implications) == pairs(both.implications)
    assert pairs(known.implications) - pairs(before.implications)
