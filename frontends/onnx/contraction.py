"""Sums of products with one constant factor, in Einstein's notation, as a matrix.

MatMul, Gemm, Einsum and the reductions are all `out[labels] = sum over the others of constant[...] * x[...]`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from relu2mip.arrays import Array, Matrix, compact
from relu2mip.frontends.onnx.algebra import linear
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.values import Variable


def contract(
    call: Call,
    x: Variable,
    x_labels: str,
    constant: Array,
    labels: str,
    out_labels: str,
    bias: ArrayLike = 0.0,
) -> Variable:
    """einsum(f"{labels},{x_labels}->{out_labels}", constant, x) + bias; axes of length 1 broadcast.

    Raises `InvalidNetwork` where two axes of one label have different lengths.
    """
    sizes: dict[str, int] = {}
    for label, size in (*zip(x_labels, x.shape, strict=True), *zip(labels, constant.shape, strict=True)):
        known = sizes.get(label, 1)
        if known != size and 1 not in (known, size):
            call.fail(f"axes of lengths {known} and {size} do not fit (shapes {x.shape} and {constant.shape})")
        sizes[label] = max(known, size)
    shape = tuple(sizes[label] for label in out_labels)
    matrix, repeat = _matrix(
        _long(x_labels, x.shape),
        constant.squeeze(),
        _long(labels, constant.shape),
        _long(out_labels, shape),
        sizes,
    )
    return linear(call, x, matrix, repeat, shape, bias)


def _long(labels: str, shape: tuple[int, ...]) -> str:
    """The labels of axes longer than 1; the others broadcast or do not matter."""
    return "".join(label for label, size in zip(labels, shape, strict=True) if size != 1)


def _matrix(x: str, constant: Array, labels: str, out: str, sizes: Mapping[str, int]) -> tuple[Matrix, int]:
    """The matrix on the flat x, and on how many equal blocks of it the matrix acts."""
    repeat = 1
    while x and out[:1] == x[0] and x[0] not in labels and x.count(x[0]) == 1:
        repeat *= sizes[x[0]]
        x, out = x[1:], out[1:]
    rows, columns = (math.prod(sizes[label] for label in part) for part in (out, x))
    if sorted(labels) == sorted(out + x) and len(set(labels)) == len(labels):
        dense = np.transpose(constant, [labels.index(label) for label in out + x]).reshape(rows, columns)
        return compact(dense), repeat
    every = "".join(dict.fromkeys(out + x + labels))
    grid = tuple(sizes[label] for label in every)
    values = np.broadcast_to(_spread(constant, labels, every), grid).ravel()
    keep = np.flatnonzero(values)
    position = [np.broadcast_to(_spread(_numbers(part, sizes), part, every), grid).ravel()[keep] for part in (out, x)]
    return compact(sp.csr_array((values[keep], (position[0], position[1])), shape=(rows, columns))), repeat


def _numbers(labels: str, sizes: Mapping[str, int]) -> NDArray[np.intp]:
    shape = [sizes[label] for label in labels]
    return np.arange(math.prod(shape)).reshape(shape)


def _spread(array: NDArray[Any], labels: str, every: str) -> NDArray[Any]:
    """One axis for each label of `every`: the diagonal for repeated labels, length 1 for absent ones."""
    present = "".join(label for label in every if label in labels)
    diagonal = np.einsum(array, [every.index(label) for label in labels], [every.index(label) for label in present])
    return np.asarray(diagonal).reshape(
        [diagonal.shape[present.index(label)] if label in present else 1 for label in every]
    )
