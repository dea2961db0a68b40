"""Other tools get the same problem: where they solve it, they agree with relu2mip about its optimum."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import CapabilityMissing
from relu2mip.study import Arm, Trial
from relu2mip.study.measure import measured
from relu2mip.study.outcome import Outcome
from relu2mip.study.peers import TOOLS, require_tool
from relu2mip.study.peers.problem import PeerProblem
from relu2mip.study.statement import stated
from tests.conftest import ROOT
from tests.study.small import TABLES, small

CARTPOLE = str(ROOT / "examples" / "cartpole" / "dynamics.onnx")


def trial(folder: Path, tool: str, **changes: Any) -> Trial:
    (first, *_) = small(folder).trials
    statement = {**first.instance.statement, **changes}
    return replace(first, arm=Arm(tool=tool), instance=replace(first.instance, statement=statement))


@pytest.mark.parametrize("kind", ["l1", "quadratic"])
@pytest.mark.parametrize("tool", list(TOOLS))
def test_a_tool_agrees_about_the_optimum(tool: str, kind: str, tmp_path: Path) -> None:
    if missing := TOOLS[tool].missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    costs = [
        {"kind": kind, "state": [1.0, 2.0, 0.5, 1.0], "control": 0.1, "terminal": 3.0, "target": [0.2, 0, 0, -0.1]}
    ]
    asked = trial(tmp_path, tool, costs=costs)
    result = measured(asked)
    if kind == "quadratic" and tool.startswith("omlt"):
        assert (result["outcome"], "HiGHS" in result["message"]) == (Outcome.REFUSED, True)
        return
    assert result["outcome"] == Outcome.SOLVED, result
    answer = r2m.solve(stated(asked.instance.statement, asked.instance.folder), "highs", threads=1)
    assert result["objective"] == pytest.approx(answer.objective, rel=2e-3, abs=1e-4)
    assert result["seconds"] >= result["build_seconds"] > 0
    assert result["columns"] > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"controls": {"values": [[-1.0, 1.0]]}}, "discrete controls"),
        ({"initial_state": {"lower": [-0.1] * 4, "upper": [0.1] * 4}}, "in a box"),
        ({"control_rate": {"lower": -0.5, "upper": 0.5}, "previous_controls": [0.0]}, "constraints"),
        ({"costs": [{"kind": "linf", "state": 1.0}]}, "L1 or Quadratic"),
        ({"states": {"lower": -float("inf"), "upper": 2}}, "without limits"),
        ({"terminal": {"lower": -1, "upper": 1}}, "from step to step"),
        ({"costs": [{"kind": "quadratic", "state": np.eye(4).tolist()}]}, "matrices"),
    ],
)
def test_what_a_tool_has_no_words_for_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    problem = stated({**TABLES, "network": CARTPOLE, **changes}, tmp_path)
    with pytest.raises(CapabilityMissing, match=words):
        PeerProblem.of(problem, CARTPOLE)


def test_a_problem_in_their_terms_costs_the_same(tmp_path: Path) -> None:
    costs = [{"kind": "l1", "state": [[1.0] * 4, [2.0] * 4], "terminal": 3.0, "control": 0.5, "target": 0.25}]
    problem = stated({**TABLES, "network": CARTPOLE, "costs": costs}, tmp_path)
    posed = PeerProblem.of(problem, CARTPOLE)
    rng = np.random.default_rng(0)
    states, controls = rng.normal(size=(3, 4)), rng.normal(size=(2, 1))
    own = np.sum(np.abs(states[1:] - posed.target) * posed.state_weight) + np.sum(
        np.abs(controls) * posed.control_weight
    )
    assert own == pytest.approx(problem.evaluate_cost(states, controls))


def test_an_unknown_tool_names_the_nearest() -> None:
    with pytest.raises(r2m.errors.UnknownOption, match="did you mean 'omlt'"):
        require_tool("omlet")
