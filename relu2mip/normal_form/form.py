"""The normal form: a DAG of four kinds of value, each a flat vector.

    Input             a vector of variables
    Affine            y = sum_k A_k x_k + b          over earlier values x_k; with no inputs, a constant
    Relu              y = max(x, 0)                   x is an earlier value of the same size
    Max               y_g = max of x[members[starts[g] : starts[g + 1]]]

Values are numbered by position; a value reads only earlier ones. Every unit of every value has a `Place`, which gives
the readable names of columns and rows and the words of error messages. Matrices may be shared between values (the
steps of an unrolled horizon share theirs), and nothing is ever changed in place.

    >>> import numpy as np
    >>> from relu2mip.normal_form import FormBuilder
    >>> form = FormBuilder()
    >>> x = form.input("x", 2)
    >>> h = form.relu(form.affine((x,), (np.array([[1.0, -1.0]]),), np.zeros(1)))
    >>> net = form.build({"y": h})
    >>> net.evaluate({"x": np.array([[3.0, 1.0]])})["y"].tolist()
    [[2.0]]
    >>> net.relu_units
    1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from relu2mip.arrays import Array, Index, Matrix, apply, nonzeros


@dataclass(frozen=True, eq=False)
class Place:
    """Where the units of a value are: `t03.layer2.relu`, with the numbers of its units in the original layer."""

    layer: str
    units: Index
    step: int | None = None
    digits: int = 2

    @property
    def prefix(self) -> str:
        """The place without a unit number: `t03.layer2.relu`, or `layer2.relu` without a horizon."""
        return self.layer if self.step is None else f"t{self.step:0{self.digits}d}.{self.layer}"

    def name(self, unit: int) -> str:
        """The full name of the unit at a position of the vector: `t03.layer2.relu[17]`."""
        return f"{self.prefix}[{self.units[unit]}]"

    def select(self, positions: Index) -> Place:
        """The place of a sub-vector."""
        return Place(self.layer, self.units[positions], self.step, self.digits)


@dataclass(frozen=True, eq=False)
class Input:
    """A vector of variables."""

    place: Place
    size: int

    @property
    def reads(self) -> tuple[int, ...]:
        """No value."""
        return ()


@dataclass(frozen=True, eq=False)
class Affine:
    """y = sum_k A_k x_k + b. A `kept` value (a state between steps) is never substituted away."""

    place: Place
    inputs: tuple[int, ...]
    matrices: tuple[Matrix, ...]
    bias: Array
    kept: bool = False

    @property
    def size(self) -> int:
        """Entries of the vector."""
        return int(self.bias.size)

    @property
    def reads(self) -> tuple[int, ...]:
        """The values it reads."""
        return self.inputs

    @cached_property
    def nonzeros(self) -> int:
        """Nonzeros of all its matrices."""
        return sum(nonzeros(matrix) for matrix in self.matrices)


@dataclass(frozen=True, eq=False)
class Relu:
    """y = max(x, 0), elementwise."""

    place: Place
    input: int
    size: int

    @property
    def reads(self) -> tuple[int, ...]:
        """The value it reads."""
        return (self.input,)


@dataclass(frozen=True, eq=False)
class Max:
    """Maxima over groups of entries of one value; a group has at least one member."""

    place: Place
    input: int
    members: Index
    starts: Index

    @property
    def size(self) -> int:
        """Number of groups."""
        return int(self.starts.size - 1)

    @property
    def reads(self) -> tuple[int, ...]:
        """The value it reads."""
        return (self.input,)


Value: TypeAlias = Input | Affine | Relu | Max


@dataclass(frozen=True, eq=False)
class NormalForm:
    """A piecewise-linear function as a DAG of values; see the module's text."""

    values: tuple[Value, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    def evaluate(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, (B, size), for inputs by name, (B, size)."""
        values = self.evaluate_all(inputs)
        return {name: values[i] for name, i in self.outputs.items()}

    def evaluate_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Every value on a batch, (B, size) each."""
        batch = max((np.shape(x)[0] for x in inputs.values()), default=1)
        given = {i: np.asarray(inputs[name], dtype=np.float64) for name, i in self.inputs.items()}
        results: list[Array] = []
        for i, value in enumerate(self.values):
            match value:
                case Input():
                    results.append(given[i])
                case Affine():
                    results.append(_affine(value, results, batch))
                case Relu():
                    results.append(np.maximum(results[value.input], 0.0))
                case Max():
                    x = results[value.input][:, value.members]
                    results.append(np.maximum.reduceat(x, value.starts[:-1], axis=1))
        return results

    def vjp(self, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]) -> dict[str, Array]:
        """Vector-Jacobian product: gradients by input name, (B, size), of sum(cotangent * output) on a batch.

        At a kink the derivative of the ReLU is taken as 0, of a maximum as that of its first largest member.
        """
        values = self.evaluate_all(inputs)
        grads: list[Array | None] = [None] * len(self.values)

        def add(i: int, gradient: Array) -> None:
            known = grads[i]
            grads[i] = gradient if known is None else known + gradient

        for name, cotangent in cotangents.items():
            add(self.outputs[name], np.asarray(cotangent, dtype=np.float64))
        for i in reversed(range(len(self.values))):
            gradient, value = grads[i], self.values[i]
            if gradient is None:
                continue
            match value:
                case Affine():
                    for k, matrix in zip(value.inputs, value.matrices, strict=True):
                        add(
                            k,
                            gradient @ matrix if isinstance(matrix, np.ndarray) else apply(matrix.T.tocsr(), gradient),
                        )
                case Relu():
                    add(value.input, gradient * (values[value.input] > 0))
                case Max():
                    add(value.input, _max_gradient(value, values[value.input], values[i], gradient))
        zeros = {name: np.zeros_like(values[i]) for name, i in self.inputs.items()}
        return {name: zeros[name] if grads[i] is None else np.asarray(grads[i]) for name, i in self.inputs.items()}

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        """For each value, the values that read it."""
        lists: list[list[int]] = [[] for _ in self.values]
        for i, value in enumerate(self.values):
            for k in dict.fromkeys(value.reads):
                lists[k].append(i)
        return tuple(map(tuple, lists))

    @property
    def relu_units(self) -> int:
        """Number of ReLU units."""
        return sum(value.size for value in self.values if isinstance(value, Relu))

    @property
    def max_units(self) -> int:
        """Number of maxima."""
        return sum(value.size for value in self.values if isinstance(value, Max))

    @property
    def nonzeros(self) -> int:
        """Nonzeros of all matrices."""
        return sum(value.nonzeros for value in self.values if isinstance(value, Affine))

    def __str__(self) -> str:
        lines = ["normal form"]
        for i, value in enumerate(self.values):
            where = f"  %{i} = {type(value).__name__.lower()}"
            reads = ", ".join(f"%{k}" for k in value.reads)
            extra = f", {value.nonzeros} nonzeros" if isinstance(value, Affine) else ""
            kept = ", kept" if isinstance(value, Affine) and value.kept else ""
            lines.append(f"{where}({reads}) : {value.size}    # {value.place.prefix}{extra}{kept}")
        lines += [f"  output {name} = %{i}" for name, i in self.outputs.items()]
        return "\n".join(lines)


def _affine(value: Affine, results: Sequence[Array], batch: int) -> Array:
    if not value.inputs:
        return np.broadcast_to(value.bias, (batch, value.size))
    total = apply(value.matrices[0], results[value.inputs[0]])
    for k, matrix in zip(value.inputs[1:], value.matrices[1:], strict=True):
        total += apply(matrix, results[k])
    total += value.bias
    return total


def _max_gradient(value: Max, x: Array, y: Array, gradient: Array) -> Array:
    group = np.repeat(np.arange(value.size), np.diff(value.starts))
    hits = (x[:, value.members] == y[:, group]).astype(np.float64)
    before = np.cumsum(hits, axis=1) - hits
    first = hits * (before == before[:, value.starts[:-1]][:, group])
    result = np.zeros_like(x)
    rows = np.arange(x.shape[0])[:, None]
    np.add.at(result, (rows, value.members[None, :]), first * gradient[:, group])
    return result
