"""The operations of a graph: flat vectors in, one flat vector out.

A frontend resolves layout, broadcasting and constants while it reads the file, so that a handful of operations over
flat float64 vectors is enough for every piecewise-linear network: four affine ones (`Rearrange`, `Linear`, `Scale`,
`Add`), `Constant`, and the piecewise-linear ones. Each evaluates a batch of shape (B, size) per input at the speed of
numpy and lowers itself to the normal form by an identity that is exact.

Identities (`lower`):
    leaky     max(x, 0) + a min(x, 0) = (1 - a) relu(x) + a x
    clip      min(max(x, l), u)       = l + relu(x - l) - relu(x - u)      for l <= u; u where l > u, as ONNX says
    abs       |x|                     = 2 relu(x) - x
    maximum   max(x, y)               = y + relu(x - y)
    minimum   min(x, ...)             = -max(-x, ...)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp

from relu2mip.arrays import Array, Index, Matrix, apply, compact, nonzeros, selection
from relu2mip.normal_form.builder import FormBuilder


@dataclass(frozen=True, eq=False)
class Op(ABC):
    """One operation. Its fields are its constants; `name` is how the text form and `relu2mip list` call it."""

    name: ClassVar[str]

    @abstractmethod
    def evaluate(self, *inputs: Array) -> Array:
        """The output batch (B, size) for input batches (B, size_i)."""

    @abstractmethod
    def lower(self, form: FormBuilder, *inputs: int) -> int:
        """Add this operation to a normal form whose values `inputs` are its operands; the value of its result."""

    def summary(self) -> str:
        """The constants in short, for the text form."""
        return ", ".join(f"{f.name}={_short(getattr(self, f.name))}" for f in fields(self))


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= 6 and value.ndim == 1:
            return "[" + ", ".join(f"{x:.6g}" for x in value) + "]"
        return "x".join(map(str, value.shape)) + f" ({nonzeros(np.atleast_2d(value))} nonzeros)"
    if isinstance(value, sp.csr_array):
        return "x".join(map(str, value.shape)) + f" sparse ({value.nnz} nonzeros)"
    return str(value)


@dataclass(frozen=True, eq=False)
class Constant(Op):
    """No inputs; the vector `value`."""

    name = "constant"
    value: Array

    def evaluate(self, *inputs: Array) -> Array:
        return np.broadcast_to(self.value, (1, self.value.size))

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        return form.affine((), (), self.value)


@dataclass(frozen=True, eq=False)
class Rearrange(Op):
    """Every movement of data (reshape, transpose, slice, gather, split, concat, expand, tile, pad ...).

    The inputs are laid end to end into one vector v; y_i = v[index[i]], or fill[i] where index[i] = -1.
    """

    name = "rearrange"
    index: Index
    fill: Array | None = None

    def evaluate(self, *inputs: Array) -> Array:
        source = inputs[0] if len(inputs) == 1 else np.concatenate(_same_batch(inputs), axis=1)
        result = source.take(np.maximum(self.index, 0), axis=1)
        if self.fill is not None:
            fixed = self.index < 0
            result[:, fixed] = self.fill[fixed]
        return result

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        sizes = np.array([form.size(i) for i in inputs])
        ends = np.cumsum(sizes)
        order = np.argsort(self.index, kind="stable")
        cuts = np.searchsorted(self.index[order], [0, *ends])
        matrices = tuple(
            _chosen(order[a:b], self.index[order[a:b]] - (end - size), (self.index.size, size))
            for (a, b), end, size in zip(pairwise(cuts), ends.tolist(), sizes.tolist(), strict=True)
        )
        bias = np.zeros(self.index.size) if self.fill is None else np.where(self.index >= 0, 0.0, self.fill)
        return form.affine(inputs, matrices, bias)

    def summary(self) -> str:
        return f"{self.index.size} of its inputs' entries" + ("" if self.fill is None else ", padded")


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """y = A x + b, with A dense or sparse; with `repeat` > 1 the same on each of `repeat` equal blocks of x.

    Gemm, MatMul, Conv, ConvTranspose, average pooling, sums, means, scatter-add and Einsum all become this.
    """

    name = "linear"
    matrix: Matrix
    bias: Array
    repeat: int = 1

    def evaluate(self, *inputs: Array) -> Array:
        (x,) = inputs
        blocks = x.reshape(x.shape[0] * self.repeat, -1)
        result = apply(self.matrix, blocks)
        result += self.bias
        return result.reshape(x.shape[0], -1)

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        matrix = self.matrix
        if self.repeat > 1:
            matrix = compact(sp.kron(sp.eye_array(self.repeat), sp.csr_array(matrix), format="csr"))
        return form.affine(inputs, (matrix,), np.tile(self.bias, self.repeat))


@dataclass(frozen=True, eq=False)
class Scale(Op):
    """y = factor * x + offset, elementwise."""

    name = "scale"
    factor: Array
    offset: Array

    def evaluate(self, *inputs: Array) -> Array:
        return inputs[0] * self.factor + self.offset

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        return form.affine(inputs, (sp.diags_array(self.factor, format="csr"),), self.offset)


@dataclass(frozen=True, eq=False)
class Add(Op):
    """y = sum of coefficient_i * x_i over inputs of one size."""

    name = "add"
    coefficients: tuple[float, ...]

    def evaluate(self, *inputs: Array) -> Array:
        total = self.coefficients[0] * inputs[0]
        for coefficient, x in zip(self.coefficients[1:], inputs[1:], strict=True):
            total = total + coefficient * x
        return np.asarray(total)

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        eye = sp.eye_array(form.size(inputs[0]), format="csr")
        return form.affine(inputs, tuple(c * eye for c in self.coefficients))


@dataclass(frozen=True, eq=False)
class Relu(Op):
    """y = max(x, 0)."""

    name = "relu"

    def evaluate(self, *inputs: Array) -> Array:
        return np.maximum(inputs[0], 0.0)

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        return form.relu(inputs[0])


@dataclass(frozen=True, eq=False)
class LeakyRelu(Op):
    """y = x where x > 0, slope * x elsewhere; `slope` has one entry a unit (any sign)."""

    name = "leaky-relu"
    slope: Array

    def evaluate(self, *inputs: Array) -> Array:
        x = inputs[0]
        return np.where(x > 0, x, self.slope * x)

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        (x,) = inputs
        positive = sp.diags_array(1.0 - self.slope, format="csr")
        return form.affine((form.relu(x), x), (positive, sp.diags_array(self.slope, format="csr")))


@dataclass(frozen=True, eq=False)
class Clip(Op):
    """y = min(max(x, lower), upper), one (possibly infinite) limit a unit; `upper` wins where they cross."""

    name = "clip"
    lower_limit: Array
    upper_limit: Array

    def evaluate(self, *inputs: Array) -> Array:
        return np.minimum(np.maximum(inputs[0], self.lower_limit), self.upper_limit)

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        (x,) = inputs
        size = self.lower_limit.size
        low, high = np.minimum(self.lower_limit, self.upper_limit), self.upper_limit
        moves = low < high
        below, above = np.flatnonzero(moves & np.isfinite(low)), np.flatnonzero(moves & np.isfinite(high))
        values, matrices = [x], [sp.diags_array((moves & ~np.isfinite(low)).astype(float), format="csr")]
        bias = np.where(moves & ~np.isfinite(low), 0.0, np.where(moves, low, high))
        for units, limit, sign in ((below, low, 1.0), (above, high, -1.0)):
            if units.size:
                excess = form.affine((x,), (selection(units, size),), -limit[units])
                values.append(form.relu(excess))
                matrices.append(sign * selection(units, size).T.tocsr())
        return form.affine(values, matrices, bias)


@dataclass(frozen=True, eq=False)
class Abs(Op):
    """y = |x|."""

    name = "abs"

    def evaluate(self, *inputs: Array) -> Array:
        return np.abs(inputs[0])

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        eye = sp.eye_array(form.size(inputs[0]), format="csr")
        return form.affine((form.relu(inputs[0]), inputs[0]), (2.0 * eye, -1.0 * eye))


@dataclass(frozen=True, eq=False)
class Maximum(Op):
    """Elementwise maximum of two or more inputs of one size."""

    name = "maximum"

    def evaluate(self, *inputs: Array) -> Array:
        return np.asarray(np.maximum.reduce(np.broadcast_arrays(*inputs)))

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        return _lower_maximum(form, inputs, 1.0)


@dataclass(frozen=True, eq=False)
class Minimum(Op):
    """Elementwise minimum of two or more inputs of one size."""

    name = "minimum"

    def evaluate(self, *inputs: Array) -> Array:
        return np.asarray(np.minimum.reduce(np.broadcast_arrays(*inputs)))

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        return _lower_maximum(form, inputs, -1.0)


@dataclass(frozen=True, eq=False)
class GroupMax(Op):
    """Maxima over groups of entries (max pooling, ReduceMax): y_g = max of x[members[starts[g] : starts[g + 1]]]."""

    name = "group-max"
    members: Index
    starts: Index = field()

    def evaluate(self, *inputs: Array) -> Array:
        return np.maximum.reduceat(inputs[0].take(self.members, axis=1), self.starts[:-1], axis=1)

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        return _lower_groups(form, inputs[0], self.members, self.starts, 1.0)


@dataclass(frozen=True, eq=False)
class GroupMin(Op):
    """Minima over groups of entries, laid out as in `GroupMax`."""

    name = "group-min"
    members: Index
    starts: Index = field()

    def evaluate(self, *inputs: Array) -> Array:
        return np.minimum.reduceat(inputs[0].take(self.members, axis=1), self.starts[:-1], axis=1)

    def lower(self, form: FormBuilder, *inputs: int) -> int:
        return _lower_groups(form, inputs[0], self.members, self.starts, -1.0)


def _chosen(rows: Index, columns: Index, shape: tuple[int, int]) -> Any:
    """The matrix with ones at these places, at most one a row."""
    chosen = np.argsort(rows, kind="stable")
    starts = np.zeros(shape[0] + 1, dtype=np.intp)
    starts[rows + 1] = 1
    return sp.csr_array((np.ones(rows.size), columns[chosen], np.cumsum(starts)), shape=shape)


def _same_batch(inputs: Sequence[Array]) -> list[Array]:
    batch = max(x.shape[0] for x in inputs)
    return [np.broadcast_to(x, (batch, x.shape[1])) for x in inputs]


def _lower_maximum(form: FormBuilder, inputs: Sequence[int], sign: float) -> int:
    """Sign * max(sign * inputs), elementwise: unit i is the group of entry i of each input, laid end to end."""
    size, count = form.size(inputs[0]), len(inputs)
    if count == 1:
        return inputs[0]
    joined = form.affine(inputs, tuple(selection(_block(size, k, count), size) for k in range(count)))
    members = np.arange(size * count).reshape(count, size).T.ravel()
    return _lower_groups(form, joined, members, np.arange(size + 1) * count, sign)


def _block(size: int, k: int, count: int) -> Index:
    index = np.full(size * count, -1)
    index[k * size : (k + 1) * size] = np.arange(size)
    return index


def _lower_groups(form: FormBuilder, x: int, members: Index, starts: Index, sign: float) -> int:
    """Sign * max(sign * x) over groups; groups of one are copies, of two a ReLU, of more a Max."""
    sizes, size = np.diff(starts), form.size(x)
    first = sp.csr_array(selection(members[starts[:-1]], size))
    if sizes.max() == 1:
        return form.affine((x,), (first,))
    scaled = form.affine((x,), (sign * sp.eye_array(size, format="csr"),)) if sign < 0 else x
    if sizes.max() == 2:
        pairs = np.flatnonzero(sizes == 2)
        second = selection(members[starts[:-1][pairs] + 1], size)
        excess = form.affine((x,), (sign * (second - first[pairs]),))
        spread = sign * sp.csr_array(selection(pairs, sizes.size).T)
        return form.affine((x, form.relu(excess)), (first, spread))
    largest = form.max(scaled, members, starts)
    return form.affine((largest,), (-1.0 * sp.eye_array(sizes.size, format="csr"),)) if sign < 0 else largest
