"""The trajectory problems that every tool is given, about random dynamics networks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relu2mip.frontends.onnx.chain import read_chain as read_layers
from relu2mip.frontends.onnx.chain import write_chain as write_network
from relu2mip.study.peers.problem import Outcome, PeerProblem
from relu2mip.study.random_network import CONTROL_LIMIT, STATE_LIMIT, Random, evaluate, random_layers

__all__ = ["Outcome", "Problem", "evaluate", "random_layers", "random_problem", "read_layers", "write_network"]

Vector = NDArray[np.float64]

STATES, CONTROLS = 4, 1


@dataclasses.dataclass(frozen=True)
class Problem:
    """Steer ``x[t+1] = x[t] + f(x[t], u[t])`` for ``horizon`` steps at least cost.

    The cost sums ``|x[t] - target| @ state_weight`` over t = 1 … H and ``|u[t]| @ control_weight`` over
    t = 0 … H-1, squares in place of the absolute values where it is ``quadratic``; ``f`` is the network, with the
    concatenated (x, u) as its one input.
    """

    network: Path
    horizon: int
    initial_state: Vector
    state_lower: Vector
    state_upper: Vector
    control_lower: Vector
    control_upper: Vector
    target: Vector
    state_weight: Vector
    control_weight: Vector
    quadratic: bool = False

    @property
    def posed(self) -> PeerProblem:
        """The problem as other tools are given it, step by step."""
        steps = self.horizon
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        given |= {name: np.tile(given[name], (steps, 1)) for name in ("target", "state_weight", "control_weight")}
        return PeerProblem(change=True, **given)


def random_problem(folder: Path, width: int, horizon: int, seed: int = 0) -> Problem:
    """A problem about a random 2×``width`` dynamics network, which is written to ``folder``."""
    rng = np.random.default_rng(seed + 1)
    return Problem(
        network=Random(width=width, seed=seed).write(folder),
        horizon=horizon,
        initial_state=rng.uniform(-1.0, 1.0, STATES).round(3),
        state_lower=np.full(STATES, -STATE_LIMIT),
        state_upper=np.full(STATES, STATE_LIMIT),
        control_lower=np.full(CONTROLS, -CONTROL_LIMIT),
        control_upper=np.full(CONTROLS, CONTROL_LIMIT),
        target=rng.uniform(-0.5, 0.5, STATES).round(3),
        state_weight=np.linspace(1.0, 2.0, STATES),
        control_weight=np.full(CONTROLS, 0.1),
    )


def random_tables(seed: int) -> dict[str, object]:
    """The same as the tables of a problem file, without network, horizon and cost."""
    rng = np.random.default_rng(seed + 1)
    return {
        "predicts": "change",
        "horizon": 1,
        "initial_state": rng.uniform(-1.0, 1.0, STATES).round(3).tolist(),
        "states": {"lower": -STATE_LIMIT, "upper": STATE_LIMIT},
        "controls": {"lower": -CONTROL_LIMIT, "upper": CONTROL_LIMIT},
    }


def random_cost(seed: int, kind: str) -> list[dict[str, object]]:
    """Its cost, "l1" or "quadratic"."""
    rng = np.random.default_rng(seed + 1)
    rng.uniform(-1.0, 1.0, STATES)
    target = rng.uniform(-0.5, 0.5, STATES).round(3).tolist()
    return [{"kind": kind, "target": target, "state": np.linspace(1.0, 2.0, STATES).tolist(), "control": 0.1}]
