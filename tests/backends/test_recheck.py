"""HiGHS has called programs infeasible that have a plan; what it denies is searched again to a smaller tolerance."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.backends.highs import HighsBackend
from relu2mip.mip import Stop
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions
from tests.backends.library import program

EXAMPLE = Path(__file__).parents[2] / "examples" / "cartpole"


@pytest.mark.parametrize("incumbents", ["auto", "off"])
@pytest.mark.parametrize("bounds", ["crown", "auto"])
@pytest.mark.parametrize("name", ["units-8", "units-4"])
def test_a_plan_is_found_that_is_denied_at_first(name: str, bounds: str, incumbents: str) -> None:
    """Seen with HiGHS 1.15.1: a state after one step is known to 1e-7. Against all 1,024 control sequences.

    With a start, HiGHS hands it back as optimal and has no bound.
    """
    net = r2m.load(EXAMPLE / "family" / f"{name}.onnx")
    problem = replace(r2m.Trajectory.from_toml(EXAMPLE / "problem.toml"), net=net)
    sequences = np.array(list(product([-1.0, 1.0], repeat=10)))
    states = [np.tile(problem.initial_state, (len(sequences), 1))]
    for controls in sequences.T:
        (change,) = net.evaluate(states=states[-1], controls=controls[:, None]).values()
        states.append(states[-1] + change)
    path = np.stack(states, axis=1)
    inside = ((path >= problem.states.lower) & (path <= problem.states.upper)).all(axis=(1, 2))
    size = np.abs(path)
    cost = (size[:, 1:] @ [0.1, 0.05, 1.0, 0.1]).sum(axis=1) + size[:, -1] @ [0.0, 0.0, 5.0, 1.0]
    answer = r2m.solve(problem, backend=HighsBackend(incumbents=incumbents), bounds=bounds, time_limit=60)
    assert answer.status == "optimal"
    assert answer.gap <= 1e-4
    assert answer.objective == pytest.approx(cost[inside].min(), abs=1e-4)


def test_what_has_no_point_stays_infeasible() -> None:
    """Two units of which half a one shall be chosen: the relaxation has points, the program none."""
    model = program([0.0, 0.0], [[2.0, 2.0]], [1.0], [1.0], integer=[True, True], upper=[1.0, 1.0])
    solution = run(model, HighsBackend(), SolveOptions(time_limit=5))
    assert solution.stop is Stop.INFEASIBLE
    assert solution.x is None
    assert solution.bound == np.inf
