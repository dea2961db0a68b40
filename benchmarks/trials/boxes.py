"""Random linear objectives of networks over boxes, held against every activation pattern and many points."""

from __future__ import annotations

import itertools
from functools import partial

import numpy as np

import relu2mip as r2m
from benchmarks.trials.draw import random_layers
from benchmarks.trials.judge import COST_TOLERANCE, Case, Fault, Verdict, solved, unit_faults
from benchmarks.trials.network import PAIRED, written
from tests.brute_force import box_optimum

MOST_UNITS = 6


def box_problem(seed: int) -> r2m.BoxProblem:
    """A small network over a box that may be flat in some directions."""
    rng = np.random.default_rng([seed, 6])
    inputs, outputs = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    kind = str(rng.choice(["relu", "relu", "relu", "leaky", "abs", "max", "pool"]))
    hidden = [int(rng.integers(2, MOST_UNITS + 1))]
    if rng.random() < 0.5:
        hidden = [hidden[0] // 2 or 1, MOST_UNITS // 2]
    layers = random_layers([inputs, *hidden, outputs], rng, kind, True, 1.0)
    assert sum(layer.width for layer in layers[:-1] if layer.activation in {"relu", *PAIRED}) <= MOST_UNITS + 3
    low = rng.uniform(-2, 0, inputs).round(2)
    high = low + rng.choice([0.0, 0.5, 2.0, 3.0], inputs, p=[0.1, 0.3, 0.3, 0.3])
    weights = rng.uniform(-2, 2, outputs).round(2)
    return r2m.BoxProblem(
        written(list(layers), bool(rng.random() < 0.7)), low, high, weights, str(rng.choice(["min", "max"]))
    )


def judged_box(problem: r2m.BoxProblem, case: Case, seed: int) -> Verdict:
    """Solve it, and hold what is said against its optimum by enumeration and against points of its box."""
    rng = np.random.default_rng([seed, 7])
    low, high = problem.limits
    points = rng.uniform(low, high, (2000, low.size))
    points = np.concatenate([points, list(itertools.product(*zip(low, high, strict=True)))])
    sign = 1.0 if problem.sense == "min" else -1.0
    costs = sign * problem.evaluate(points)
    best, spread = sign * box_optimum(problem), float(np.ptp(costs)) or 1.0

    def check_units(compiled: r2m.Compiled) -> list[Fault]:
        return unit_faults(compiled.all_bounds, problem.split(points), costs)

    start = points[int(np.argsort(costs)[len(costs) // 2])] if case.start else None
    check_answer = partial(_faults, problem, case, best, spread, sign)
    return solved(problem, case, best, check_units, check_answer, start)


def _faults(
    problem: r2m.BoxProblem, case: Case, best: float, spread: float, sign: float, answer: r2m.Answer
) -> list[Fault]:
    objective, bound, tolerance = sign * answer.objective, sign * answer.bound, COST_TOLERANCE * spread
    asked = case.gap * abs(objective)
    said = f"objective {objective:.9g}, bound {bound:.9g}, optimum {best:.9g} (range {spread:.3g})"
    flat = np.concatenate([np.ravel(answer.inputs[port.name]) for port in problem.net.inputs])
    low, high = problem.limits
    outside = np.maximum(low - flat, flat - high) / np.where(high > low, high - low, 1.0)
    true = sign * float(problem.evaluate(flat)[0])
    optimal = answer.status == "optimal"
    found = {
        "bound": bound > best + tolerance,
        "failure": not answer.has_plan and optimal,
        "contradiction": bound > objective + tolerance,
        "gap": optimal and objective - bound > 1.01 * asked + tolerance,
        "suboptimal": optimal and objective > best + asked + tolerance,
        "impossible": objective < best - 10 * tolerance,
        "cost": abs(objective - true) > 10 * tolerance,
        "set": bool((outside > 1e-5).any()),
    }
    if not answer.has_plan:
        found = {kind: found[kind] for kind in ("bound", "failure")}
    faults = [Fault(kind, said) for kind, wrong in found.items() if wrong]
    return faults + ([Fault("slow", said)] if answer.status == "time limit" else [])
