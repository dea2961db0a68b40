"""gurobi-machinelearning (https://github.com/Gurobi/gurobi-machinelearning), solved by Gurobi."""

from __future__ import annotations

from functools import cache

import gurobipy as gp
import onnx
from gurobi_ml import add_predictor_constr
from gurobipy import GRB

from relu2mip.errors import BackendUnavailable
from relu2mip.study.peers.problem import Outcome, PeerProblem, unproven


def build(problem: PeerProblem) -> gp.Model:
    """All steps as the rows of one predictor constraint.

    The tool writes each ReLU as a MAX general constraint, which Gurobi turns into big-M in presolve.
    """
    network = onnx.load(problem.network)
    horizon, states, controls = problem.horizon, len(problem.initial_state), len(problem.control_lower)
    model = gp.Model(env=environment())
    x = model.addMVar((horizon + 1, states), lb=problem.state_lower, ub=problem.state_upper, name="x")
    x[0].setAttr("LB", problem.initial_state)
    x[0].setAttr("UB", problem.initial_state)
    u = model.addMVar((horizon, controls), lb=problem.control_lower, ub=problem.control_upper, name="u")
    inputs = model.addMVar((horizon, states + controls), lb=problem.input_lower, ub=problem.input_upper)
    predicted = model.addMVar((horizon, states), lb=-GRB.INFINITY)

    model.addConstr(inputs[:, :states] == x[:-1])
    model.addConstr(inputs[:, states:] == u)
    add_predictor_constr(model, network, inputs, predicted)
    model.addConstr(x[1:] == (x[:-1] + predicted if problem.change else predicted))
    if problem.quadratic:
        away = x[1:] - problem.target
        model.setObjective(((away**2) * problem.state_weight).sum() + ((u**2) * problem.control_weight).sum())
    else:
        miss, effort = model.addMVar((horizon, states)), model.addMVar((horizon, controls))
        model.addConstr(miss >= x[1:] - problem.target)
        model.addConstr(miss >= problem.target - x[1:])
        model.addConstr(effort >= u)
        model.addConstr(effort >= -u)
        model.setObjective((miss * problem.state_weight).sum() + (effort * problem.control_weight).sum())
    model.update()
    return model


def solve(model: gp.Model, time_limit: float, gap: float, seed: int = 0, threads: int = 1) -> Outcome:
    """Solve with Gurobi. Raises `BackendUnavailable` where the licence is too small for the model."""
    model.Params.Threads = threads
    model.Params.TimeLimit = time_limit
    model.Params.MIPGap = gap
    model.Params.Seed = seed
    try:
        model.optimize()
    except gp.GurobiError as error:
        if error.errno != GRB.Error.SIZE_LIMIT_EXCEEDED:
            raise
        raise BackendUnavailable(
            f"the Gurobi licence is too small for {model.NumVars} variables, {model.NumConstrs} rows and "
            f"{model.NumGenConstrs} general constraints (the pip licence takes 2,000 variables and rows)"
        ) from error
    sizes = model.NumVars, model.NumIntVars, model.NumConstrs
    return Outcome(model.ObjVal, unproven(model.ObjBound), model.Runtime, int(model.NodeCount), *sizes)


@cache
def environment() -> gp.Env:
    """The silent Gurobi environment all models of this process share, started on first use."""
    return gp.Env(params={"OutputFlag": 0})
