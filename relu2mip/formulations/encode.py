"""Normal form to columns and rows: every value becomes an expression over columns, in order.

An input is its columns; a ReLU or Max becomes whatever columns its formulation adds. An affine value that another
affine value reads, or that is kept, gets columns of its own, tied by one equality row each; one that only ReLUs and
maxima (or the objective) read stays an expression inside their rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.errors import Relu2MipError
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Affine, Input, Max, NormalForm, Place, Relu

if TYPE_CHECKING:
    from relu2mip.unrolled.bounds import Bounds


class Formulation(Protocol):
    """A frozen dataclass of a formulation's options. See docs/extending/add-a-formulation.md.

    exact: whether its columns take the network's values only, or those of a relaxation too.
    """

    name: ClassVar[str]
    exact: ClassVar[bool]

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        ...

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, groups of at least two."""
        ...


@runtime_checkable
class WholeFormulation(Formulation, Protocol):
    """A formulation that writes a form as a whole, and not value by value."""

    def encode(self, bounds: Bounds, model: ModelBuilder) -> tuple[Mapping[int, Expression], list[Encoding]]:
        """Add the form of `bounds`: expressions at least for its inputs and outputs, and what its places cost."""
        ...


@dataclass(frozen=True)
class Encoding:
    """The size of the values of one place: columns, binaries, rows and nonzeros it added.

    note: where they are not written as the formulation says, how and why.
    """

    place: Place
    columns: int
    binaries: int
    rows: int
    nonzeros: int
    note: str = ""

    @classmethod
    def since(cls, before: tuple[int, int, int, int], model: ModelBuilder, place: Place, note: str = "") -> Encoding:
        """The growth of a model since its size was `before`."""
        columns, binaries, rows, nonzeros = np.subtract(model.size, before).tolist()
        return cls(place, columns, binaries, rows, nonzeros, note)


def encode(
    bounds: Bounds, formulation: Formulation, model: ModelBuilder
) -> tuple[Mapping[int, Expression], list[Encoding]]:
    """Add the form of `bounds` to a model: expressions by value, and what each value cost.

    Raises `Relu2MipError` for a stable ReLU: `drop_stable` must have removed those.
    """
    if isinstance(formulation, WholeFormulation):
        return formulation.encode(bounds, model)
    encoder = Encoder(bounds.form, model)
    for value in bounds.form.values:
        if isinstance(value, Relu) and formulation.exact:
            low, high = bounds.lower[value.input], bounds.upper[value.input]
            if (low >= 0).any() or (high <= 0).any():
                raise Relu2MipError(f"{value.place.prefix} has stable units; run drop_stable first")
        encoder.add(bounds.lower, bounds.upper, formulation)
    return dict(enumerate(encoder.expressions)), encoder.encodings


class Encoder:
    """Adds the values of a form to a model, one after the other; with `every_affine`, each of them gets columns."""

    def __init__(self, form: NormalForm, model: ModelBuilder, every_affine: bool = False) -> None:
        self.form, self.model, self.every_affine = form, model, every_affine
        self.expressions: list[Expression] = []
        self.encodings: list[Encoding] = []

    def add(self, lower: Sequence[Array], upper: Sequence[Array], formulation: Formulation) -> Expression:
        """Add the next value, given the bounds of all values up to it."""
        i, model = len(self.expressions), self.model
        value, before = self.form.values[i], model.size
        match value:
            case Input():
                columns = model.add_columns(NameBlock.of(value.place), lower[i], upper[i])
                expression = Expression.of(columns)
            case Affine():
                expression = _affine(value, self.expressions)
                readers = self.form.readers[i]
                if self.every_affine or value.kept or any(isinstance(self.form.values[r], Affine) for r in readers):
                    expression = _columns(model, value.place, expression, lower[i], upper[i])
            case Relu():
                x, low, high = self.expressions[value.input], lower[value.input], upper[value.input]
                expression = Expression.of(formulation.relu(model, x, low, high, value.place))
            case Max():
                x = self.expressions[value.input].select(value.members)
                low, high = lower[value.input][value.members], upper[value.input][value.members]
                expression = Expression.of(formulation.max(model, x, value.starts, low, high, value.place))
        self.expressions.append(expression)
        self.encodings.append(Encoding.since(before, model, value.place))
        return expression


def _affine(value: Affine, expressions: list[Expression]) -> Expression:
    terms = []
    constant = value.bias
    for k, matrix in zip(value.inputs, value.matrices, strict=True):
        ((unit, columns),) = expressions[k].terms
        if np.any(unit != 1.0):
            raise Relu2MipError(f"{value.place.prefix} reads a value that has no columns")
        terms.append((matrix, columns))
    return Expression(tuple(terms), constant)


def _columns(model: ModelBuilder, place: Place, x: Expression, lower: Array, upper: Array) -> Expression:
    columns = model.add_columns(NameBlock.of(place), lower, upper)
    terms = [(1.0, columns), *((-matrix, k) for matrix, k in x.terms)]
    rows = model.add_rows(NameBlock.of(place, ".is"), terms, lower=x.constant, upper=x.constant)
    model.determine(columns, rows)
    return Expression.of(columns)
