"""A network inside a user's own model is the network, and the user's rows hold beside it."""

from pathlib import Path

import cvxpy as cp
import gurobipy as gp
import highspy
import numpy as np
import pytest

import relu2mip as r2m
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Add, Graph, Node, Port, Rearrange
from tests.forms import mlp

NET = mlp([2, 6, 2], seed=11)
GOAL = np.array([1.0, -0.5])


def expected() -> float:
    """The least of y0 - 0.5 y1 + 0.2 x0 over the box, on a fine grid (only needs to be close from above)."""
    x = np.stack(np.meshgrid(*[np.linspace(-1, 1, 401)] * 2), axis=-1).reshape(-1, 2)
    x = x[x.sum(axis=1) <= 0.5 + 1e-12]
    return float((NET.evaluate(x)["y"] @ GOAL + 0.2 * x[:, 0]).min())


def test_gurobi() -> None:
    with gp.Env(params={"OutputFlag": 0}) as env, gp.Model(env=env) as model:
        x = model.addMVar(2, lb=-5, ub=5)
        y = r2m.embed(NET, x, model, -1, 1).output
        model.addConstr(x.sum() <= 0.5)
        model.setObjective(GOAL @ y + 0.2 * x[0])
        model.optimize()
        np.testing.assert_allclose(NET.evaluate(x.X)["y"], y.X, atol=1e-6)
        assert (np.abs(x.X) <= 1 + 1e-9).all()
        assert expected() - 0.02 <= model.ObjVal <= expected() + 1e-6


def test_cvxpy() -> None:
    x = cp.Variable(2)
    constraints = [cp.sum(x) <= 0.5]
    embedded = r2m.embed(NET, x, constraints, -1, 1)
    problem = cp.Problem(cp.Minimize(GOAL @ embedded.output + 0.2 * x[0]), constraints)
    problem.solve(solver="HIGHS")
    np.testing.assert_allclose(NET.evaluate(x.value)["y"], embedded.output.value, atol=1e-6)
    assert expected() - 0.02 <= problem.value <= expected() + 1e-6


def test_cvxpy_expression_as_input() -> None:
    z = cp.Variable()
    constraints: list = [z >= -1, z <= 1]
    y = r2m.embed(NET, cp.hstack([z, -z]), constraints, -1, 1).output
    cp.Problem(cp.Minimize(y[0]), constraints).solve(solver="HIGHS")
    np.testing.assert_allclose(NET.evaluate([z.value, -z.value])["y"], y.value, atol=1e-6)


def test_highs() -> None:
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    for cost in (0.2, 0.0):
        model.addVar(-5.0, 5.0)
        model.changeColCost(model.getNumCol() - 1, cost)
    y = r2m.embed(NET, np.arange(2), model, -1, 1).output
    model.addRow(-highspy.kHighsInf, 0.5, 2, np.arange(2, dtype=np.int32), np.ones(2))
    for column, cost in zip(y, GOAL, strict=True):
        model.changeColCost(int(column), cost)
    model.run()
    point = np.array(model.getSolution().col_value)
    np.testing.assert_allclose(NET.evaluate(point[:2])["y"], point[np.asarray(y)], atol=1e-6)
    assert expected() - 0.02 <= model.getInfo().objective_function_value <= expected() + 1e-6


def test_two_networks_and_several_inputs_in_one_model() -> None:
    nodes = (Node("j", Rearrange(np.arange(2)), ("a", "b"), (2,)), *NET.nodes[1:])
    first = Node(NET.nodes[0].name, NET.nodes[0].op, ("j",), NET.nodes[0].shape)
    two = Graph("two", (Port("a", (1,)), Port("b", (1,))), NET.outputs, (nodes[0], first, *NET.nodes[1:]))
    a, b = cp.Variable(1), cp.Variable(1)
    constraints: list = []
    y = r2m.embed(two, {"a": a, "b": b}, constraints, -1, 1).output
    z = r2m.embed(NET, y, constraints, -10, 10).output
    cp.Problem(cp.Maximize(cp.sum(z)), constraints).solve(solver="HIGHS")
    inner = NET.evaluate(np.concatenate([a.value, b.value]))["y"]
    np.testing.assert_allclose(NET.evaluate(inner)["y"], z.value, atol=1e-6)


def test_a_fan_in_of_the_same_input() -> None:
    graph = Graph("double", (Port("x", (2,)),), (Port("y", (2,)),), (Node("y", Add((1.0, 1.0)), ("x", "x"), (2,)),))
    x, constraints = cp.Variable(2), []
    y = r2m.embed(graph, x, constraints, 0, 1).output
    cp.Problem(cp.Maximize(cp.sum(y)), constraints).solve(solver="HIGHS")
    np.testing.assert_allclose(y.value, [2.0, 2.0], atol=1e-8)


@pytest.mark.parametrize(
    ("x", "model", "message"),
    [
        (cp.Variable(3), [], "input 'x' has 2 entries, x gives 3"),
        (cp.Variable(2), {}, "cannot embed into a dict"),
        ({"z": cp.Variable(2)}, [], "input 'x' has 2 entries"),
    ],
)
def test_bad_arguments(x: object, model: object, message: str) -> None:
    with pytest.raises(InvalidProblem, match=message):
        r2m.embed(NET, x, model, -1, 1)


def test_two_networks_in_one_gurobi_model_have_names_of_their_own(tmp_path: Path) -> None:
    with gp.Env(params={"OutputFlag": 0}) as env, gp.Model(env=env) as model:
        x = model.addMVar(2, lb=-1, ub=1, name="x")
        y = r2m.embed(NET, x, model, -1, 1).output
        z = r2m.embed(NET, y, model, -9, 9).output
        r2m.embed(NET, x, model, -1, 1, name="third")
        model.setObjective(GOAL @ z + 0.2 * x[0])
        model.optimize()
        names = [v.VarName for v in model.getVars()] + [c.ConstrName for c in model.getConstrs() if c.ConstrName]
        assert len(set(names)) == len(names)
        assert {name.partition(".")[0] for name in names if "." in name} == {"mlp1", "mlp2", "third"}
        model.write(str(tmp_path / "two.lp"))
        again = gp.read(str(tmp_path / "two.lp"), env)
        again.optimize()
        assert again.ObjVal == pytest.approx(model.ObjVal)
        with pytest.raises(InvalidProblem, match="name is 'third', which names in the model begin with"):
            r2m.embed(NET, x, model, -1, 1, name="third")


def test_a_tupledict_of_variables_is_an_input() -> None:
    with gp.Env(params={"OutputFlag": 0}) as env, gp.Model(env=env) as model:
        x = model.addVars(2, lb=-1, ub=1)
        y = r2m.embed(NET, x, model, -1, 1).output
        model.setObjective(GOAL @ y)
        model.optimize()
        np.testing.assert_allclose(NET.evaluate([v.X for v in x.values()])["y"], y.X, atol=1e-6)


def test_lists_of_lists_of_variables_are_an_input() -> None:
    """gurobi-machinelearning 246: a list of rows was flattened by some calls and refused by others."""
    with gp.Env(params={"OutputFlag": 0}) as env, gp.Model(env=env) as model:
        x = [[model.addVar(lb=-1, ub=1), model.addVar(lb=-1, ub=1)]]
        matrix = model.addMVar((1, 2), lb=-1, ub=1)
        y, z = r2m.embed(NET, x, model, -1, 1).output, r2m.embed(NET, matrix, model, -1, 1).output
        model.setObjective(GOAL @ y - GOAL @ z)
        model.optimize()
        np.testing.assert_allclose(NET.evaluate([v.X for v in x[0]])["y"], y.X, atol=1e-6)
        np.testing.assert_allclose(NET.evaluate(matrix.X.ravel())["y"], z.X, atol=1e-6)
