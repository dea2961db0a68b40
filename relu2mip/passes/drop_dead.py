"""Drop units that no output depends on.

A ReLU whose column is zero in every reader (the zeroed unit of a sparsified network, y = relu(x) m1 + x m2 with
m1 = 0) disappears, and so do the rows that fed it. Where some units of an affine value are read by affine values and
others only by a ReLU or Max (identity units beside ReLU units), it is split in two, so that the identity units can
fuse onwards and the pre-activations stay rows.
"""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import Index, Mask, Matrix, compact, selection, used_columns
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Place, Relu
from relu2mip.passes.rewrite import Origin, Rewrite, Rewriter, compose, positions, rows


def drop_dead(form: NormalForm) -> Rewrite:
    """The same function without unused values and units; inputs stay whole, and so do kept values."""
    linear, nonlinear = _needed(form)
    out = Rewriter(form)
    split: dict[int, tuple[int, Index | None]] = {}
    chosen: dict[int, Index | None] = {}
    for i, value in enumerate(form.values):
        needed = linear[i] | nonlinear[i]
        if isinstance(value, Input):
            out.new[i], chosen[i] = out.add(value, i), None
            continue
        if not needed.any():
            continue
        match value:
            case Affine() if nonlinear[i].any() and linear[i].any() and (nonlinear[i] & ~linear[i]).any():
                units = positions(nonlinear[i])
                split[i] = out.add(_affine(value, units, out, chosen), i, units), units
                chosen[i] = positions(linear[i])
                out.new[i] = out.add(_affine(value, chosen[i], out, chosen), i, chosen[i])
            case Affine():
                chosen[i] = positions(needed)
                out.new[i] = out.add(_affine(value, chosen[i], out, chosen), i, chosen[i])
            case Relu():
                source, have = split.get(value.input, (out.new[value.input], chosen[value.input]))
                chosen[i] = positions(needed)
                x = _select(source, have, chosen[i], value.size, (value.input, None), out)
                place = _place(value.place, chosen[i])
                out.new[i] = out.add(Relu(place, x, int(needed.sum())), i, chosen[i])
            case Max():
                source, have = split.get(value.input, (out.new[value.input], chosen[value.input]))
                chosen[i] = positions(needed)
                out.new[i] = out.add(_max(value, needed, source, have, form.values[value.input].size), i, chosen[i])
    return out.finish()


def _needed(form: NormalForm) -> tuple[list[Mask], list[Mask]]:
    """For each value, the units read by affine values or outputs, and those read by ReLUs and maxima."""
    linear = [np.full(v.size, isinstance(v, Affine) and v.kept) for v in form.values]
    nonlinear = [np.zeros(v.size, dtype=bool) for v in form.values]
    for i in form.outputs.values():
        linear[i][:] = True
    for i in reversed(range(len(form.values))):
        needed = linear[i] | nonlinear[i]
        if not needed.any():
            continue
        match form.values[i]:
            case Affine(inputs=inputs, matrices=matrices):
                for k, matrix in zip(inputs, matrices, strict=True):
                    linear[k] |= used_columns(rows(matrix, positions(needed)))
            case Relu(input=k):
                nonlinear[k] |= needed
            case Max() as value:
                member_needed = np.repeat(needed, np.diff(value.starts))
                nonlinear[value.input][value.members[member_needed]] = True
    return linear, nonlinear


def _affine(value: Affine, units: Index | None, out: Rewriter, chosen: dict[int, Index | None]) -> Affine:
    inputs, matrices = [], []
    for k, matrix in zip(value.inputs, value.matrices, strict=True):
        if k not in out.new:
            continue
        part = rows(matrix, units)
        have = chosen[k]
        narrowed: Matrix = part if have is None else part[:, have]
        inputs.append(out.new[k])
        matrices.append(narrowed if narrowed is matrix else compact(narrowed))
    place = _place(value.place, units)
    bias = value.bias if units is None else value.bias[units]
    return Affine(place, tuple(inputs), tuple(matrices), bias, value.kept)


def _place(place: Place, units: Index | None) -> Place:
    return place if units is None else place.select(units)


def _select(source: int, have: Index | None, want: Index | None, size: int, origin: Origin, out: Rewriter) -> int:
    """The wanted units of an old value of which the new value `source` holds some: itself, or a selection of it."""
    if have is want or (have is not None and want is not None and np.array_equal(have, want)):
        return source
    held = np.arange(size) if have is None else have
    wanted = np.arange(size) if want is None else want
    local = np.searchsorted(held, wanted)
    value = out.values[source]
    pick = compact(selection(local, held.size))
    return out.add(
        Affine(value.place.select(local), (source,), (pick,), np.zeros(local.size)), *compose(origin, wanted)
    )


def _max(value: Max, needed: Mask, source: int, have: Index | None, size: int) -> Max:
    sizes = np.diff(value.starts)
    members = value.members[np.repeat(needed, sizes)]
    place = value.place if needed.all() else value.place.select(np.flatnonzero(needed))
    local = members if have is None else np.searchsorted(have, members)
    return Max(place, source, local, np.concatenate([[0], np.cumsum(sizes[needed])]))
