"""Jacobians of a normal form at points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from relu2mip.arrays import Array
from relu2mip.normal_form import NormalForm


def jacobians_at(form: NormalForm, inputs: Mapping[str, Array], outputs: Mapping[str, int]) -> Array:
    """Of named outputs by all inputs, each laid end to end, (B, outputs, inputs), at a batch of points.

    outputs: their sizes by name.  At a kink it is one of those that the generalised Jacobian holds.

    >>> import numpy as np
    >>> from relu2mip.ir.lower import lower
    >>> from relu2mip.ir.samples import tiny
    >>> jacobians_at(lower(tiny()), {"x": np.array([[2.0, 1.0], [-1.0, 2.0]])}, {"y": 1}).tolist()
    [[[2.0, 0.0]], [[1.0, 1.0]]]
    """
    _, back = form.pullback(inputs)
    batch = max((len(x) for x in inputs.values()), default=1)
    rows = []
    for name, size in outputs.items():
        for unit in np.eye(size):
            gradients = back({name: np.broadcast_to(unit, (batch, size))})
            rows.append(np.concatenate([gradients[port] for port in form.inputs], axis=1))
    return np.stack(rows, axis=1)
