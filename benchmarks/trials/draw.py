"""Random planning problems, each from a seed: networks, horizons, costs and sets of every kind, small enough to solve.

Limits of sets are drawn where no plan is near them, so that whether a plan is feasible is no matter of rounding.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from benchmarks.trials.network import PAIRED, Layer
from benchmarks.trials.plans import enumerated
from benchmarks.trials.sketch import Rows, Sketch, Term

ACTIVATIONS = ["relu"] * 8 + ["leaky", "abs", "clip", "max", "pool"]
MOST_PLANS = 243


def sketch(seed: int, biases: bool = True, continuous: bool = False) -> Sketch:
    """A random problem; `continuous` controls in a box, otherwise a few values each."""
    rng = np.random.default_rng([seed, 1])
    n, m = int(rng.integers(2, 5)), int(rng.choice([1, 1, 1, 2]))
    counts = [int(rng.choice([1, 2, 2, 3, 3, 3, 5])) for _ in range(m)]
    per_step = int(np.prod(counts))
    longest = 5 if per_step == 1 else int(np.log(MOST_PLANS + 0.5) / np.log(per_step))
    horizon = int(rng.integers(1, min(5, max(1, longest)) + 1))
    window = 2 if rng.random() < 0.15 else 1
    predicts = str(rng.choice(["state", "change"]))
    one_kind = str(rng.choice(ACTIVATIONS)) if rng.random() < 0.7 else None
    widths = [int(w) for w in rng.integers(2, 9, rng.integers(1, 3))]
    layers = random_layers(
        [window * (n + m), *widths, n], rng, one_kind, biases, gain=0.7 if predicts == "change" else 1.2
    )
    base = Sketch(
        layers=layers,
        n=n,
        m=m,
        horizon=horizon,
        initial=rng.uniform(-1, 1, (window, n)).round(3),
        predicts=predicts,
        window=window,
        levels=None if continuous else tuple(_levels(rng, k) for k in counts),
        controls=_box(rng, m) if continuous else None,
        past=rng.uniform(-1, 1, (1, m)).round(3) if window == 2 or rng.random() < 0.2 else None,
        double=bool(rng.random() < 0.7),
    )
    return _with_sets(replace(base, terms=_terms(base, rng, biases)), rng)


def classic(seed: int, biases: bool = True) -> Sketch:
    """A network 3-8-8-2 of the next state, 5 steps, controls -1, 0, 1: 243 plans."""
    rng = np.random.default_rng([seed, 5])
    layers = random_layers([3, 8, 8, 2], rng, "relu", biases, 1.2)
    base = Sketch(
        layers=layers,
        n=2,
        m=1,
        horizon=5,
        initial=rng.uniform(-1, 1, (1, 2)).round(3),
        levels=(np.array([-1.0, 0.0, 1.0]),),
    )
    target = rng.uniform(-1, 1, 2).round(2)
    term = Term("l1", target, {"state": rng.uniform(0.5, 2, 2).round(2), "control": np.array([0.1])})
    return _with_sets(replace(base, terms=(term,)), rng)


def random_layers(
    sizes: list[int], rng: np.random.Generator, kind: str | None, biases: bool, gain: float
) -> tuple[Layer, ...]:
    """Random layers; some units are stable, dead, duplicates or without input."""
    layers = []
    for k, (a, b) in enumerate(pairwise(sizes)):
        if k == len(sizes) - 2:
            bias = 0.2 * rng.normal(size=b) if biases else np.zeros(b)
            layers.append(Layer(gain * rng.normal(size=(b, a)) / np.sqrt(a), bias))
            break
        activation = kind or str(rng.choice(ACTIVATIONS))
        rows = 2 * b if activation in PAIRED else b
        weight, bias = rng.normal(size=(rows, a)) * np.sqrt(2 / a), 0.4 * rng.normal(size=rows)
        if rng.random() < 0.3:
            weight = np.round(weight * 2) / 2
        bias += rng.choice([0.0, 4.0, -4.0], rows, p=[0.84, 0.08, 0.08])
        weight[rng.random(rows) < 0.04] = 0.0
        if rows > 1 and rng.random() < 0.1:
            weight[1], bias[1] = weight[0], bias[0]
        if not biases:
            bias = np.zeros(rows)
        layers.append(Layer(weight, bias, activation, limit=float(rng.uniform(0.3, 1.5))))
    return tuple(layers)


def _levels(rng: np.random.Generator, count: int) -> np.ndarray:
    if count == 1:
        return np.array([float(rng.choice([0.0, 0.5, -1.0]))])
    if rng.random() < 0.6:
        return np.linspace(-1.0, 1.0, count)
    return np.sort(rng.choice(np.linspace(-1.5, 1.5, 13), count, replace=False))


def _box(rng: np.random.Generator, m: int) -> tuple[np.ndarray, np.ndarray]:
    low = rng.uniform(-1.5, -0.2, m).round(2)
    high = rng.uniform(0.2, 1.5, m).round(2)
    fixed = rng.random(m) < 0.1
    return np.where(fixed, 0.3, low), np.where(fixed, 0.3, high)


def _terms(base: Sketch, rng: np.random.Generator, biases: bool) -> tuple[Term, ...]:
    """One or two costs; sometimes none with a state, sometimes a network."""
    kinds = ["l1", "l1", "linf", "quadratic", "network"]
    terms = []
    for kind in rng.choice(kinds, 1 if rng.random() < 0.75 else 2, replace=False):
        if kind == "network":
            widths = [base.n, 1] if rng.random() < 0.4 else [base.n, 4, 1]
            layers = random_layers(widths, rng, "relu", biases, 1.0)
            terms.append(Term("network", layers=layers, terminal=float(rng.choice([0.0, 1.0]))))
            continue
        chosen = [w for w in ("state", "terminal", "control", "control_rate") if rng.random() < 0.5] or ["state"]
        if not terms and not {"state", "terminal"} & set(chosen):
            chosen.append("state")
        sizes = {"state": base.n, "terminal": base.n, "control": base.m, "control_rate": base.m}
        weights = {w: rng.uniform(0.1, 2.0, sizes[w]) * (rng.random(sizes[w]) < 0.8) for w in chosen}
        weights[chosen[0]][0] = 1.0
        target = rng.uniform(-1, 1, base.n).round(2) if rng.random() < 0.7 else 0.0
        terms.append(Term(str(kind), target, weights))
    return tuple(terms)


def _with_sets(base: Sketch, rng: np.random.Generator) -> Sketch:
    """State boxes, terminal sets, rates and rows, drawn among the states that plans reach."""
    if base.levels is not None:
        states = enumerated(base.problem()).states
    else:
        problem = base.problem()
        low, high = base.controls
        states = problem.rollout(rng.uniform(low, high, (200, base.horizon, base.m)))
    reached = states[:, 1:]
    low, high = reached.min(axis=(0, 1)), reached.max(axis=(0, 1))
    width = np.maximum(high - low, 1e-3)
    result = base
    choice = rng.random()
    if choice < 0.75:
        low, high = low - width * rng.uniform(0.1, 2, base.n), high + width * rng.uniform(0.1, 2, base.n)
        if choice < 0.45:  # cuts some plans off, now and then all of them
            unit = int(rng.integers(base.n))
            cut = _between(reached[:, :, unit].max(axis=1), rng)
            if cut is not None:
                high[unit] = cut
        if choice < 0.2:
            unit = int(rng.integers(base.n))
            cut = _between(reached[:, :, unit].min(axis=1), rng)
            if cut is not None and cut < high[unit]:
                low[unit] = cut
        result = replace(result, states=(low, high))
    if rng.random() < 0.2:
        cut = _between(reached[:, -1, 0], rng)
        if cut is not None:
            sides = np.full(base.n, -np.inf), np.full(base.n, np.inf)
            side = int(rng.integers(2))
            sides[side][0] = cut
            box = result.states
            if box is None or box[0][0] < cut < box[1][0]:
                result = replace(result, terminal=sides)
    if rng.random() < 0.2:
        result = replace(result, rate=float(rng.choice([0.75, 1.0, 1.25])))
    if rng.random() < 0.2:
        result = replace(result, rows=(_rows(base, states, rng),))
    return result


def _rows(base: Sketch, states: np.ndarray, rng: np.random.Generator) -> Rows:
    """A row of the state, that cuts at one step."""
    weights = rng.normal(size=base.n).round(2)
    t = int(rng.integers(1, base.horizon + 1))
    cut = _between(states[:, t] @ weights, rng)
    upper = float(np.abs(states @ weights).max() + 1) if cut is None else cut
    return Rows(weights, None, -np.inf, upper, (t,))


def _between(values: np.ndarray, rng: np.random.Generator) -> float | None:
    """A number between values, far from all of them, at a random quantile; None where they are all alike."""
    values = np.unique(values)
    width = values[-1] - values[0]
    if width < 1e-3:
        return None
    if rng.random() < 0.1:  # beyond them all
        return float(values[0] - 0.05 * width if rng.random() < 0.5 else values[-1] + 0.05 * width)
    k = int(rng.integers(values.size - 1))
    near = np.arange(max(0, k - 4), min(values.size - 1, k + 5))
    best = near[np.argmax(np.diff(values)[near])]
    gap = values[best + 1] - values[best]
    return float((values[best] + values[best + 1]) / 2) if gap > 1e-3 * width else None
