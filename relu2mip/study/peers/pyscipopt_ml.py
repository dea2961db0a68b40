"""PySCIPOpt-ML (https://github.com/Opt-Mucca/PySCIPOpt-ML), solved by SCIP.

Its ONNX reader ignores ``formulation="bigm"`` and writes SOS1, so the weights go in as a scikit-learn model.
Of the readers that honour the option this is the quickest: it fuses affine layer and ReLU.
"""

from __future__ import annotations

import math
import time

import numpy as np
from pyscipopt import Model, quicksum
from pyscipopt_ml import add_predictor_constr
from sklearn.neural_network import MLPRegressor

from relu2mip.frontends.onnx.chain import read_chain
from relu2mip.study.peers.problem import Outcome, PeerProblem, unproven


def build(problem: PeerProblem) -> Model:
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
    predicted = model.addMatrixVar((horizon, states), lb=None, ub=None, name="predicted")
    lowest = None if problem.quadratic else 0.0
    miss = model.addMatrixVar((horizon, states), lb=lowest, name="miss")
    effort = model.addMatrixVar(u_shape, lb=lowest, name="effort")

    inputs = np.hstack([x[:-1], u])
    add_predictor_constr(model, regressor(problem), inputs, predicted, formulation="bigm")
    model.addMatrixCons(x[1:] == (x[:-1] + predicted if problem.change else predicted))
    power = 2 if problem.quadratic else 1
    if problem.quadratic:
        model.addMatrixCons(miss == x[1:] - problem.target)
        model.addMatrixCons(effort == u)
    else:
        model.addMatrixCons(miss >= x[1:] - problem.target)
        model.addMatrixCons(miss >= problem.target - x[1:])
        model.addMatrixCons(effort >= u)
        model.addMatrixCons(effort >= -u)
    terms = (miss, problem.state_weight), (effort, problem.control_weight)
    weighed = [pair for columns, weights in terms for pair in zip(weights.flat, columns.flat, strict=True)]
    cost = quicksum(w * v**power for w, v in weighed)
    total = model.addVar(lb=0.0, name="cost")
    model.addCons(total >= cost)
    model.setObjective(total)
    return model


def solve(model: Model, time_limit: float, gap: float, seed: int = 0, threads: int = 1) -> Outcome:
    """Solve with SCIP, which runs on one thread."""
    model.setParam("limits/time", time_limit)
    model.setParam("limits/gap", gap)
    model.setParam("randomization/randomseedshift", seed)
    start = time.perf_counter()
    model.optimize()
    seconds = time.perf_counter() - start
    objective = model.getPrimalbound() if model.getNSols() else math.inf
    sizes = model.getNVars(False), model.getNBinVars() + model.getNIntVars(), model.getNConss(False)
    return Outcome(objective, unproven(model.getDualbound()), seconds, int(model.getNTotalNodes()), *sizes)


def regressor(problem: PeerProblem) -> MLPRegressor:
    """The network as a fitted scikit-learn regressor."""
    weights, biases = zip(*read_chain(problem.network), strict=True)
    net = MLPRegressor(hidden_layer_sizes=tuple(len(bias) for bias in biases[:-1]), activation="relu")
    net.coefs_, net.intercepts_ = list(weights), list(biases)
    net.n_layers_, net.n_outputs_, net.out_activation_ = len(weights) + 1, len(biases[-1]), "identity"
    return net
