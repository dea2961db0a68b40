"""Exact optima by enumeration: of small networks over a box by activation pattern, of discrete plans by sequence."""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import linprog

import relu2mip as r2m
from relu2mip.arrays import dense
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu


def box_optimum(problem: r2m.BoxProblem) -> float:
    """The optimum of a linear objective over a box, one linear program per activation pattern of the normal form."""
    form = problem.unrolled.form
    options = []
    for value in form.values:
        if isinstance(value, Relu):
            options.append(list(itertools.product((0, 1), repeat=value.size)))
        elif isinstance(value, Max):
            groups = [range(a, b) for a, b in itertools.pairwise(value.starts)]
            options.append(list(itertools.product(*groups)))
        else:
            options.append([()])
    sign = 1.0 if problem.sense == "min" else -1.0
    found = [_pattern(problem, form, pattern, sign) for pattern in itertools.product(*options)]
    return sign * min(v for v in found if v is not None)


def _pattern(problem: r2m.BoxProblem, form: NormalForm, pattern: tuple, sign: float) -> float | None:
    """The optimum where units are as the pattern says, None where nothing is."""
    size = problem.net.input_size
    low, high = problem.limits
    matrices, offsets, rows, limits = [], [], [], []
    at = 0
    for value, choice in zip(form.values, pattern, strict=True):
        match value:
            case Input():
                matrices.append(np.eye(size)[at : at + value.size])
                offsets.append(np.zeros(value.size))
                at += value.size
            case Affine():
                total, offset = np.zeros((value.size, size)), value.bias.copy()
                for k, matrix in zip(value.inputs, value.matrices, strict=True):
                    total += dense(matrix) @ matrices[k]
                    offset += dense(matrix) @ offsets[k]
                matrices.append(total)
                offsets.append(offset)
            case Relu():
                on = np.array(choice, dtype=float)
                x, c = matrices[value.input], offsets[value.input]
                side = np.where(on == 1, -1.0, 1.0)
                rows.append(side[:, None] * x)
                limits.append(-side * c)
                matrices.append(on[:, None] * x)
                offsets.append(on * c)
            case Max():
                x, c = matrices[value.input][value.members], offsets[value.input][value.members]
                best = np.repeat(np.array(choice), np.diff(value.starts))
                rows.append(x - x[best])
                limits.append(c[best] - c)
                matrices.append(x[list(choice)])
                offsets.append(c[list(choice)])
    gradient, constant, at = np.zeros(size), 0.0, 0
    for port in problem.net.outputs:
        weights = problem.coefficients[at : at + port.size]
        i = form.outputs[port.name]
        gradient += weights @ matrices[i]
        constant += weights @ offsets[i]
        at += port.size
    constraints = {"A_ub": np.concatenate(rows), "b_ub": np.concatenate(limits)} if rows else {}
    result = linprog(sign * gradient, bounds=np.stack([low, high], axis=1), **constraints)
    return float(result.fun + sign * constant) if result.status == 0 else None


def best_sequence(problem: r2m.Trajectory) -> tuple[float, np.ndarray]:
    """The best plan of a problem with `Finite` controls: every sequence rolled out, infeasible ones dropped."""
    lists = problem.control_values
    one_step = np.array(list(itertools.product(*lists)))
    index = np.array(list(itertools.product(range(len(one_step)), repeat=problem.horizon)))
    controls = one_step[index]
    states = problem.rollout(controls)
    low, high = problem.state_limits
    feasible = ((states[:, 1:] >= low - 1e-9) & (states[:, 1:] <= high + 1e-9)).all(axis=(1, 2))
    if problem.rate_limits is not None:
        low, high = problem.rate_limits
        first = controls[:, :1] if problem.previous_control is None else problem.previous_control
        changes = np.diff(controls, axis=1, prepend=np.broadcast_to(first, controls[:, :1].shape))
        feasible &= ((changes >= low - 1e-9) & (changes <= high + 1e-9)).all(axis=(1, 2))
    for constraint in problem.all_constraints:
        state, control, lower, upper = constraint.matrices(problem.n, problem.m)
        for t in constraint.chosen_steps(problem.horizon):
            value = states[:, t] @ state.T
            if constraint.control is not None:
                value = value + controls[:, t] @ control.T
            feasible &= ((value >= lower - 1e-9) & (value <= upper + 1e-9)).all(axis=1)
    costs = np.where(feasible, problem.evaluate_cost(states, controls), np.inf)
    return float(costs.min()), controls[int(costs.argmin())]
