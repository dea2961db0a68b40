"""Whether a normal form is one: shapes, order and numbers."""

from __future__ import annotations

import numpy as np

from relu2mip.arrays import triplets
from relu2mip.errors import InvalidNetwork
from relu2mip.normal_form.form import NormalForm
from relu2mip.normal_form.values import Affine, Input, Max, Relu


def validate(form: NormalForm) -> NormalForm:
    """The form itself; raises `InvalidNetwork` for the first value that is not as it should be, with its place.

    Every value reads earlier ones; matrices, biases, members and groups fit the sizes; numbers are finite; inputs and
    outputs name values.
    """
    sizes: list[int] = []
    for i, value in enumerate(form.values):
        if any(not 0 <= k < i for k in value.reads):
            raise InvalidNetwork(
                f"{value.place.prefix} (value {i}) reads {value.reads}; a value reads earlier ones only"
            )
        if wrong := _wrong(value, sizes):
            raise InvalidNetwork(f"{value.place.prefix} (value {i}): {wrong}")
        sizes.append(value.size)
    named = {i for i, value in enumerate(form.values) if isinstance(value, Input)}
    if set(form.inputs.values()) != named:
        raise InvalidNetwork(f"the inputs name values {sorted(form.inputs.values())}, inputs are {sorted(named)}")
    for name, i in form.outputs.items():
        if not 0 <= i < len(form.values):
            raise InvalidNetwork(f"output {name!r} is value {i} of {len(form.values)}")
    return form


def _wrong(value: Input | Affine | Relu | Max, sizes: list[int]) -> str:
    """The fault of a value, given the sizes of those before it."""
    if value.place.units.size != value.size:
        return f"{value.size} units, {value.place.units.size} of them have a place"
    match value:
        case Affine():
            shapes = [matrix.shape for matrix in value.matrices]
            wanted = [(value.size, sizes[k]) for k in value.inputs]
            if shapes != wanted:
                return f"matrices of shape {shapes} where {wanted} belong"
            if not np.isfinite(value.bias).all() or not all(np.isfinite(triplets(a)[2]).all() for a in value.matrices):
                return "a coefficient is not a finite number"
        case Relu():
            if value.size != sizes[value.input]:
                return f"{value.size} units read {sizes[value.input]}"
        case Max():
            starts, members = value.starts, value.members
            if starts.size < 1 or starts[0] != 0 or starts[-1] != members.size or (np.diff(starts) < 1).any():
                return f"groups that begin at {starts.tolist()} of {members.size} members"
            if members.size and not 0 <= members.min() <= members.max() < sizes[value.input]:
                return f"members up to {members.max()} of {sizes[value.input]} units"
        case _:
            pass
    return ""
