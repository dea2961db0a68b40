"""The family of CartPole models: members with fewer and fewer ReLUs, what they predict, and plans with them."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import relu2mip as r2m

for package in ("torch", "gymnasium", "matplotlib"):
    pytest.importorskip(package)

EXAMPLE = Path(__file__).parents[2] / "examples" / "cartpole"


@pytest.fixture(scope="module")
def example():
    sys.path.insert(0, str(EXAMPLE))
    yield importlib.import_module("family")
    sys.path.remove(str(EXAMPLE))


def test_a_small_family_predicts_plans_and_is_drawn(example: ModuleType, tmp_path: Path) -> None:
    data = example.collected(60, 10, seed=0)
    schedule = example.Schedule(units=(3,), epochs=20, round_epochs=10, finetune_epochs=10, polish=40, batch=128)
    trained = example.families(data, schedule, (6, 6), tmp_path / "family")
    held_out = example.collected(80, 16, seed=1)
    test = example.Simulation(held_out, validation=0.0, horizons=example.STEPS[:7])
    rows = []
    problem = r2m.Trajectory.from_toml(EXAMPLE / "problem.toml")
    for method, members in trained.items():
        assert [member.units for member in members] == [None, 3]
        for member in members:
            errors = tuple(test.errors(member.network).values())
            planned = example.plan(member, problem, 20) if member.path else None
            rows.append(example.Row(method, member.relus, errors, planned))
    full, sparse, pruned_full, pruned = rows
    assert (full.relus, sparse.relus, pruned_full.relus) == (12, 3, 12)
    assert pruned.relus <= 3
    assert all(error < 0.3 for row in (full, sparse) for error in row.errors[:3])
    assert sparse.errors[0] < pruned.errors[0]
    assert (full.plan.units, sparse.plan.units) == (120, 30)
    assert sparse.plan.binaries < full.plan.binaries
    assert {full.plan.status, sparse.plan.status} == {"optimal"}
    assert pruned.plan is None
    picture = tmp_path / "family.svg"
    example.draw(rows, picture)
    assert b"<svg" in picture.read_bytes()


def test_a_plan_is_compared_with_the_simulator(example: ModuleType) -> None:
    """The committed model as a member: its plan misses the simulation by little."""
    member = example.Member(None, 16, None, {}, EXAMPLE / "dynamics.onnx")
    planned = example.plan(member, r2m.Trajectory.from_toml(EXAMPLE / "problem.toml"), 60)
    assert planned.status == "optimal"
    assert planned.units == 160
    assert 0 < planned.missed < 0.02


@pytest.mark.slow
def test_gates_predict_better_than_channel_pruning_at_every_level(
    example: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figure of docs/examples/cartpole-family.md, with fewer held-out rollouts."""
    arguments = ["--folder", str(tmp_path / "family"), "--picture", str(tmp_path / "family.svg"), "--held-out", "500"]
    monkeypatch.setattr(sys, "argv", ["family.py", *arguments])
    example.main()
    rows = json.loads((tmp_path / "family" / "rows.json").read_text())
    errors = {(row["method"], row["relus"]): np.array(row["errors"]) for row in rows}
    for relus in example.UNITS:
        assert (errors["gates", relus] < errors["channel pruning", relus])[:8].all()  # up to 20 steps
    seconds = [row["plan"]["seconds"] for row in rows if row["plan"]]
    assert seconds[0] > 2 * seconds[-1]  # 64 against 4 ReLUs
