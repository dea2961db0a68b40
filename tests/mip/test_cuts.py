"""Cut rounds move the root bound, keep what binds, say what they did, and stop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import relu2mip as r2m
from relu2mip.cli.app import app
from relu2mip.lp.cuts import with_root_cuts
from relu2mip.mip import Aids, MipModel
from relu2mip.mip.outer_approximation import tangent_relaxation
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions
from relu2mip.pipeline.specs import resolve_backend
from tests.conftest import ROOT
from tests.forms import mlp

NET = mlp([3, 8, 8, 3], seed=2)
BOX = r2m.BoxProblem(NET, -1, 1, [1.0, -1.0, 0.5], "max")


def uncut(**cost: object) -> r2m.Compiled:
    """A plan with facets still to be separated."""
    problem = r2m.Trajectory(
        mlp([3, 6, 6, 2], seed=3),
        horizon=3,
        initial_state=[0.5, -0.5],
        controls=r2m.Box(-1, 1),
        states=r2m.Box(-3, 3),
        cost=r2m.costs.Quadratic(target=[1.0, 0.0], state=[1.0, 2.0], control=0.1) if cost else None,
    )
    return r2m.compile(problem, bounds="ibp", formulation="ideal(rounds=0)")


def relaxed(model: MipModel) -> tuple[float, np.ndarray]:
    model = replace(model, integer=np.zeros(model.columns, dtype=bool))
    found = run(model, resolve_backend("highs"), SolveOptions())
    return found.objective, found.x


def eager(compiled: r2m.Compiled, **options: object) -> tuple[MipModel, Aids]:
    aids = compiled.aids
    return compiled.model, replace(aids, cutting=replace(aids.cutting, **{"rounds": 100, "tolerance": 0.0, **options}))


def uncut_box(**options: object) -> tuple[MipModel, Aids]:
    return eager(r2m.compile(BOX, bounds="ibp", formulation="ideal(rounds=0)"), **options)


def test_the_bound_moves_as_said_and_what_is_kept_binds() -> None:
    model, aids = uncut_box()
    cut, report = with_root_cuts(model, aids)
    assert report.before == pytest.approx(relaxed(model)[0])
    bound, x = relaxed(cut)
    assert report.after == pytest.approx(bound, rel=1e-6)
    assert report.after > report.before + 0.01 * abs(report.before)
    assert 0 < report.kept == cut.rows - model.rows <= report.found
    assert report.rounds > 1
    assert (model.matrix != cut.matrix[: model.rows]).nnz == 0
    assert (np.abs(cut.matrix @ x - cut.row_upper)[model.rows :] < 1e-4).mean() > 0.5


def test_rounds_and_cuts_are_limited() -> None:
    full = with_root_cuts(*uncut_box())[1]
    one = with_root_cuts(*uncut_box(rounds=1))[1]
    few = with_root_cuts(*uncut_box(most=2, rounds=3))[1]
    lazy = with_root_cuts(*uncut_box(tolerance=0.5))[1]
    assert (one.rounds, few.rounds, few.found) == (1, 3, 6)
    assert one.before < one.after < full.after
    assert few.after < full.after
    assert lazy.rounds < full.rounds
    model, aids = uncut_box(budget=1e-9)
    cut, hasty = with_root_cuts(model, aids)
    assert (hasty.rounds, hasty.kept, cut.rows) == (0, 0, model.rows)


def test_without_separators_or_cost_there_is_nothing_to_do() -> None:
    plain = r2m.compile(BOX, formulation="big-m")
    assert with_root_cuts(plain.model, plain.aids) == (plain.model, None)
    assert plain.statistics.cuts is None
    nothing = r2m.compile(r2m.BoxProblem(NET, -1, 1, np.zeros(3)), formulation="ideal")
    assert nothing.statistics.cuts is None
    assert nothing.model.rows == r2m.compile(r2m.BoxProblem(NET, -1, 1, np.zeros(3)), formulation="big-m").model.rows


def test_a_quadratic_cost_is_cut_below_its_tangents() -> None:
    model, aids = eager(uncut(quadratic=True))
    assert model.quadratic is not None
    cut, report = with_root_cuts(model, aids)
    assert cut.columns == model.columns
    assert cut.quadratic is model.quadratic
    assert report.before == pytest.approx(relaxed(tangent_relaxation(model))[0], rel=1e-6)
    assert report.after == pytest.approx(relaxed(tangent_relaxation(cut))[0], rel=1e-6)
    assert report.after > report.before
    backend = resolve_backend("highs")
    found = [run(each, backend, SolveOptions(gap=1e-6)).objective for each in (model, cut)]
    assert found[1] == pytest.approx(found[0], rel=1e-5)


def test_an_infeasible_relaxation_is_left_to_the_backend() -> None:
    model, aids = uncut_box()
    y = model.values["y"]
    lower = model.lower.copy()
    lower[y[0]] = model.upper[y[0]]
    pinned = replace(model, lower=lower)
    pinned.upper[model.values["x"]] = model.lower[model.values["x"]]
    cut, report = with_root_cuts(pinned, aids)
    assert report.before == np.inf
    assert cut.rows == model.rows


def test_an_answer_says_what_the_rounds_did_and_keeps_it_on_disk(tmp_path: Path) -> None:
    answer = r2m.solve(BOX, bounds="ibp", formulation="ideal")
    cuts = answer.statistics.cuts
    assert "cuts kept, root bound" in str(cuts)
    assert answer.statistics.seconds["cuts"] == cuts.seconds
    assert r2m.Answer.load(answer.save(tmp_path / "answer.json")).statistics.cuts == cuts


def test_every_cut_has_a_name_of_its_own(tmp_path: Path) -> None:
    compiled = r2m.compile(BOX, bounds="ibp", formulation="ideal")
    names = list(compiled.model.row_names)
    assert len(set(names)) == len(names)
    assert any(".relu[" in name and ".y.cut1" in name for name in names)
    assert ".y.cut1" in compiled.write(tmp_path / "cut.lp").read_text()


def test_the_command_line_says_it(tmp_path: Path) -> None:
    problem = ROOT / "examples" / "cartpole" / "problem.toml"
    given = ["--bounds", "crown", "--formulation", "ideal"]
    shown = CliRunner().invoke(app, ["compile", str(problem), "--output", str(tmp_path / "plan.lp"), *given])
    assert shown.exit_code == 0, shown.output
    assert "cuts kept, root bound" in " ".join(shown.output.split())
    shown = CliRunner().invoke(app, ["compile", str(problem), "--output", str(tmp_path / "plan.lp"), *given, "--json"])
    cuts = json.loads(shown.stdout)["statistics"]["cuts"]
    assert 0 < cuts["kept"] <= cuts["found"]
    assert cuts["before"] < cuts["after"]
