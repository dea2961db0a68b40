"""gurobi-machinelearning (https://github.com/Gurobi/gurobi-machinelearning), solved by Gurobi."""

from __future__ import annotations

import gurobipy as gp
import onnx
from gurobi_ml import add_predictor_constr
from gurobipy import GRB
from problems import Outcome, Problem


def build(problem: Problem) -> gp.Model:
    """All steps as the rows of one predictor constraint.

    The tool writes each ReLU as a MAX general constraint, which Gurobi turns into big-M in presolve.
    """
    network = onnx.load(problem.network)
    horizon, states, controls = problem.horizon, len(problem.initial_state), len(problem.control_lower)
    model = gp.Model(env=environment())
    x = model.addMVar((horizon + 1, states), lb=problem.state_lower, ub=problem.state_upper, name="x")
    x[0].LB = x[0].UB = problem.initial_state
    u = model.addMVar((horizon, controls), lb=problem.control_lower, ub=problem.control_upper, name="u")
    inputs = model.addMVar((horizon, states + controls), lb=problem.input_lower, ub=problem.input_upper)
    change = model.addMVar((horizon, states), lb=-GRB.INFINITY)

    model.addConstr(inputs[:, :states] == x[:-1])
    model.addConstr(inputs[:, states:] == u)
    add_predictor_constr(model, network, inputs, change)
    model.addConstr(x[1:] == x[:-1] + change)
    if problem.quadratic:
        miss, effort = x[1:] - problem.target, u
        model.setObjective(((miss**2) @ problem.state_weight).sum() + ((effort**2) @ problem.control_weight).sum())
    else:
        miss, effort = model.addMVar((horizon, states)), model.addMVar((horizon, controls))
        model.addConstr(miss >= x[1:] - problem.target)
        model.addConstr(miss >= problem.target - x[1:])
        model.addConstr(effort >= u)
        model.addConstr(effort >= -u)
        model.setObjective((miss @ problem.state_weight).sum() + (effort @ problem.control_weight).sum())
    model.update()
    return model


def solve(model: gp.Model, time_limit: float, gap: float) -> Outcome:
    """Solve with Gurobi on one thread. Raises RuntimeError where the licence is too small for the model."""
    model.Params.Threads = 1
    model.Params.TimeLimit = time_limit
    model.Params.MIPGap = gap
    try:
        model.optimize()
    except gp.GurobiError as error:
        if error.errno != GRB.Error.SIZE_LIMIT_EXCEEDED:
            raise
        raise RuntimeError(
            f"the Gurobi licence is too small for {model.NumVars} variables, {model.NumConstrs} rows and "
            f"{model.NumGenConstrs} general constraints (the pip licence takes 2,000 variables and rows)"
        ) from error
    return Outcome(model.ObjVal, model.ObjBound, model.Runtime)


def environment() -> gp.Env:
    """The silent Gurobi environment all models of this process share, started on first use."""
    global _environment
    if _environment is None:
        _environment = gp.Env(params={"OutputFlag": 0})
    return _environment


_environment: gp.Env | None = None
