"""PySCIPOpt-ML (https://github.com/Opt-Mucca/PySCIPOpt-ML), solved by SCIP.

Its ONNX reader ignores ``formulation="bigm"`` and writes SOS1, so the weights go in as a scikit-learn model.
Of the readers that honour the option this is the quickest: it fuses affine layer and ReLU.
"""

from __future__ import annotations

import math
import time

import numpy as np
from problems import Outcome, Problem, read_layers
from pyscipopt import Model, quicksum
from pyscipopt_ml import add_predictor_constr
from sklearn.neural_network import MLPRegressor


def build(problem: Problem) -> Model:
    """All steps as the rows of one predictor constraint; the tool propagates intervals for its big-M."""
    horizon, states, controls = problem.horizon, len(problem.initial_state), len(problem.control_lower)
    model = Model()
    model.hideOutput()
    x_lower = np.vstack([problem.initial_state, np.tile(problem.state_lower, (horizon, 1))])
    x_upper = np.vstack([problem.initial_state, np.tile(problem.state_upper, (horizon, 1))])
    x = model.addMatrixVar((horizon + 1, states), lb=x_lower, ub=x_upper, name="x")
    u_shape = (horizon, controls)
    u = model.addMatrixVar(
        u_shape,
        lb=np.broadcast_to(problem.control_lower, u_shape),
        ub=np.broadcast_to(problem.control_upper, u_shape),
        name="u",
    )
    change = model.addMatrixVar((horizon, states), lb=None, ub=None, name="change")
    lowest = None if problem.quadratic else 0.0
    miss = model.addMatrixVar((horizon, states), lb=lowest, name="miss")
    effort = model.addMatrixVar(u_shape, lb=lowest, name="effort")

    inputs = np.hstack([x[:-1], u])
    add_predictor_constr(model, regressor(problem), inputs, change, formulation="bigm")
    model.addMatrixCons(x[1:] == x[:-1] + change)
    power = 2 if problem.quadratic else 1
    if problem.quadratic:
        model.addMatrixCons(miss == x[1:] - problem.target)
        model.addMatrixCons(effort == u)
    else:
        model.addMatrixCons(miss >= x[1:] - problem.target)
        model.addMatrixCons(miss >= problem.target - x[1:])
        model.addMatrixCons(effort >= u)
        model.addMatrixCons(effort >= -u)
    cost = quicksum(w * v**power for row in miss for w, v in zip(problem.state_weight, row, strict=True))
    cost += quicksum(w * v**power for row in effort for w, v in zip(problem.control_weight, row, strict=True))
    total = model.addVar(lb=0.0, name="cost")
    model.addCons(total >= cost)
    model.setObjective(total)
    return model


def solve(model: Model, time_limit: float, gap: float) -> Outcome:
    """Solve with SCIP."""
    model.setParam("limits/time", time_limit)
    model.setParam("limits/gap", gap)
    start = time.perf_counter()
    model.optimize()
    seconds = time.perf_counter() - start
    objective = model.getPrimalbound() if model.getNSols() else math.inf
    return Outcome(objective, model.getDualbound(), seconds)


def regressor(problem: Problem) -> MLPRegressor:
    """The network as a fitted scikit-learn regressor."""
    weights, biases = zip(*read_layers(problem.network), strict=True)
    net = MLPRegressor(hidden_layer_sizes=tuple(len(bias) for bias in biases[:-1]), activation="relu")
    net.coefs_, net.intercepts_ = list(weights), list(biases)
    net.n_layers_, net.n_outputs_, net.out_activation_ = len(weights) + 1, len(biases[-1]), "identity"
    return net
