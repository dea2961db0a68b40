"""A problem's network as one normal form: unrolled over the horizon, with the boxes its sets give."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.arrays import Array
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import NormalForm
from relu2mip.unrolled.objective import Objective
from relu2mip.unrolled.premises import Premises, fingerprint

Domain: TypeAlias = "Mapping[int, tuple[Array, Array]]"
"""Boxes that the problem gives for some values: its inputs, and the states between steps."""


@dataclass(frozen=True, eq=False)
class Unrolled:
    """The input of bounds and formulations.

    form: the normal form over the whole horizon, its outputs the named vectors of the problem ("state@3").
    domain: the box of each input and of each state, by value.
    step: the normal form of one step (for a network over a box: `form` itself).
    step_value: for the values of `form` that are copies of a value of `step`, which one.
    step_inputs: turns named arrays of samples into inputs of `step`.
    objective: what a search for plans evaluates: cost, violation and their gradients; made at the first call.
    write: writes the problem's own rows and its objective on a model, given expressions for the outputs of `form`.
    premises: what bounds on it rest on; None: nobody knows, so they are neither saved nor reused.
    """

    form: NormalForm
    domain: Domain
    step: NormalForm
    step_value: Mapping[int, int]
    step_inputs: Callable[[Mapping[str, Array]], Mapping[str, Array]]
    write: Callable[[ModelBuilder, Mapping[str, Expression]], None]
    objective: Callable[[], Objective]
    premises: Callable[[Unrolled], Premises] | None = None

    def rests_on(self, exact: bool = False) -> Premises | None:
        """The premises of bounds on it, exact premises with its cost; None for a form made by hand."""
        if self.premises is None:
            return None
        found = self.premises(self)
        return replace(found, facts={**found.facts, "cost": self._written()}, exact=True) if exact else found

    def _written(self) -> str:
        """The objective and the rows of the problem, as it writes them on columns for its outputs."""
        model, expressions = ModelBuilder(), {}
        for name, i in self.form.outputs.items():
            block = NameBlock(name, np.arange(self.form.values[i].size))
            expressions[name] = Expression.of(model.add_columns(block, -1.0, 1.0))
        self.write(model, expressions)
        return fingerprint(*_numbers(replace(model.build(), values=None)))


def _numbers(part: Any) -> Iterator[ArrayLike]:
    """All numbers of a model, with texts that hold their places; names are left out."""
    if isinstance(part, sp.csr_array):
        yield from (part.indptr, part.indices, part.data)
    elif is_dataclass(part):
        for field in fields(part):
            if not field.name.endswith("names"):
                yield field.name
                yield from _numbers(getattr(part, field.name))
    else:
        yield str(part) if part is None or isinstance(part, tuple) else part
