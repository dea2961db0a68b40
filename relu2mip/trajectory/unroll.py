"""Unroll a trajectory problem's network over its horizon; every step shares the step's matrices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

import numpy as np

from relu2mip.arrays import Array, selection
from relu2mip.errors import InvalidProblem
from relu2mip.ir.lower import lower
from relu2mip.normal_form import FormBuilder, NormalForm, Place
from relu2mip.normal_form.splice import splice
from relu2mip.passes import simplify
from relu2mip.trajectory.names import cost_name, name_of
from relu2mip.trajectory.objective import TrajectoryObjective
from relu2mip.trajectory.premises import trajectory_premises
from relu2mip.trajectory.size import check_horizon, step_bytes
from relu2mip.trajectory.statement import Statement
from relu2mip.trajectory.write import write_problem
from relu2mip.unrolled.unrolled import Unrolled


def unroll(problem: Statement) -> Unrolled:
    """The normal form over the horizon: inputs are the known window and controls, outputs all states and controls.

    Raises `InvalidProblem` for a horizon that does not fit into memory.
    """
    form, step, copies = _form(problem)
    return _of_problem(problem, form, step, copies)


def unrolled_as(problem: Statement, other: Unrolled) -> Unrolled:
    """The same for a problem that differs from another one in boxes and costs only, not in cost networks."""
    return _of_problem(problem, other.form, other.step, other.step_value)


def _of_problem(problem: Statement, form: NormalForm, step: NormalForm, copies: Mapping[int, int]) -> Unrolled:
    domain = _domain(problem, form)
    return Unrolled(
        form=form,
        domain=domain,
        step=step,
        step_value=copies,
        step_inputs=partial(_step_inputs, problem),
        write=partial(write_problem, problem),
        objective=cache(partial(TrajectoryObjective, problem, form, domain)),
        premises=partial(trajectory_premises, problem),
    )


def _domain(problem: Statement, form: NormalForm) -> dict[int, tuple[Array, Array]]:
    """The boxes of inputs and states, by value."""
    window, past, domain = problem.window, problem.known_controls, {}
    low, high = problem.initial_limits
    for k in range(1 - window, 1):
        domain[form.inputs[name_of("state", k)]] = low[k - 1], high[k - 1]
    for k in range(1 - window - problem.delay, 0):
        domain[form.inputs[name_of("control", k)]] = past[k], past[k]
    for kind, first, (low, high) in (("control", 0, problem.control_limits), ("state", 1, problem.state_limits)):
        for t in range(problem.horizon):
            domain[form.outputs[name_of(kind, t + first)]] = low[t], high[t]
    return domain


def _form(problem: Statement) -> tuple[NormalForm, NormalForm, dict[int, int]]:
    """The form over the horizon, that of a step, and which value of a step each of its values is a copy of."""
    horizon, window, n, m = problem.horizon, problem.window, problem.n, problem.m
    step = problem.dynamics.step()
    check_horizon(horizon, step_bytes(step))
    digits = max(2, len(str(horizon)))
    form = FormBuilder()

    def add_input(kind: str, step: int, size: int) -> int:
        return form.input(name_of(kind, step), size, Place(kind, np.arange(size), step, digits))

    states = {k: add_input("state", k, n) for k in range(1 - window, 1)}
    controls = {k: add_input("control", k, m) for k in range(1 - window - problem.delay, horizon)}
    copies: dict[int, int] = {}
    for t in range(horizon):
        reads = {f"state[{-k}]": states[t - k] for k in range(window)}
        reads |= {f"control[{-k}]": controls[t - k - problem.delay] for k in range(window)}
        for name, signal in problem.signals.items():
            units = Place(f"known.{name}", np.arange(signal.shape[1]), t, digits)
            reads[name] = form.affine((), (), signal[t], units)

        def place(p: Place, t: int = t) -> Place:
            return Place(p.layer, p.units, t + 1 if p.layer == "state" else t, digits)

        states[t + 1] = splice(form, step, reads, place, copies)["next"]
    outputs = {name_of("state", t): states[t] for t in range(1 - window, horizon + 1)}
    outputs |= {name_of("control", t): controls[t] for t in range(horizon)}
    outputs |= _cost_networks(problem, form, states, controls, digits)
    return form.build(outputs), step, copies


def _cost_networks(
    problem: Statement, form: FormBuilder, states: dict[int, int], controls: dict[int, int], digits: int
) -> dict[str, int]:
    outputs: dict[str, int] = {}
    for number, network in enumerate(problem.cost.networks() if problem.cost else (), 1):
        cost = simplify(lower(network.net)).form
        for t in network.steps(problem.n, problem.horizon):
            reads, at = {}, 0
            for port in network.net.inputs:
                blocks = [states[t], controls[t]] if network.reads_controls(problem.n) else [states[t]]
                read = Place(f"cost{number}.read.{port.name}", np.arange(port.size), t, digits)
                reads[port.name] = _slice(form, blocks, at, port.size, read)
                at += port.size

            def place(p: Place, t: int = t, number: int = number) -> Place:
                return Place(f"cost{number}.{p.layer}", p.units, t, digits)

            outputs[cost_name(number, t)] = splice(form, cost, reads, place)[network.net.outputs[0].name]
    return outputs


def _slice(form: FormBuilder, blocks: list[int], at: int, size: int, place: Place) -> int:
    """Entries [at, at + size) of the blocks laid end to end."""
    if len(blocks) == 1 and at == 0 and size == form.size(blocks[0]):
        return blocks[0]
    inputs, matrices, start = [], [], 0
    for block in blocks:
        length = form.size(block)
        index = np.arange(at, at + size) - start
        matrices.append(selection(np.where((index >= 0) & (index < length), index, -1), length))
        inputs.append(block)
        start += length
    return form.affine(inputs, matrices, place=place)


def _step_inputs(problem: Statement, samples: Mapping[str, Array]) -> dict[str, Array]:
    """Inputs of the step form from samples `state` (N, n) or (N, k, n), `control` (N, m) or (N, k, m), known (N, k)."""

    def read(name: str, size: int, window: int) -> Array:
        if name not in samples:
            raise InvalidProblem(f"the samples have no array {name!r}; they have {sorted(samples)}")
        array = np.asarray(samples[name], dtype=np.float64)
        if array.ndim == 1 and size == 1:
            array = array[:, None]
        if array.ndim == 2 and window == 1:
            array = array[:, None, :]
        if array.ndim != 3 or array.shape[1:] != (window, size) or not np.isfinite(array).all():
            shape = (window, size) if window > 1 else (size,)
            raise InvalidProblem(f"samples: {name!r} has shape {np.shape(samples[name])}; give finite (N, *{shape})")
        return array

    inputs: dict[str, Array] = {}
    for kind, size in (("state", problem.n), ("control", problem.m)):
        array = read(kind, size, problem.window)
        inputs |= {f"{kind}[{-k}]": array[:, problem.window - 1 - k] for k in range(problem.window)}
    return inputs | {name: read(name, signal.shape[1], 1)[:, 0] for name, signal in problem.signals.items()}
