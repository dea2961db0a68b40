"""Native models: emitted ones that a user extends, and a user's own that a model is attached to."""

import numpy as np
import pytest

from relu2mip.errors import CapabilityMissing, InvalidProblem, UnknownOption
from relu2mip.mip import ModelBuilder, NameBlock
from relu2mip.registry import backends
from tests.backends.library import INF, LIBRARY, PAIRS, program
from tests.conftest import installed_backends
from tests.mip.models import block

NAMES = pytest.mark.parametrize("name", installed_backends())


def optimum(name: str, native) -> float:
    if name == "highs":
        native.run()
        assert native.getModelStatus().name == "kOptimal"
        return native.getInfo().objective_function_value
    if name == "gurobi":
        native.optimize()
        assert native.Status == 2
        return native.ObjVal
    native.solve(solver="HIGHS")
    assert native.status == "optimal"
    return float(native.value)


@NAMES
@pytest.mark.parametrize("case", [c for c in LIBRARY if c.stop == "optimal" and c.build().columns], ids=str)
def test_the_emitted_model_has_the_same_optimum(name, case):
    model = case.build()
    backend = backends[name]()
    if (model.quadratic is not None or case in PAIRS) and name != "gurobi":
        with pytest.raises(CapabilityMissing, match=f"{name} does not take .*backends that do: gurobi"):
            backend.emit(model)
        return
    emitted = backend.emit(model)
    assert optimum(name, emitted.model) == pytest.approx(case.objective, abs=1e-6)
    rewritten = model.sos1 is not None or model.indicators is not None or model.maxima is not None
    assert bool(emitted.lowered) == (name != "gurobi" and rewritten)


def test_an_emitted_highs_model_is_extended_by_column_indices():
    emitted = backends["highs"]().emit(program([-1, -2], [[1, 1]], -INF, 1.5))
    highs, x = emitted.model, emitted.handle("x")
    assert highs.getLp().col_names_ == ["x[0]", "x[1]"]
    assert highs.getLp().row_names_ == ["row[0]"]
    highs.addRow(-INF, 0.5, 1, x[1:2].astype(np.int32), np.array([1.0]))
    assert optimum("highs", highs) == pytest.approx(-2)


def test_an_emitted_gurobi_model_is_extended_by_its_variables():
    pytest.importorskip("gurobipy")
    emitted = backends["gurobi"]().emit(program([-1, -2], [[1, 1]], -INF, 1.5).with_start(np.array([1, np.nan])))
    x = emitted.handle("x")
    assert [variable.VarName for variable in emitted.model.getVars()] == ["x[0]", "x[1]"]
    assert [row.ConstrName for row in emitted.model.getConstrs()] == ["row[0]"]
    emitted.model.addConstr(x[1] <= 0.5)
    assert optimum("gurobi", emitted.model) == pytest.approx(-2)
    np.testing.assert_allclose(x.X, [1, 0.5])


def test_an_emitted_cvxpy_problem_is_extended_by_its_variable():
    cvxpy = pytest.importorskip("cvxpy")
    emitted = backends["cvxpy"]().emit(program([-1, -2], [[1, 1]], -INF, 1.5))
    x = emitted.handle("x")
    problem = cvxpy.Problem(emitted.model.objective, [*emitted.model.constraints, x[1] <= 0.5])
    assert optimum("cvxpy", problem) == pytest.approx(-2)
    np.testing.assert_allclose(x.value, [1, 0.5])


@NAMES
def test_a_handle_that_the_model_lacks_is_an_error(name):
    with pytest.raises(UnknownOption, match="did you mean 'x'"):
        backends[name]().emit(program([1])).handle("xx")


def absolute_value():
    """y = |x|, x in [-2, 1], by SOS1; the second output is x itself."""
    model = ModelBuilder()
    x = model.add_columns(block("x", 1), -2.0, 1.0)
    y = model.add_columns(block("y", 1), 0.0, 2.0)
    parts = model.add_columns(block("part", 2), 0.0, [1.0, 2.0])
    model.add_rows(block("is", 1), [(1.0, x), (np.array([[-1.0, 1.0]]), parts)], lower=0, upper=0)
    model.add_rows(block("abs", 1), [(1.0, y), (np.array([[-1.0, -1.0]]), parts)], lower=0, upper=0)
    model.add_sos1(block("one", 1), parts[None, :])
    model.values["both"] = np.r_[y, x]
    return model.build()


# The largest y - x / 2 over the x that both the model and the caller allow: 3 at x = -2, or 1.5 at x = -1.
@pytest.mark.parametrize(("limit", "expected"), [(-9.0, 3.0), (-1.0, 1.5)])
def test_attach_to_highs(limit, expected):
    highspy = pytest.importorskip("highspy")
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    highs.addVar(0.0, 7.0)
    x = highs.addVariable(lb=limit, ub=9)
    for given in (x, np.array([1])):
        fresh = highspy.Highs()
        fresh.setOptionValue("output_flag", False)
        fresh.passModel(highs.getLp())
        handles = backends["highs"]().attach(absolute_value(), fresh, {"x": [given] if given is x else given})
        assert set(handles) == {"y", "part", "both"}
        assert handles["both"].tolist() == [handles["y"][0], 1]
        fresh.changeColCost(int(handles["y"][0]), -1.0)
        fresh.changeColCost(1, 0.5)
        assert optimum("highs", fresh) == pytest.approx(-expected)


@pytest.mark.parametrize("kind", ["MVar", "list", "expression"])
@pytest.mark.parametrize(("limit", "expected"), [(-9.0, 3.0), (-1.0, 1.5)])
def test_attach_to_gurobi(limit, expected, kind):
    gurobipy = pytest.importorskip("gurobipy")
    with gurobipy.Env(params={"OutputFlag": 0}) as environment, gurobipy.Model(env=environment) as native:
        u = native.addMVar(1, lb=limit / 2, ub=9)
        x = 2 * u if kind == "expression" else native.addMVar(1, lb=limit, ub=9)
        native.update()
        given = [x[0].item()] if kind == "list" else x
        handles = backends["gurobi"]().attach(absolute_value(), native, {"x": given})
        assert set(handles) == {"y", "part", "both"}
        native.setObjective((handles["y"] - 0.5 * x).sum(), gurobipy.GRB.MAXIMIZE)
        assert optimum("gurobi", native) == pytest.approx(expected)
        np.testing.assert_allclose(handles["y"].X, [2.0 if expected == 3 else 1.0])
        np.testing.assert_allclose(handles["both"].getValue(), [*handles["y"].X, -handles["y"].X[0]])
        assert "y[0]" in {variable.VarName for variable in native.getVars()}
        assert "abs[0]" in {row.ConstrName for row in native.getConstrs()}


@pytest.mark.parametrize("kind", ["variable", "list", "expression"])
@pytest.mark.parametrize(("limit", "expected"), [(-9.0, 3.0), (-1.0, 1.5)])
def test_attach_to_cvxpy(limit, expected, kind):
    cvxpy = pytest.importorskip("cvxpy")
    u = cvxpy.Variable(1)
    x = 2 * u + 1 if kind == "expression" else u
    constraints = [x >= limit]
    given = [x[0]] if kind == "list" else x
    handles = backends["cvxpy"]().attach(absolute_value(), constraints, {"x": given})
    assert set(handles) == {"y", "part", "both"}
    problem = cvxpy.Problem(cvxpy.Maximize(cvxpy.sum(handles["y"] - 0.5 * x)), constraints)
    assert optimum("cvxpy", problem) == pytest.approx(expected)
    np.testing.assert_allclose(handles["both"].value, [handles["y"].value[0], -handles["y"].value[0]], atol=1e-9)


@NAMES
@pytest.mark.parametrize(("limit", "expected"), [(-9.0, 1.0), (0.5, 0.5)])
def test_attach_a_model_with_a_maximum(name, limit, expected):
    """The largest max(x, 0) - x / 2 for x >= limit, x in [-2, 1]: at x = -2, or at x = 1."""
    model = program([0, 0], lower=[-2, 0], upper=[1, 9], maxima=[(1, [0], 0)])
    model.values.update(x=np.array([0]), y=np.array([1]))
    assert attached_optimum(name, model, limit, lambda x, y: y - 0.5 * x) == pytest.approx(expected)


@NAMES
def test_attach_a_model_with_a_pair(name):
    model = program([0, 0], lower=[-2, 0], upper=[1, 9], pairs=[(0, 1)])
    model.values.update(x=np.array([0]), y=np.array([1]))
    if name == "gurobi":
        assert attached_optimum(name, model, -9.0, lambda x, y: y + x) == pytest.approx(9)
        assert attached_optimum(name, model, 0.5, lambda x, y: y + x) == pytest.approx(1)
    else:
        with pytest.raises(CapabilityMissing, match=f"{name} does not take complementary pairs; .*: gurobi$"):
            attached_optimum(name, model, -9.0, lambda x, y: y + x)


def attached_optimum(name, model, limit, objective) -> float:
    """The largest objective of x and y of a model attached to a native one that has x >= limit."""
    native = empty(name)
    if name == "cvxpy":
        import cvxpy

        x = cvxpy.Variable(1)
        handles = backends[name]().attach(model, native, {"x": x})
        return optimum(name, cvxpy.Problem(cvxpy.Maximize(objective(x[0], handles["y"][0])), [*native, x >= limit]))
    if name == "gurobi":
        x = native.addMVar(1, lb=limit, ub=9)
        handles = backends[name]().attach(model, native, {"x": x})
        native.setObjective(objective(x[0], handles["y"][0]), sense=-1)
        return optimum(name, native)
    native.addVar(limit, 9)
    handles = backends[name]().attach(model, native, {"x": np.array([0])})
    weights = {0: objective(1, 0), int(handles["y"][0]): objective(0, 1)}
    for column, weight in weights.items():
        native.changeColCost(column, -weight)
    return -optimum(name, native)


def empty(name: str):
    if name == "highs":
        import highspy

        native = highspy.Highs()
        native.setOptionValue("output_flag", False)
        return native
    if name == "gurobi":
        import gurobipy

        return gurobipy.Model(env=gurobipy.Env(params={"OutputFlag": 0}))
    return []


@NAMES
def test_attach_refuses_what_does_not_fit(name):
    backend = backends[name]()
    with pytest.raises(UnknownOption, match=r"'xx'.*did you mean 'x'"):
        backend.attach(absolute_value(), empty(name), {"xx": np.array([0])})
    with pytest.raises(InvalidProblem, match="x: the model has 1 columns, 2 handles were given"):
        backend.attach(absolute_value(), empty(name), {"x": np.array([0, 1])})
    with pytest.raises(InvalidProblem, match=r"column x\[0\] is given twice"):
        backend.attach(absolute_value(), empty(name), {"x": np.array([0]), "both": np.array([0, 1])})
    with pytest.raises(InvalidProblem, match=r"column x\[0\] is integral"):
        backend.attach(program([1], integer=True), empty(name), {"x": np.array([0])})


def test_attach_refuses_what_is_no_handle():
    with pytest.raises(InvalidProblem, match="give column indices of the highspy model, from 0 to -1"):
        backends["highs"]().attach(absolute_value(), empty("highs"), {"x": np.array([0])})
    cvxpy = pytest.importorskip("cvxpy")
    with pytest.raises(InvalidProblem, match="not affine"):
        backends["cvxpy"]().attach(absolute_value(), [], {"x": cvxpy.square(cvxpy.Variable(1))})
    with pytest.raises(InvalidProblem, match="give a list that constraints are appended to, not a tuple"):
        backends["cvxpy"]().attach(absolute_value(), (), {"x": cvxpy.Variable(1)})
    pytest.importorskip("gurobipy")
    with pytest.raises(InvalidProblem, match="give gurobipy variables"):
        backends["gurobi"]().attach(absolute_value(), empty("gurobi"), {"x": np.array([0])})


@NAMES
def test_attach_leaves_no_trace_of_the_objective(name):
    model = ModelBuilder()
    x = model.add_columns(NameBlock("x", np.arange(1)), 0, 1)
    y = model.add_columns(NameBlock("y", np.arange(1)), 0, 1)
    model.minimise([(-5.0, y)])
    model.add_rows(block("sum", 1), [(1.0, x), (1.0, y)], upper=1.0)
    native = empty(name)
    if name == "cvxpy":
        import cvxpy

        given = cvxpy.Variable(1)
        backends[name]().attach(model.build(), native, {"x": given})
        assert optimum(name, cvxpy.Problem(cvxpy.Maximize(given[0]), native)) == pytest.approx(1)
    elif name == "gurobi":
        given = native.addMVar(1, obj=-1)
        backends[name]().attach(model.build(), native, {"x": given})
        assert optimum(name, native) == pytest.approx(-1)
    else:
        native.addVar(0, 1)
        native.changeColCost(0, -1)
        backends[name]().attach(model.build(), native, {"x": np.array([0])})
        assert optimum(name, native) == pytest.approx(-1)
