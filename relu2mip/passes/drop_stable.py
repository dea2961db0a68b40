"""Remove stable units before any formulation sees them.

A ReLU with pre-activation bounds [l, u] is always active where l >= 0 (then y = x), always inactive where u <= 0
(y = 0), and unstable otherwise. A member of a maximum whose upper bound is below the largest lower bound of its group
never attains it; a group with one member left is that member.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from relu2mip.arrays import Array, Index, Matrix, compact, selection
from relu2mip.normal_form import Affine, Max, NormalForm, Relu
from relu2mip.normal_form.contenders import contenders
from relu2mip.passes.rewrite import Rewrite, Rewriter

Bound: TypeAlias = "Sequence[Array]"
"""Lower or upper bounds, a vector for each value of the form."""


def drop_stable(form: NormalForm, lower: Bound, upper: Bound) -> Rewrite:
    """The same function inside the bounds, with only unstable ReLUs and undecided maxima left."""
    out = Rewriter(form)
    for i, value in enumerate(form.values):
        match value:
            case Affine():
                inputs = tuple(out.new[k] for k in value.inputs)
                out.new[i] = out.add(Affine(value.place, inputs, value.matrices, value.bias, value.kept), i)
            case Relu():
                out.new[i] = _relu(i, value, lower, upper, out)
            case Max():
                out.new[i] = _max(i, value, lower, upper, out)
            case _:
                out.new[i] = out.add(value, i)
    return out.finish()


def _relu(i: int, value: Relu, lower: Bound, upper: Bound, out: Rewriter) -> int:
    source = out.new[value.input]
    active = lower[value.input] >= 0
    unstable = ~active & (upper[value.input] > 0)
    if unstable.all():
        return out.add(Relu(value.place, source, value.size), i)
    terms = (
        [(source, compact(selection(np.where(active, np.arange(value.size), -1), value.size)))] if active.any() else []
    )
    if unstable.any():
        units = np.flatnonzero(unstable)
        pick = compact(selection(units, value.size))
        place = value.place.select(units)
        x = out.add(Affine(place, (source,), (pick,), np.zeros(units.size)), value.input, units)
        relu = out.add(Relu(place, x, units.size), i, units)
        terms.append((relu, compact(selection(_spread(units, value.size), units.size))))
    return _affine(i, value, terms, out)


def _max(i: int, value: Max, lower: Bound, upper: Bound, out: Rewriter) -> int:
    source, starts = out.new[value.input], value.starts
    possible = contenders(lower[value.input][value.members], upper[value.input][value.members], starts)
    sizes = np.add.reduceat(possible.astype(np.intp), starts[:-1])
    if possible.all() and (sizes > 1).all():
        return out.add(Max(value.place, source, value.members, starts), i)
    group = np.repeat(np.arange(value.size), np.diff(starts))
    alone, several = sizes == 1, np.flatnonzero(sizes > 1)
    size = lower[value.input].size
    single = np.full(value.size, -1)
    kept = possible & alone[group]
    single[group[kept]] = value.members[kept]
    terms = [(source, compact(selection(single, size)))] if alone.any() else []
    if several.size:
        members = value.members[possible & ~alone[group]]
        ends = np.concatenate([[0], np.cumsum(sizes[several])])
        largest = out.add(Max(value.place.select(several), source, members, ends), i, several)
        terms.append((largest, compact(selection(_spread(several, value.size), several.size))))
    return _affine(i, value, terms, out)


def _affine(i: int, value: Relu | Max, terms: list[tuple[int, Matrix]], out: Rewriter) -> int:
    inputs, matrices = tuple(k for k, _ in terms), tuple(matrix for _, matrix in terms)
    return out.add(Affine(value.place, inputs, matrices, np.zeros(value.size)), i)


def _spread(units: Index, size: int) -> Index:
    """Positions of the chosen units in the full vector, -1 elsewhere."""
    index = np.full(size, -1)
    index[units] = np.arange(units.size)
    return index
