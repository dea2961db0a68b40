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

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from relu2mip.arrays import Array
from relu2mip.normal_form.engine import ARRAYS, Engine, add
from relu2mip.normal_form.values import Affine, Max, Relu, Value


@dataclass(frozen=True, eq=False)
class NormalForm:
    """A piecewise-linear function as a DAG of values; see the module's text."""

    values: tuple[Value, ...]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]

    def evaluate(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, (B, size), for inputs by name, (B, size)."""
        return self.pullback(inputs)[0]

    def evaluate_all(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Every value on a batch, (B, size) each."""
        return self.engine.arrays(self._results(inputs))

    def vjp(self, inputs: Mapping[str, Array], cotangents: Mapping[str, Array]) -> dict[str, Array]:
        """Vector-Jacobian product: gradients by input name, (B, size), of sum(cotangent * output) on a batch.

        At a kink the derivative of the ReLU is taken as 0, of a maximum as that of its first largest member.
        """
        return self.pullback(inputs)[1](cotangents)

    def pullback(
        self, inputs: Mapping[str, Array]
    ) -> tuple[dict[str, Array], Callable[[Mapping[str, Array]], dict[str, Array]]]:
        """Outputs, and `vjp` at these inputs as a function of cotangents: one evaluation for both."""
        results = self._results(inputs)
        outputs = self.engine.arrays([results[i] for i in self.outputs.values()])

        def back(cotangents: Mapping[str, Array]) -> dict[str, Array]:
            weights: dict[int, Array] = {}
            for name, cotangent in cotangents.items():
                add(weights, self.outputs[name], np.asarray(cotangent, dtype=np.float64))
            gradients = self.engine.backward(self.values, results, self.engine.taken(weights))
            reached = [name for name, i in self.inputs.items() if i in gradients]
            found = self.engine.arrays([gradients[self.inputs[name]] for name in reached])
            zeros = {name: np.zeros(np.shape(inputs[name])) for name in self.inputs}
            return zeros | dict(zip(reached, found, strict=True))

        return dict(zip(self.outputs, outputs, strict=True)), back

    @property
    def engine(self) -> Engine[Any]:
        """What computes: numpy."""
        return ARRAYS

    def _results(self, inputs: Mapping[str, Array]) -> list[Any]:
        given = {i: np.asarray(inputs[name], dtype=np.float64) for name, i in self.inputs.items()}
        batch = max((x.shape[0] for x in given.values()), default=1)
        return self.engine.forward(self.values, self.engine.taken(given), batch)

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
