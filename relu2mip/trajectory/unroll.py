"""Unroll a trajectory problem's network over its horizon; every step shares the step's matrices."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

import numpy as np

from relu2mip.arrays import Array, selection
from relu2mip.errors import InvalidProblem
from relu2mip.ir.lower import lower
from relu2mip.normal_form import FormBuilder, Place
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
    horizon, window, n, m = problem.horizon, problem.window, problem.n, problem.m
    step = problem.dynamics.step()
    check_horizon(horizon, step_bytes(step))
    digits = max(2, len(str(horizon)))
    form = FormBuilder()
    domain: dict[int, tuple[Array, Array]] = {}

    def add_input(kind: str, step: int, size: int, lower: Array, upper: Array) -> int:
        i = form.input(name_of(kind, step), size, Place(kind, np.arange(size), step, digits))
        domain[i] = lower, upper
        return i

    low, high = problem.initial_limits
    states = {k: add_input("state", k, n, low[k - 1], high[k - 1]) for k in range(1 - window, 1)}
    past = problem.known_controls
    controls = {k: add_input("control", k, m, past[k], past[k]) for k in range(1 - window - problem.delay, 0)}
    low, high = problem.control_limits
    for t in range(horizon):
        controls[t] = add_input("control", t, m, low[t], high[t])

    copies: dict[int, int] = {}
    low, high = problem.state_limits
    for t in range(horizon):
        reads = {f"state[{-k}]": states[t - k] for k in range(window)}
        reads |= {f"control[{-k}]": controls[t - k - problem.delay] for k in range(window)}
        for name, signal in problem.signals.items():
            units = Place(f"known.{name}", np.arange(signal.shape[1]), t, digits)
            reads[name] = form.affine((), (), signal[t], units)

        def place(p: Place, t: int = t) -> Place:
            return Place(p.layer, p.units, t + 1 if p.layer == "state" else t, digits)

        states[t + 1] = splice(form, step, reads, place, copies)["next"]
        domain[states[t + 1]] = low[t], high[t]
    outputs = {name_of("state", t): states[t] for t in range(1 - window, horizon + 1)}
    outputs |= {name_of("control", t): controls[t] for t in range(horizon)}
    outputs |= _cost_networks(problem, form, states, controls, digits)
    whole = form.build(outputs)
    return Unrolled(
        form=whole,
        domain=domain,
        step=step,
        step_value=copies,
        step_inputs=partial(_step_inputs, problem),
        write=partial(write_problem, problem),
        objective=cache(partial(TrajectoryObjective, problem, whole, domain)),
        premises=partial(trajectory_premises, problem),
    )


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
