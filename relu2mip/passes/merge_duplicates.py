"""Merge ReLU units of one layer whose pre-activations are equal, or positive multiples of each other.

    relu(c x) = c relu(x)   for c > 0

so the units of a class need one binary. Rows are compared exactly after scaling by their largest entry.
"""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import compact, dense, selection
from relu2mip.normal_form import Affine, Max, NormalForm, Relu
from relu2mip.passes.rewrite import Rewrite, Rewriter, compose

LARGEST = 10_000_000
"""Layers whose pre-activation matrices have more entries than this are left as they are."""


def merge_duplicates(form: NormalForm) -> Rewrite:
    """The same function with one unit for each class of parallel units of a layer."""
    out = Rewriter(form)
    for i, value in enumerate(form.values):
        match value:
            case Affine():
                inputs = tuple(out.new[k] for k in value.inputs)
                out.new[i] = out.add(Affine(value.place, inputs, value.matrices, value.bias, value.kept), i)
            case Relu():
                out.new[i] = _relu(i, value, out)
            case Max():
                out.new[i] = out.add(Max(value.place, out.new[value.input], value.members, value.starts), i)
            case _:
                out.new[i] = out.add(value, i)
    return out.finish()


def _relu(i: int, value: Relu, out: Rewriter) -> int:
    source = out.new[value.input]
    plain = Relu(value.place, source, value.size)
    before = out.values[source]
    if not isinstance(before, Affine) or not before.inputs or value.size < 2:
        return out.add(plain, i)
    if sum(matrix.shape[0] * matrix.shape[1] for matrix in before.matrices) > LARGEST:
        return out.add(plain, i)
    rows = np.hstack([*(dense(matrix) for matrix in before.matrices), before.bias[:, None]])
    scale = np.abs(rows).max(axis=1)
    scale[scale == 0] = 1.0
    _, first, which = np.unique(rows / scale[:, None] + 0.0, axis=0, return_index=True, return_inverse=True)
    if first.size == value.size:
        return out.add(plain, i)
    representatives, order = np.sort(first), np.argsort(np.argsort(first))
    group = order[which.reshape(-1)]
    pick = compact(selection(representatives, value.size))
    place = value.place.select(representatives)
    picked = Affine(place, (source,), (pick,), np.zeros(first.size))
    x = out.add(picked, *compose(out.origin[source], representatives))
    relu = out.add(Relu(place, x, first.size), i, representatives)
    ratio = scale / scale[representatives[group]]
    spread = np.zeros((value.size, first.size))
    spread[np.arange(value.size), group] = ratio
    return out.add(Affine(value.place, (relu,), (compact(spread),), np.zeros(value.size)), i)
