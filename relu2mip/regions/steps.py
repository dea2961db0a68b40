"""Cut a normal form into steps: the values between inputs, kept values and outputs, each step a small form of its own.

The cuts are the inputs, the kept values (states between time steps) and the outputs of the form. A step is what hangs
together without them: the values that read one another, and the cuts that read those. For a network over a box that is
the whole network; over a horizon, one step of the dynamics each, and one of each cost network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from relu2mip.arrays import Array, Index
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Place, Relu
from relu2mip.unrolled.bounds import Bounds


@dataclass(frozen=True, eq=False)
class Step:
    """One step. Its inputs and outputs are cuts, given as values of the whole form.

    form: the values of the step alone, the first ones being its inputs, in order.  lower, upper: their bounds.
    place: of its first ReLU or maximum, or of its last value where it has none.
    """

    form: NormalForm
    lower: tuple[Array, ...]
    upper: tuple[Array, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    place: Place

    @property
    def results(self) -> tuple[int, ...]:
        """The outputs, as values of the step's own form."""
        return tuple(self.form.outputs.values())

    @property
    def nonlinear(self) -> bool:
        """Whether it holds a ReLU or a maximum."""
        return any(isinstance(value, Relu | Max) for value in self.form.values)

    @property
    def box(self) -> tuple[Array, Array]:
        """Bounds of its inputs, laid end to end."""
        count, none = len(self.inputs), np.zeros(0)
        return np.concatenate([none, *self.lower[:count]]), np.concatenate([none, *self.upper[:count]])

    @property
    def centre(self) -> tuple[Array, Array]:
        """The middle of that box, exactly the point where it has no width, and half of its width."""
        low, high = self.box
        return np.where(low < high, (low + high) / 2, low), (high - low) / 2

    @property
    def limits(self) -> tuple[Array, Array]:
        """Bounds of its outputs, laid end to end."""
        sides = ([side[i] for i in self.results] for side in (self.lower, self.upper))
        low, high = (np.concatenate(side) for side in sides)
        return low, high


def cuts(form: NormalForm) -> Index:
    """The values that steps begin and end at: inputs, kept values and outputs."""
    ends = set(form.outputs.values())
    chosen = [
        i in ends or isinstance(v, Input) or (isinstance(v, Affine) and v.kept) for i, v in enumerate(form.values)
    ]
    return np.flatnonzero(chosen)


def split(bounds: Bounds) -> list[Step]:
    """The steps of a form with its bounds, in the order of their first values."""
    form = bounds.form
    ends = set(cuts(form).tolist())
    pairs = [(i, k) for i, value in enumerate(form.values) for k in value.reads if k not in ends]
    rows, columns = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
    size = len(form.values)
    _, group = connected_components(
        coo_array((np.ones(rows.size), (rows, columns)), shape=(size, size)), directed=False
    )
    members: dict[int, list[int]] = {}
    for i, value in enumerate(form.values):
        if not isinstance(value, Input):
            members.setdefault(int(group[i]), []).append(i)
    return [_step(bounds, inside, ends) for inside in members.values()]


def _step(bounds: Bounds, inside: list[int], ends: set[int]) -> Step:
    form, own = bounds.form, set(inside)
    inputs = sorted({k for i in inside for k in form.values[i].reads if k not in own})
    new = {k: position for position, k in enumerate([*inputs, *inside])}
    values = [Input(form.values[k].place, form.values[k].size) for k in inputs]
    for i in inside:
        value = form.values[i]
        if isinstance(value, Affine):
            values.append(replace(value, inputs=tuple(new[k] for k in value.inputs), kept=False))  # type: ignore[arg-type]
        elif isinstance(value, Relu | Max):
            values.append(replace(value, input=new[value.input]))  # type: ignore[arg-type]
    outputs = [i for i in inside if i in ends]
    step = NormalForm(tuple(values), {str(k): new[k] for k in inputs}, {str(i): new[i] for i in outputs})
    nonlinear = [form.values[i].place for i in inside if isinstance(form.values[i], Relu | Max)]
    return Step(
        form=step,
        lower=tuple(bounds.lower[k] for k in new),
        upper=tuple(bounds.upper[k] for k in new),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        place=nonlinear[0] if nonlinear else form.values[inside[-1]].place,
    )
