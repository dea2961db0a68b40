"""How passes rewrite a normal form, and how what was known of the old values is carried to the new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from relu2mip.arrays import Index, Matrix
from relu2mip.normal_form import NormalForm, Value

Origin: TypeAlias = "tuple[int, Index | None]"
"""Which old value a new value is, and which of its units (None: all of them, in order)."""


@dataclass(frozen=True, eq=False)
class Rewrite:
    """A new form, and for each of its values the old value and units that it equals on every input."""

    form: NormalForm
    origin: tuple[Origin, ...]

    def then(self, step: Callable[[NormalForm], Rewrite]) -> Rewrite:
        """This rewrite followed by a pass on its form, origins traced to the first form."""
        second = step(self.form)
        return Rewrite(second.form, tuple(compose(self.origin[i], units) for i, units in second.origin))


def compose(first: Origin, units: Index | None) -> Origin:
    """The origin of some units of a value that has an origin itself."""
    old, chosen = first
    if units is None:
        return first
    return old, units if chosen is None else chosen[units]


def sequence(form: NormalForm, *passes: Callable[[NormalForm], Rewrite]) -> Rewrite:
    """Run passes one after the other."""
    result = Rewrite(form, tuple((i, None) for i in range(len(form.values))))
    for step in passes:
        result = result.then(step)
    return result


class Rewriter:
    """Collects the values of a new form while a pass walks over the old one."""

    def __init__(self, form: NormalForm) -> None:
        self.form = form
        self.values: list[Value] = []
        self.origin: list[Origin] = []
        self.new: dict[int, int] = {}

    def add(self, value: Value, old: int, units: Index | None = None) -> int:
        """Add a value that equals (some units of) an old one; returns its number."""
        self.values.append(value)
        self.origin.append((old, units))
        return len(self.values) - 1

    def finish(self) -> Rewrite:
        """The new form; `new` must say where each input and output went."""
        inputs = {name: self.new[i] for name, i in self.form.inputs.items() if i in self.new}
        outputs = {name: self.new[i] for name, i in self.form.outputs.items()}
        return Rewrite(NormalForm(tuple(self.values), inputs, outputs), tuple(self.origin))


def rows(matrix: Matrix, units: Index | None) -> Matrix:
    """Some rows of a matrix (all for None)."""
    return matrix if units is None or units.size == matrix.shape[0] else matrix[units]


def positions(needed: np.ndarray) -> Index | None:
    """The needed units as positions, None for all."""
    return None if needed.all() else np.flatnonzero(needed)
