"""OMLT (https://github.com/cog-imperial/OMLT) on Pyomo, solved by HiGHS through appsi."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import onnx
import pyomo.environ as pyo
from omlt import OmltBlock
from omlt.io import load_onnx_neural_network
from omlt.neuralnet import ReluBigMFormulation
from pyomo.contrib.appsi.solvers import Highs

from relu2mip.errors import CapabilityMissing
from relu2mip.study.peers.problem import Outcome, PeerProblem, unproven


def build(problem: PeerProblem, formulation: Callable[[Any], Any] = ReluBigMFormulation) -> pyo.ConcreteModel:
    """One block a step, which OMLT bounds by interval propagation from the state and control box.

    Raises `CapabilityMissing` for a quadratic cost: HiGHS takes none with integers.
    """
    if problem.quadratic:
        raise CapabilityMissing("HiGHS takes no quadratic cost with integers")
    bounds = dict(enumerate(zip(problem.input_lower.tolist(), problem.input_upper.tolist(), strict=True)))
    load: Any = load_onnx_neural_network
    network = load(onnx.load(problem.network), input_bounds=bounds)
    states, controls = range(len(problem.initial_state)), range(len(problem.control_lower))
    steps = range(problem.horizon)

    model = pyo.ConcreteModel()
    model.dynamics = OmltBlock(steps)
    for t in steps:
        model.dynamics[t].build_formulation(formulation(network))
    model.x = pyo.Var(
        range(problem.horizon + 1),
        states,
        bounds=lambda _, t, i: (float(problem.state_lower[i]), float(problem.state_upper[i])),
    )
    for i in states:
        model.x[0, i].fix(float(problem.initial_state[i]))
    model.u = pyo.Var(
        steps,
        controls,
        bounds=lambda _, t, j: (float(problem.control_lower[j]), float(problem.control_upper[j])),
    )
    model.link_state = pyo.Constraint(steps, states, rule=lambda m, t, i: m.dynamics[t].inputs[i] == m.x[t, i])
    model.link_control = pyo.Constraint(
        steps, controls, rule=lambda m, t, j: m.dynamics[t].inputs[len(states) + j] == m.u[t, j]
    )
    kept = 1 if problem.change else 0
    model.advance = pyo.Constraint(
        steps, states, rule=lambda m, t, i: m.x[t + 1, i] == kept * m.x[t, i] + m.dynamics[t].outputs[i]
    )

    model.miss = pyo.Var(steps, states, domain=pyo.NonNegativeReals)
    model.effort = pyo.Var(steps, controls, domain=pyo.NonNegativeReals)
    target = problem.target.tolist()
    model.above = pyo.Constraint(steps, states, rule=lambda m, t, i: m.miss[t, i] >= m.x[t + 1, i] - target[t][i])
    model.below = pyo.Constraint(steps, states, rule=lambda m, t, i: m.miss[t, i] >= target[t][i] - m.x[t + 1, i])
    model.push = pyo.Constraint(steps, controls, rule=lambda m, t, j: m.effort[t, j] >= m.u[t, j])
    model.pull = pyo.Constraint(steps, controls, rule=lambda m, t, j: m.effort[t, j] >= -m.u[t, j])
    state_weight, control_weight = problem.state_weight.tolist(), problem.control_weight.tolist()
    model.cost = pyo.Objective(
        expr=sum(state_weight[t][i] * model.miss[t, i] for t in steps for i in states)
        + sum(control_weight[t][j] * model.effort[t, j] for t in steps for j in controls)
    )
    return model


def solve(model: pyo.ConcreteModel, time_limit: float, gap: float, seed: int = 0, threads: int = 1) -> Outcome:
    """Solve with HiGHS."""
    solver = Highs()
    solver.highs_options = {"threads": threads, "random_seed": seed}
    solver.config.time_limit = time_limit
    solver.config.mip_gap = gap
    solver.config.load_solution = False
    start = time.perf_counter()
    result = solver.solve(model)
    seconds = time.perf_counter() - start
    objective = result.best_feasible_objective
    native = solver._solver_model
    info, lp = native.getInfo(), native.getLp()
    sizes = lp.num_col_, sum(map(bool, map(int, lp.integrality_))), lp.num_row_
    bound = unproven(result.best_objective_bound)
    return Outcome(math.inf if objective is None else objective, bound, seconds, int(info.mip_node_count), *sizes)
