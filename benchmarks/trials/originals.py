"""Small valid ONNX files: one-node models of every operator, random networks, sequences and conditions of the tests."""

from __future__ import annotations

import functools

import numpy as np
import onnx

from tests.frontends.cases import CASES
from tests.frontends.networks import build, drawn, mlp
from tests.frontends.test_ops import versions
from tests.frontends.test_selections import CONTINUOUS, SEQUENCES

RANDOM = 600
"""Random networks among the originals."""


@functools.cache
def originals() -> list[tuple[str, bytes]]:
    """Name and bytes of each; every operator as often as its versions and cases are, random networks a third."""
    found = [
        (f"{op} {opset}", case.model(opset))
        for op, cases in CASES.items()
        for opset in versions(op)
        for case in list(cases(opset))[:4]
    ]
    found += [(f"random {k}", _random(k)) for k in range(RANDOM)]
    for name, (nodes, constants) in CONTINUOUS.items():
        found.append((name, build(nodes, {"x": ("N", 3)}, ["y"], constants)))
    for name, (nodes, constants) in SEQUENCES.items():
        found.append((name, build(nodes, {"x": (1, 3)}, ["y"], constants)))
    found += [(f"mlp {k}", mlp([3, 4, 4, 2], seed=k)) for k in range(40)]
    return [(name, model.SerializeToString(deterministic=True)) for name, model in found]


def _random(seed: int) -> onnx.ModelProto:
    rng = np.random.default_rng([seed, 22])
    return drawn(lambda low, high: int(rng.integers(low, high + 1)))
