"""Every row and column of two small models, by name: a change of a formulation or a name shows here first.

The same listing stands on the formulation's page. Numbers are compared to 1e-9, since bounds are rounded outwards.
To accept a change: write the file with `compiled.write` and look at the difference.
"""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest

import relu2mip as r2m
from relu2mip.ir.samples import integrator, tiny
from relu2mip.registry import formulations
from tests.conftest import ROOT

GOLDEN = Path(__file__).parent / "golden"
LISTING = re.compile(r"^```text title=\"two-units.lp\"\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def two_units(formulation: str) -> r2m.Compiled:
    """max relu(x0 + x1) + relu(x0 - x1) over the box [-1, 1]^2."""
    problem = r2m.BoxProblem(tiny(), -1, 1, objective=[1.0], sense="max")
    return r2m.compile(problem, bounds="ibp", formulation=formulation)


def assert_same_text(found: str, golden: str) -> None:
    """Equal word by word, numbers to 1e-9."""
    words, expected = found.split(), golden.split()
    assert [_kind(word) for word in words] == [_kind(word) for word in expected]
    numbers = [float(word) for word in words if _kind(word) is float]
    assert numbers == pytest.approx([float(word) for word in expected if _kind(word) is float], rel=1e-9, abs=1e-9)


def _kind(word: str) -> str | type[float]:
    try:
        float(word)
    except ValueError:
        return word
    return float


@pytest.mark.parametrize("formulation", formulations)
def test_the_page_of_a_formulation_lists_every_row(formulation: str, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "formulations" / f"{formulation}.md").read_text()
    listing = LISTING.search(page)
    assert listing, 'show the LP file of the two-unit network in a block ```text title="two-units.lp"'
    compiled = two_units(formulation)
    with nullcontext() if compiled.exact else pytest.warns(UserWarning, match="is a relaxation"):
        path = compiled.write(tmp_path / "two-units.lp")
    assert_same_text(path.read_text(), listing[1])


def test_a_plan_with_big_m(tmp_path: Path) -> None:
    problem = r2m.Trajectory(
        integrator(),
        horizon=2,
        initial_state=r2m.Box([1.0, 0.5], [1.0, 1.5]),
        predicts="change",
        controls=r2m.Box(-1, 1),
        states=r2m.Box(-4, 4),
        control_rate=r2m.Box(-1, 1),
        terminal=r2m.Linear(state=[[1.0, 1.0]], upper=3.0),
        cost=r2m.costs.L1(target=[0.5, 0.0], state=[1.0, 0.0], control=0.125),
    )
    found = r2m.compile(problem, bounds="ibp", formulation="big-m").write(tmp_path / "plan.lp").read_text()
    assert_same_text(found, (GOLDEN / "plan-big-m.lp").read_text())


def test_another_coefficient_is_noticed() -> None:
    assert_same_text("row: + 2.0000000000000053 x(0) >= 0", "row: + 2 x(0) >= 0")
    with pytest.raises(AssertionError):
        assert_same_text("row: + 2.1 x(0) >= 0", "row: + 2 x(0) >= 0")
    with pytest.raises(AssertionError):
        assert_same_text("row: + 2 x(0) >= 0", "row: + 2 x(1) >= 0")
