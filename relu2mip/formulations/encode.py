"""Normal form to columns and rows: every value becomes an expression over columns, in order.

An input is its columns; a ReLU or Max becomes whatever columns its formulation adds. An affine value that another
affine value reads, or that is kept, gets columns of its own, tied by one equality row each; one that only ReLUs and
maxima (or the objective) read stays an expression inside their rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from relu2mip.arrays import Array, Index
from relu2mip.bounds import Bounds
from relu2mip.errors import Relu2MipError
from relu2mip.mip import Expression, ModelBuilder, NameBlock
from relu2mip.normal_form import Affine, Input, Max, Place, Relu


class Formulation(Protocol):
    """A frozen dataclass of a formulation's options. See docs/extending/add-a-formulation.md."""

    name: ClassVar[str]

    def relu(self, model: ModelBuilder, x: Expression, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y = max(x, 0) for pre-activations with lower < 0 < upper."""
        ...

    def max(self, model: ModelBuilder, x: Expression, starts: Index, lower: Array, upper: Array, place: Place) -> Index:
        """Columns y_g = max of entries starts[g] to starts[g + 1] of x, groups of at least two."""
        ...


@dataclass(frozen=True)
class Encoding:
    """What the values of one place cost: columns, binaries, rows and nonzeros it added."""

    place: Place
    columns: int
    binaries: int
    rows: int
    nonzeros: int


def encode(bounds: Bounds, formulation: Formulation, model: ModelBuilder) -> tuple[list[Expression], list[Encoding]]:
    """Add the form of `bounds` to a model: an expression for each value, and what each value cost.

    Raises `Relu2MipError` for a stable ReLU: `drop_stable` must have removed those.
    """
    form = bounds.form
    expressions: list[Expression] = []
    costs: list[Encoding] = []
    for i, value in enumerate(form.values):
        before = model.size
        lower, upper = bounds.lower[i], bounds.upper[i]
        match value:
            case Input():
                columns = model.add_columns(NameBlock.of(value.place), lower, upper)
                expression = Expression.of(columns)
            case Affine():
                expression = _affine(value, expressions)
                if value.kept or any(isinstance(form.values[r], Affine) for r in form.readers[i]):
                    expression = _columns(model, value.place, expression, lower, upper)
            case Relu():
                low, high = bounds.lower[value.input], bounds.upper[value.input]
                if (low >= 0).any() or (high <= 0).any():
                    raise Relu2MipError(f"{value.place.prefix} has stable units; run drop_stable first")
                y = formulation.relu(model, expressions[value.input], low, high, value.place)
                expression = Expression.of(y)
            case Max():
                x = expressions[value.input].select(value.members)
                low, high = bounds.lower[value.input][value.members], bounds.upper[value.input][value.members]
                expression = Expression.of(formulation.max(model, x, value.starts, low, high, value.place))
        expressions.append(expression)
        after = model.size
        costs.append(Encoding(value.place, *(int(b - a) for a, b in zip(before, after, strict=True))))
    return expressions, costs


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
    model.add_rows(NameBlock.of(place, ".is"), terms, lower=x.constant, upper=x.constant)
    return Expression.of(columns)
