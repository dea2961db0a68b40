"""Every backend on every model of the library."""

import numpy as np
import pytest

from relu2mip.errors import CapabilityMissing
from relu2mip.mip import Stop
from relu2mip.mip.check import violations
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions
from tests.backends.choices import choices
from tests.backends.library import LIBRARY, PAIRS, Case


@pytest.mark.parametrize("rescale", [False, True])
@pytest.mark.parametrize("case", LIBRARY, ids=str)
@pytest.mark.parametrize("backend", choices(), ids=str)
def test_the_answer_is_the_known_one(backend, case: Case, rescale: bool):
    model, tight = case.build(), SolveOptions(gap=1e-6, rescale=rescale)
    if case in PAIRS and backend.name != "gurobi":
        with pytest.raises(CapabilityMissing, match=f"{backend.name} does not take complementary pairs; .*: gurobi$"):
            run(model, backend, tight)
        return
    solution = run(model, backend, tight)
    assert solution.stop == case.stop
    if case.stop is Stop.OPTIMAL:
        assert solution.x is not None
        # A cut is satisfied to the solver's feasibility tolerance, relative to the largest square.
        assert solution.objective == pytest.approx(case.objective, rel=1e-5, abs=4e-6 if solution.lowered else 1e-6)
        assert solution.objective == pytest.approx(model.objective(solution.x), abs=1e-12)
        assert solution.bound <= solution.objective
        assert solution.bound == pytest.approx(case.objective, rel=2e-5, abs=1e-6)
        assert violations(model, solution.x).feasible(1e-6), violations(model, solution.x)
    else:
        assert solution.x is None
        assert np.isnan(solution.objective)
        assert solution.bound == (np.inf if case.stop is Stop.INFEASIBLE else -np.inf)
    assert solution.solver
    assert solution.nodes >= 0
