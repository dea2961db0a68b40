"""A backend that is missing, too small, or asked for what it cannot do says so, and how to help it."""

import dataclasses
import subprocess
import sys
import types

import numpy as np
import pytest

from relu2mip.backends import protocol
from relu2mip.errors import BackendUnavailable, CapabilityMissing, InvalidOption, UnknownOption
from relu2mip.mip import Solution, Stop
from relu2mip.mip.run import run
from relu2mip.options import SolveOptions, build, parse
from relu2mip.registry import backends
from tests.backends.choices import choices
from tests.backends.library import program
from tests.conftest import installed_backends

MODEL = program([-1, -1], [[2, 1]], 0, 2.5, integer=True)


@pytest.mark.parametrize("backend", choices(), ids=str)
def test_an_installed_backend_says_its_version(backend):
    found = backend.availability()
    assert found.available
    assert found.version[0].isdigit()
    assert found.reason == ""


@pytest.mark.parametrize(
    ("spec", "missing", "advice"),
    [
        ("highs", "highspy", "highspy is not installed: pip install highspy"),
        ("gurobi", "gurobipy", 'gurobipy is not installed: pip install "relu2mip[gurobi]"'),
        ("cvxpy", "cvxpy", 'cvxpy is not installed: pip install "relu2mip[cvxpy]"'),
        ("cvxpy(solver=GUROBI)", "gurobipy", 'gurobipy is not installed: pip install "relu2mip[gurobi]"'),
        ("cvxpy(solver=SCIP)", "pyscipopt", "pyscipopt is not installed: pip install pyscipopt"),
    ],
)
def test_a_backend_that_is_not_installed_says_how_to_install_it(spec, missing, advice, monkeypatch):
    present = types.SimpleNamespace()
    monkeypatch.setattr(protocol, "find_spec", lambda package: None if package == missing else present)
    monkeypatch.setattr(protocol, "version", lambda package: "1.0")
    (backend,) = parse(spec, backends, "backend")
    assert backend.availability() == protocol.Availability(False, reason=advice)
    for use in (
        lambda: backend.solve(MODEL, SolveOptions()),
        lambda: backend.emit(MODEL),
        lambda: backend.attach(MODEL, [], {}),
    ):
        with pytest.raises(BackendUnavailable) as caught:
            use()
        assert advice in str(caught.value)


@pytest.mark.parametrize("spec", ["gurobi", "cvxpy(solver=GUROBI)"])
@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        (program(np.zeros(2001), [np.ones(2001)], 1, 2), "2,001 columns and 1 rows"),
        (program([1.0], np.ones((2001, 1)), 0, np.arange(1, 2002)), "1 columns and 2,001 rows"),
        (program(np.zeros(201), [np.ones(201)], 1, 2, squares=np.ones(201)), "201 columns and 1 rows"),
    ],
    ids=["columns", "rows", "squares"],
)
def test_a_model_above_gurobis_free_licence_is_told_its_size(spec, model, sizes):
    if not {"gurobi", "cvxpy"} <= set(installed_backends()):
        pytest.skip("needs gurobipy and cvxpy")
    (backend,) = parse(spec, backends, "backend")
    message = ""
    try:
        run(model, backend, SolveOptions())
    except BackendUnavailable as error:
        message = str(error)
    if not message:
        pytest.skip("this Gurobi licence is not limited in size")
    assert sizes in message
    assert "2,000 of each" in message
    assert ("200 columns with a quadratic cost" in message) == (model.quadratic is not None)


def test_tangent_cuts_lift_gurobis_limit_on_squares():
    pytest.importorskip("gurobipy")
    squares = np.where(np.arange(300) < 20, 1.0, 0.0)
    model = program(np.zeros(300), [squares], 1, 2, squares=squares)
    solution = run(model, backends["gurobi"](quadratic="cuts"), SolveOptions())
    assert solution.objective == pytest.approx(1 / 20, rel=1e-3)


def test_options_are_checked():
    with pytest.raises(InvalidOption, match="solver is 'CLARABEL'; give one of HIGHS, GUROBI, SCIP"):
        build(backends["cvxpy"], {"solver": "Clarabel"})
    with pytest.raises(InvalidOption, match='quadratic is \'off\'; give "native" or "cuts"'):
        build(backends["gurobi"], {"quadratic": "off"})
    with pytest.raises(UnknownOption, match="did you mean 'solver'"):
        build(backends["cvxpy"], {"slover": "HIGHS"})
    assert build(backends["cvxpy"], {"solver": "gurobi"}).solver == "GUROBI"
    from relu2mip.backends.cvxpy import SOLVERS

    with pytest.raises(InvalidOption, match="threads is 4; SCIP through CVXPY runs on one thread"):
        SOLVERS["SCIP"].options(SolveOptions(threads=4))


@pytest.mark.parametrize("name", ["highs", "cvxpy"])
@pytest.mark.parametrize(
    ("model", "what"),
    [
        (program([1], squares=[1]), "convex quadratic cost with integers"),
        (program([1, 1], sos1=[[0, 1]]), "SOS1 sets"),
        (program([1, 1], indicators=[(0, True, [0, 1], 0, 1)]), "indicator rows"),
        (program([1, 1], maxima=[(0, [1], 0)]), "maxima of columns"),
        (program([1, 1], pairs=[(0, 1)]), "complementary pairs"),
    ],
    ids=["squares", "sets", "indicators", "maxima", "pairs"],
)
def test_a_backend_never_drops_what_it_does_not_take(name, model, what):
    with pytest.raises(CapabilityMissing, match=f"{name} does not take {what}; backends that do: gurobi"):
        backends[name]().solve(model, SolveOptions())


@dataclasses.dataclass(frozen=True)
class Liar:
    """A backend that returns zeros, as CVXPY does at a limit without a point."""

    name = "liar"

    def capabilities(self):
        return frozenset()

    def solve(self, model, options, aids):
        return Solution(Stop.TIME_LIMIT, np.zeros(model.columns), 0.0, -1.0, solver="Liar 1")


def test_a_point_that_is_no_solution_is_never_passed_on():
    solution = run(program([1], [[1]], 1, 2), Liar(), SolveOptions())
    assert (solution.stop, solution.objective) == (Stop.OPTIMAL, 1.0)
    assert "its point is no solution (row row[0] by 1 " in solution.message
    assert "settled by highs" in solution.message


def test_capabilities_import_no_solver():
    code = (
        "import sys; from relu2mip.registry import backends\n"
        "for name in backends: backends[name]().capabilities(); backends[name]().availability()\n"
        "import relu2mip.mip.run, relu2mip.mip.write\n"
        "print([m for m in ('highspy', 'gurobipy', 'cvxpy', 'torch', 'onnxruntime') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
