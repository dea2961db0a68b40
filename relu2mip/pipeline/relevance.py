"""Which entries of a problem's outputs (states, above all) matter to its cost and constraints.

An entry matters where the rows or the objective that the problem writes read it, where its box is a constraint that
what comes before does not imply, or where an entry that matters depends on it. What does not matter can be left out of
the program, and the same plans are left, at the same cost.

A box is implied where one step of interval arithmetic from the boxes and values before it stays inside. Values are
bounded forward only, from the boxes of a problem alone, so that what is left out for being implied is implied by what
is kept: by induction over the values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from relu2mip.arrays import Array, Mask, Matrix, used_columns
from relu2mip.bounds import Bounds, Ibp
from relu2mip.bounds.ibp import propagate_value
from relu2mip.mip import Expression, MipModel, ModelBuilder, NameBlock
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Relu
from relu2mip.passes import hold
from relu2mip.passes.rewrite import positions, rows
from relu2mip.unrolled.unrolled import Unrolled


def irrelevant(unrolled: Unrolled) -> dict[int, Mask]:
    """The entries of kept values and outputs that do not matter, by value; only values that have some.

    >>> import relu2mip as r2m
    >>> from relu2mip.ir.samples import integrator
    >>> problem = r2m.Trajectory(
    ...     integrator(), horizon=2, initial_state=[1.0, 0.0], predicts="change",
    ...     controls=r2m.Box(-1, 1), cost=r2m.costs.L1(terminal=[1.0, 0.0]))
    >>> form = problem.unrolled.form
    >>> {form.values[i].place.prefix: mask.tolist() for i, mask in irrelevant(problem.unrolled).items()}
    {'t02.state': [False, True]}
    """
    form = unrolled.form
    start = Bounds.of(form, unrolled.domain)
    found = Ibp().tighten(unrolled, start)
    needed = _read(unrolled, found.lower, found.upper)
    for i in form.outputs.values():
        if not isinstance(form.values[i], Affine):
            needed[i][:] = True
    for i, boxes in unrolled.domain.items():
        if isinstance(form.values[i], Input):
            continue
        low, high = propagate_value(form, i, list(found.lower), list(found.upper), {})
        needed[i] |= ~((low >= boxes[0]) & (high <= boxes[1]))
    _backward(form, found.lower, found.upper, needed)
    kept = {i for i, value in enumerate(form.values) if isinstance(value, Affine) and value.kept}
    return {i: ~needed[i] for i in sorted(kept | set(form.outputs.values())) if not needed[i].all()}


def _read(unrolled: Unrolled, lower: Sequence[Array], upper: Sequence[Array]) -> list[Mask]:
    """The entries of outputs that the problem's own rows or objective read."""
    form, model, columns = unrolled.form, ModelBuilder(), {}
    for name, i in form.outputs.items():
        columns[name] = model.add_columns(NameBlock(name, np.arange(form.values[i].size)), lower[i], upper[i])
    unrolled.write(model, {name: Expression.of(at) for name, at in columns.items()})
    used = _touched(model.build())
    needed = [np.zeros(value.size, dtype=bool) for value in form.values]
    for name, i in form.outputs.items():
        needed[i] |= used[columns[name]]
    return needed


def _touched(model: MipModel) -> Mask:
    """The columns that any part of a program reads."""
    used: Mask = used_columns(model.matrix) | (model.cost != 0)
    if model.quadratic is not None:
        used |= model.quadratic != 0
    if model.sos1 is not None:
        used[model.sos1.members] = True
    if model.indicators is not None:
        used |= used_columns(model.indicators.matrix)
        used[model.indicators.binary] = True
    if model.maxima is not None:
        used[model.maxima.result] = used[model.maxima.operands.members] = True
    if model.pairs is not None:
        used[model.pairs.first] = used[model.pairs.second] = True
    return used


def _backward(form: NormalForm, lower: Sequence[Array], upper: Sequence[Array], needed: list[Mask]) -> None:
    """Mark in place what needed entries depend on, where the bounds hold."""
    for i in reversed(range(len(form.values))):
        if not needed[i].any():
            continue
        match form.values[i]:
            case Affine(inputs=inputs, matrices=matrices):
                for k, matrix in zip(inputs, matrices, strict=True):
                    needed[k] |= used_columns(_rows(matrix, needed[i]))
            case Relu(input=k):
                needed[k] |= needed[i] & (upper[k] > 0)
            case Max() as value:
                members = value.members
                low = np.maximum.reduceat(lower[value.input][members], value.starts[:-1])[value.group]
                possible = needed[i][value.group] & (upper[value.input][members] >= low)
                needed[value.input][members[possible]] = True


def _rows(matrix: Matrix, needed: Mask) -> Matrix:
    return rows(matrix, positions(needed))


def relevant_alone(unrolled: Unrolled, bounds: Bounds) -> tuple[Bounds, dict[str, Mask]]:
    """The form with what does not matter held at constants, within bounds; and which entries those are, by output.

    bounds: of the unrolled form, by whatever methods.
    """
    dropped = irrelevant(unrolled)
    lower, upper = list(bounds.lower), list(bounds.upper)
    middles = {i: (lower[i] + upper[i]) / 2 for i in dropped}
    for i, mask in dropped.items():
        lower[i], upper[i] = np.where(mask, middles[i], lower[i]), np.where(mask, middles[i], upper[i])
    held = replace(
        bounds, form=hold(bounds.form, dropped, middles), lower=tuple(lower), upper=tuple(upper), premises=None
    )
    return held, {name: dropped[i] for name, i in unrolled.form.outputs.items() if i in dropped}
