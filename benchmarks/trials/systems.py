"""Twelve systems of units that a problem is rewritten in; the answer must not notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.trials.network import Affine
from benchmarks.trials.plans import Plans
from benchmarks.trials.sketch import Sketch, Units

System = Callable[[Sketch, Plans, np.random.Generator], Units]


def _all(factor: float) -> System:
    """Every quantity, hidden units and the cost multiplied: weights stay, biases shrink or grow."""

    def units(sketch: Sketch, plans: Plans, rng: np.random.Generator) -> Units:
        plain = Units.plain(sketch.n, sketch.m)
        states, controls = (replace(a, scale=a.scale * factor) for a in (plain.states, plain.controls))
        return replace(plain, states=states, controls=controls, common=factor, cost=factor)

    return units


def _states(*factors: float) -> System:
    def units(sketch: Sketch, plans: Plans, rng: np.random.Generator) -> Units:
        plain = Units.plain(sketch.n, sketch.m)
        return replace(plain, states=replace(plain.states, scale=np.resize(factors, sketch.n)))

    return units


def _offset(offset: float, half_width: float, other: float, control: float) -> System:
    """The first state at offset +- half_width, the others +- other, controls multiplied; the network normalises."""

    def units(sketch: Sketch, plans: Plans, rng: np.random.Generator) -> Units:
        half = plans.width / 2
        scale = np.where(np.arange(sketch.n) == 0, half_width, other) / half
        offsets = np.where(np.arange(sketch.n) == 0, offset, 0.0)
        return Units(Affine(scale, offsets), Affine(np.full(sketch.m, control), np.zeros(sketch.m)))

    return units


def _hidden(sketch: Sketch, plans: Plans, rng: np.random.Generator) -> Units:
    return replace(Units.plain(sketch.n, sketch.m), hidden_decades=6.0, hidden_seed=int(rng.integers(1000)))


def _cost(factor: float) -> System:
    def units(sketch: Sketch, plans: Plans, rng: np.random.Generator) -> Units:
        return replace(Units.plain(sketch.n, sketch.m), cost=factor)

    return units


def _mixed(sketch: Sketch, plans: Plans, rng: np.random.Generator) -> Units:
    scale = 10.0 ** rng.integers(-6, 7, sketch.n)
    offset = scale * plans.width * 10.0 ** rng.integers(0, 5, sketch.n) * rng.choice([-1, 0, 1], sketch.n)
    return Units(
        Affine(scale, offset),
        Affine(10.0 ** rng.integers(-4, 5, sketch.m), np.zeros(sketch.m)),
        hidden_seed=int(rng.integers(1000)),
        hidden_decades=float(rng.choice([0, 3, 6])),
        cost=10.0 ** int(rng.integers(-6, 7)),
    )


SYSTEMS: dict[str, System] = {
    "all 1e-6": _all(1e-6),
    "all 1e-8": _all(1e-8),
    "all 1e8": _all(1e8),
    "no biases, all 1e-6": _all(1e-6),
    "states 1e3, 1e-6": _states(1e3, 1e-6),
    "hidden units 1e±6": _hidden,
    "pressure": _offset(1e5, 1.0, 1e-6, 1e-6),
    "voltage": _offset(4e5, 50.0, 1e-6, 1e-6),
    "northing": _offset(5.4e6, 5.0, 1.0, 1e-4),
    "cost 1e-12": _cost(1e-12),
    "cost 1e6": _cost(1e6),
    "mixed": _mixed,
}
