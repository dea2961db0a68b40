"""Projected gradient descent with Adam's steps, from many starts at once, through the form's vector-Jacobian product.

Most starts are given up after a few steps, for a batch costs little more than a single descent does, and those that
end well are mostly ahead by then. The network is run and differentiated by numpy, or by torch, on a GPU where there
is one; costs, sets and steps are the same arrays either way, so both descend alike. Torch pays where the network is
wide or the starts are many.

Sources: Kingma, Ba, "Adam: A Method for Stochastic Optimization" (ICLR 2015); Jamieson, Talwalkar, "Non-stochastic
Best Arm Identification and Hyperparameter Optimization" (AISTATS 2016) for the halving.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from typing import ClassVar

import numpy as np

from relu2mip.arrays import Array
from relu2mip.devices import DEVICES
from relu2mip.errors import InvalidOption, Relu2MipError
from relu2mip.incumbent.space import Met, Space, run
from relu2mip.normal_form import NormalForm
from relu2mip.options import settle, within
from relu2mip.threads import one_thread
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.plan import Plan

ENGINES = ("numpy", "torch")

MOMENTUM, SCALING, TINY = 0.9, 0.99, 1e-12

STAGES = ((1.0, 0.2), (0.25, 0.3), (0.0625, 0.5))
"""Which share of the descents goes on for which share of the steps."""

MOST = 4
"""How many times the starts there are at most."""

NEAR = 0.1
"""How far a quarter of the starts lie from the best plan, as a share of the box."""

PENALTY = 10.0
"""Price of leaving a set by its whole range, in units of the objective, at first; it doubles with every restart."""


@dataclass(frozen=True)
class Climbing:
    """How many descents, how far.

    starts: at once, of which a quarter and then a sixteenth go on; the second round has twice as many, all later ones
    four times, so that a short search ends, too.  steps: of those that go on to the end.  restarts: rounds.  rate: of
    the first step, as a share of the box; it falls to nothing.
    engine: "numpy", or "torch" (needs the extra).  device: of torch, "cpu" (one thread), "cuda", or "auto" (cuda where
    there is one).
    """

    starts: int = 128
    steps: int = 60
    restarts: int = 20
    rate: float = 0.2
    seed: int = 0
    engine: str = "numpy"
    device: str = "cpu"
    name: ClassVar[str] = "gradient"

    def __post_init__(self) -> None:
        settle(self)
        within(self, starts=(1, inf), steps=(1, inf), restarts=(1, inf), rate=(1e-9, 1), seed=(0, inf))
        for what, choices in (("engine", ENGINES), ("device", DEVICES)):
            if getattr(self, what) not in choices:
                raise InvalidOption(f"gradient: {what} is {getattr(self, what)!r}; give {', '.join(choices)}")
        if self.engine == "numpy" and self.device != "cpu":
            raise InvalidOption(f'gradient: numpy has no device {self.device!r}; give engine="torch" as well')


def climb(
    objective: Objective,
    box: Mapping[str, tuple[Array, Array]],
    options: Climbing | None = None,
    seconds: float = inf,
    start: Plan | None = None,
    block: int = 0,
) -> Plan:
    """The best point met, or the start where nothing is better.

    Raises `Relu2MipError` without torch, or without the device, that the options ask for.
    """
    chosen, space = options or Climbing(), Space.of(objective, box, block)
    with running(objective, chosen) as there:
        met = Met(replace(space, objective=there), start)
        found = run(climbed(met, chosen), met, seconds)
    # Feasible is what numpy says, to the last digit.
    return found if there is objective else space.plans(space.joined(found.inputs)[None]).best(start)


@contextmanager
def running(objective: Objective, options: Climbing) -> Iterator[Objective]:
    """The objective with its network in the engine of the options; torch is on one thread meanwhile."""
    if options.engine == "numpy":
        yield objective
        return
    try:
        there = objective.through(_tensors(objective.form, options.device))
    except ImportError as error:
        raise Relu2MipError(
            'gradient: engine="torch" needs torch: install it with pip install "relu2mip[torch]"'
        ) from error
    with one_thread():
        yield there


@lru_cache(maxsize=4)
def _tensors(form: NormalForm, device: str) -> NormalForm:
    """A form in torch; the problems of a receding horizon share theirs, whose matrices stay on the device."""
    from relu2mip.normal_form.tensors import TensorForm

    return TensorForm.of(form, device)


def climbed(met: Met, options: Climbing) -> Iterator[bool]:
    """The steps of all descents, one at a time."""
    space, rng, penalty = met.space, np.random.default_rng(options.seed), PENALTY * met.space.objective.unit
    width = space.high - space.low
    for k in range(options.restarts):
        count = options.starts * min(2**k, MOST)
        points = _starts(met, count, rng)
        mean, square, step = np.zeros_like(points), np.zeros_like(points), 0
        for share, steps in STAGES:
            batch = met.look(points)
            yield True
            most = max(1, math.ceil(share * count))
            kept = np.argsort(batch.cost + penalty * batch.violation, kind="stable")[:most]
            points, mean, square = points[kept], mean[kept], square[kept]
            for _ in range(math.ceil(steps * options.steps)):
                step += 1
                slopes = width * space.joined(space.objective.gradient(space.split(points), penalty))
                mean = MOMENTUM * mean + (1 - MOMENTUM) * slopes
                square = SCALING * square + (1 - SCALING) * slopes**2
                move = mean / (1 - MOMENTUM**step) / (np.sqrt(square / (1 - SCALING**step)) + TINY)
                rate = options.rate * max(0.0, 1 - step / (options.steps + 1))
                points = np.clip(points - rate * width * move, space.low, space.high)
                if share == STAGES[-1][0]:
                    met.look(points)
                yield True
        penalty *= 2.0
        met.rounds += 1


def _starts(met: Met, count: int, rng: np.random.Generator) -> Array:
    """Points (count, size): the best one met, a quarter around it, and the others anywhere."""
    space = met.space
    points = rng.uniform(space.low, space.high, (count, space.low.size))
    points[0] = (space.low + space.high) / 2
    if (best := met.point) is not None:
        points[0] = best
        near = slice(1, 1 + max(1, count // 4))
        points[near] = best + NEAR * (space.high - space.low) * rng.standard_normal(points[near].shape)
    return np.asarray(np.clip(points, space.low, space.high))
