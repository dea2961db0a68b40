"""Copy a normal form into another one that is being built, as often as needed; matrices are shared, not copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from relu2mip.normal_form.builder import FormBuilder
from relu2mip.normal_form.form import NormalForm
from relu2mip.normal_form.values import Affine, Input, Place


def splice(
    into: FormBuilder,
    form: NormalForm,
    reads: Mapping[str, int],
    place: Callable[[Place], Place] | None = None,
    copies: dict[int, int] | None = None,
) -> dict[str, int]:
    """Add the values of `form`, its inputs being the values `reads` of `into`; the values of its outputs.

    `place` renames the copies; `copies`, if given, is filled with new value -> value of `form`.
    """
    renamed = place or (lambda p: p)
    new: dict[int, int] = {i: reads[name] for name, i in form.inputs.items()}
    for i, value in enumerate(form.values):
        if isinstance(value, Input):
            continue
        if isinstance(value, Affine):
            inputs = tuple(new[k] for k in value.inputs)
            new[i] = into.append(Affine(renamed(value.place), inputs, value.matrices, value.bias, value.kept))
        else:
            new[i] = into.append(replace(value, place=renamed(value.place), input=new[value.input]))
        if copies is not None:
            copies[new[i]] = i
    return {name: new[i] for name, i in form.outputs.items()}
