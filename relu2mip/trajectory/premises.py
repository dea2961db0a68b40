"""The premises of bounds on a problem: see `unrolled.premises`. Texts of the facts are read by people in errors."""

from __future__ import annotations

from functools import cache
from importlib import metadata

import numpy as np

from relu2mip.trajectory.names import name_of
from relu2mip.trajectory.statement import Statement
from relu2mip.unrolled.premises import FORM, Premises, fingerprint
from relu2mip.unrolled.unrolled import Unrolled

NONE = "none"

version = cache(metadata.version)


def trajectory_premises(problem: Statement, unrolled: Unrolled) -> Premises:
    """Everything but the cost. A known control before step 0 counts as a box of u[0] where there are rate limits."""
    dynamics, rate, values = problem.dynamics, problem.rate_limits, problem.control_values
    pairs = [
        dynamics.normalisation.pair(what, size, problem.predicts)
        for what, size in (("state", problem.n), ("control", problem.m), ("output", problem.n))
    ]
    rows = [(*c.matrices(problem.n, problem.m), c.chosen_steps(problem.horizon)) for c in problem.all_constraints]
    summands = list(problem.cost.networks()) if problem.cost else []
    networks = [(n.net.digest, str(n.steps(problem.n, problem.horizon))) for n in summands]
    finite = [np.r_[unit, v] for unit, v in enumerate(values) if v is not None]
    known = [part for name, signal in problem.signals.items() for part in (name, signal)]
    facts = {
        "problem": "a trajectory",
        "network": f"#{problem.net.digest}",
        "relu2mip": version("relu2mip"),
        "horizon": str(problem.horizon),
        "window": str(problem.window),
        "delay": str(problem.delay),
        "known signals": fingerprint(*known) if known else NONE,
        "predicts": problem.predicts,
        "output": dynamics.output,
        "inputs": "; ".join(f"{name} reads {', '.join(blocks)}" for name, blocks in dynamics.layout.items()),
        "normalisation": fingerprint(*(side for pair in pairs for side in pair)),
        "heading": fingerprint(*dynamics.turn.values()) if dynamics.turn else NONE,
        "finite values of the controls": fingerprint(*finite) if finite else NONE,
        "control_rate": NONE if rate is None else fingerprint(*(side[1:] for side in rate)),
        "linear constraints": fingerprint(*(part for row in rows for part in row)) if rows else NONE,
        "sets that are not convex": _choices(problem),
        "cost networks": fingerprint(networks) if networks else NONE,
        FORM: fingerprint(str(unrolled.form)),
    }
    boxes = dict(unrolled.domain)
    if rate is not None and problem.previous_control is not None:
        first = unrolled.form.inputs[name_of("control", 0)]
        low, high = (problem.previous_control + side[0] for side in rate)
        boxes[first] = np.maximum(boxes[first][0], low), np.minimum(boxes[first][1], high)
    return Premises(facts, boxes)


def _choices(problem: Statement) -> str:
    parts = [[made.step, made.share, *(array for rows in made.sets for array in rows)] for made in problem.alternatives]
    return fingerprint(*(array for part in parts for array in part)) if parts else NONE


def box_premises(digest: str, unrolled: Unrolled) -> Premises:
    """Everything but the objective."""
    facts = {
        "problem": "a network over a box",
        "network": f"#{digest}",
        "relu2mip": version("relu2mip"),
        FORM: fingerprint(str(unrolled.form)),
    }
    return Premises(facts, dict(unrolled.domain))
