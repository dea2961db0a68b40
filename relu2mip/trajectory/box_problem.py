"""A linear objective of any network's outputs over a box of its inputs.

optimise  objective @ y + constant,   y = all outputs of the network, flat, in graph order,
over      lower <= v <= upper,        v = all inputs, flat, in graph order
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache, cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike

from relu2mip.accept import accept, numbers, one_of
from relu2mip.arrays import Array, vector
from relu2mip.errors import InvalidProblem
from relu2mip.ir import Graph
from relu2mip.ir.lower import lower
from relu2mip.mip import Expression, ModelBuilder
from relu2mip.normal_form import FormBuilder, Place
from relu2mip.normal_form.splice import splice
from relu2mip.options import solve_options
from relu2mip.passes import simplify
from relu2mip.trajectory.network import network
from relu2mip.trajectory.objective import BoxObjective
from relu2mip.trajectory.premises import box_premises
from relu2mip.trajectory.sets import Box
from relu2mip.trajectory.toml import contents, in_file
from relu2mip.unrolled.unrolled import Unrolled


@dataclass(frozen=True, eq=False)
class BoxProblem:
    """Optimise a linear function of a network's outputs over a box of its inputs.

    lower, upper: numbers, or one entry for each input entry, flat over all inputs in graph order. Finite.
    objective: one coefficient for each output entry, flat over all outputs in graph order.
    sense: "min" or "max".

    Raises `InvalidProblem` where sizes do not fit or the box is empty or infinite.
    """

    net: Graph
    lower: ArrayLike
    upper: ArrayLike
    objective: ArrayLike
    sense: str = "min"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        accept(self, net=network, lower=numbers, upper=numbers, objective=numbers, sense=one_of("min", "max"))
        accept(self, options=solve_options)
        for side in ("lower", "upper"):
            if not np.isfinite(getattr(self, side)).all():
                raise InvalidProblem(f"{side} is {getattr(self, side)}; give finite limits of the inputs")
        coefficients = self.coefficients
        if coefficients.size != self.net.output_size or not np.isfinite(coefficients).all():
            raise InvalidProblem(
                f"objective has {coefficients.size} entries; {self.net.name} has {self.net.output_size} outputs: "
                "give that many finite coefficients"
            )
        _ = self.limits

    @classmethod
    def from_toml(cls, path: str | Path) -> BoxProblem:
        """Read a problem file; see docs/problem-file.md."""
        with in_file(path):
            return cls(**contents(path, "BoxProblem"))

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what follows from them is worked out again where a pickle of it is read."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @cached_property
    def coefficients(self) -> Array:
        """The objective as a vector."""
        return vector(self.objective)

    @cached_property
    def limits(self) -> tuple[Array, Array]:
        """The box, flat over all inputs."""
        sides = [np.asarray(side, dtype=np.float64).reshape(-1) for side in (self.lower, self.upper)]
        sides = [side[0] if side.size == 1 else side for side in sides]
        low, high = Box(*sides).limits("inputs", 1, self.net.input_size, 0, finite=True)
        return low[0], high[0]

    def split(self, flat: ArrayLike) -> dict[str, Array]:
        """A flat vector over all inputs (or a batch, (B, size)) as arrays by input name, (B, size) each."""
        batch = np.atleast_2d(np.asarray(flat, dtype=np.float64))
        ends = np.cumsum([0, *(port.size for port in self.net.inputs)])
        return {p.name: batch[:, a:b] for p, a, b in zip(self.net.inputs, ends[:-1], ends[1:], strict=True)}

    def evaluate(self, flat: ArrayLike) -> Array:
        """The objective (B,) at a batch of flat inputs (B, size)."""
        return self.joined(self.net.evaluate_flat(self.split(flat))) @ self.coefficients

    def joined(self, outputs: Mapping[str, Array]) -> Array:
        """Outputs by name as one batch (B, output size)."""
        parts = np.broadcast_arrays(*(outputs[port.name][:, :1] for port in self.net.outputs))
        batch = parts[0].shape[0]
        return np.concatenate([np.broadcast_to(outputs[p.name], (batch, p.size)) for p in self.net.outputs], axis=1)

    @cached_property
    def unrolled(self) -> Unrolled:
        """The network as a normal form over its box; its outputs stay values of their own."""
        builder = FormBuilder()
        inputs = {port.name: builder.input(port.name, port.size) for port in self.net.inputs}
        lowered = splice(builder, lower(self.net), inputs)
        outputs = {f"input@{name}": i for name, i in inputs.items()}
        for port in self.net.outputs:
            place = Place(output_name(self.net, port.name), np.arange(port.size))
            eye = sp.eye_array(port.size, format="csr")
            outputs[port.name] = builder.affine((lowered[port.name],), (eye,), None, place, kept=True)
        form = simplify(builder.build(outputs)).form
        domain, at = {}, 0
        low, high = self.limits
        for port in self.net.inputs:
            domain[form.inputs[port.name]] = low[at : at + port.size], high[at : at + port.size]
            at += port.size
        sign, ends = 1.0 if self.sense == "min" else -1.0, np.cumsum([0, *(port.size for port in self.net.outputs)])
        parts = zip(self.net.outputs, pairwise(ends), strict=True)
        weights = {port.name: sign * self.coefficients[a:b] for port, (a, b) in parts}
        return Unrolled(
            form=form,
            domain=domain,
            step=form,
            step_value={i: i for i in range(len(form.values))},
            step_inputs=self._samples,
            write=self._write,
            objective=cache(partial(BoxObjective, form, domain, weights)),
            premises=partial(box_premises, self.net.digest),
        )

    def _write(self, model: ModelBuilder, expressions: Mapping[str, Expression]) -> None:
        sign = 1.0 if self.sense == "min" else -1.0
        at = 0
        for port in self.net.outputs:
            model.minimise_expression(sign * self.coefficients[at : at + port.size], expressions[port.name])
            at += port.size

    def _samples(self, samples: Mapping[str, Array]) -> dict[str, Array]:
        inputs = {}
        for port in self.net.inputs:
            if port.name not in samples:
                raise InvalidProblem(f"the samples have no array {port.name!r}; they have {sorted(samples)}")
            inputs[port.name] = np.asarray(samples[port.name], dtype=np.float64).reshape(-1, port.size)
        return inputs


def output_name(net: Graph, name: str) -> str:
    """The name of an output's columns: the output's own, unless an input has it already."""
    return f"{name}.out" if name in {port.name for port in net.inputs} else name
