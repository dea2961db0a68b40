"""Write the sets and costs of a trajectory problem on the columns of its model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Index
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.trajectory.frame import Frame
from relu2mip.trajectory.names import cost_outputs, name_of
from relu2mip.trajectory.statement import Statement
from relu2mip.trajectory.write_choices import write_alternatives


def write_problem(problem: Statement, model: ModelBuilder, expressions: Mapping[str, Expression]) -> None:
    """Discrete controls, control rates, linear constraints and the cost; boxes are column bounds already."""
    frame = _frame(problem, model, expressions)
    _finite_controls(problem, frame)
    write_sets(problem, frame)
    for alternatives in problem.alternatives:
        write_alternatives(frame, alternatives)
    if problem.cost is not None:
        problem.cost.write(frame, "cost")


def write_sets(problem: Statement, frame: Frame) -> None:
    """Control rates and linear constraints."""
    if problem.rate_limits is not None:
        steps, changes = frame.control_changes()
        lower, upper = (side[steps].ravel() for side in problem.rate_limits)
        names = frame.names("control_rate", steps, np.arange(problem.m))
        frame.model.add_rows(names, changes.terms, lower - changes.constant, upper - changes.constant)
    for constraint in problem.all_constraints:
        state, control, lower, upper = constraint.matrices(problem.n, problem.m)
        steps = np.array(constraint.chosen_steps(problem.horizon), dtype=np.intp)
        eye = sp.eye_array(steps.size)
        terms = [(sp.csr_array(sp.kron(eye, state)), frame.states[steps].ravel())]
        if constraint.control is not None:
            terms.append((sp.csr_array(sp.kron(eye, control)), frame.controls[steps].ravel()))
        names = frame.names(constraint.name, steps, np.arange(lower.size))
        frame.model.add_rows(names, terms, np.tile(lower, steps.size), np.tile(upper, steps.size))


def _frame(problem: Statement, model: ModelBuilder, expressions: Mapping[str, Expression]) -> Frame:
    def columns(kind: str, step: int) -> Index:
        ((_, positions),) = expressions[name_of(kind, step)].terms
        return positions

    return Frame(
        model=model,
        states=np.stack([columns("state", t) for t in range(problem.horizon + 1)]),
        controls=np.stack([columns("control", t) for t in range(problem.horizon)]),
        previous_control=problem.previous_control,
        expressions={key: expressions[name] for name, key in cost_outputs(problem).items()},
        digits=max(2, len(str(problem.horizon))),
    )


def _finite_controls(problem: Statement, frame: Frame) -> None:
    """U = v[0] + (v[1] - v[0]) b for two values; u = sum_k v[k] b[k], sum_k b[k] = 1 for more; fixed for one."""
    steps = np.arange(problem.horizon)
    for unit, values in enumerate(problem.control_values):
        u, number = frame.controls[:, unit], np.array([unit])
        if values is None or values.size == 1:
            continue
        if values.size == 2:
            b = frame.model.add_columns(frame.names("control", steps, number, ".second"), 0.0, 1.0, integer=True)
            names = frame.names("control", steps, number, ".value")
            span = values[1] - values[0]
            frame.model.add_rows(names, [(1.0, u), (-span, b)], lower=values[0], upper=values[0])
            continue
        shape = steps.size, values.size
        step, value = (index.ravel() for index in np.indices(shape))
        names = NameBlock("control", np.full(step.size, unit), ".choice", step, frame.digits, value)
        b = frame.model.add_columns(names, 0.0, 1.0, integer=True).reshape(shape)
        _choice_rows(frame, unit, u, b, values)


def _choice_rows(frame: Frame, unit: int, u: Index, b: Index, values: np.ndarray) -> None:
    steps, number = np.arange(b.shape[0]), np.array([unit])
    eye = sp.eye_array(b.shape[0])
    one = sp.csr_array(sp.kron(eye, np.ones((1, values.size))))
    frame.model.add_rows(frame.names("control", steps, number, ".one"), [(one, b.ravel())], 1.0, 1.0)
    weighted = sp.csr_array(sp.kron(eye, -values[None, :]))
    frame.model.add_rows(frame.names("control", steps, number, ".value"), [(1.0, u), (weighted, b.ravel())], 0.0, 0.0)
