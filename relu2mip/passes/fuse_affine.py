"""Substitute affine values into the affine values that read them, where that does not add nonzeros.

    y = A x + b,  x = C w + d        becomes        y = (A C) w + (A d + b)

if nnz(A C) <= nnz(A) + nnz(C). Kept values (states between time steps) are never substituted: doing so makes the rows
of a long horizon dense. Affine values without inputs are constants and always fold.

A value with several readers would be copied into each of them. Along a chain of such values (residual sums, leaky
ReLUs) every copy holds all before it, and the nonzeros grow with the square of the depth. So a copy may not have more
than `GROWTH` times the nonzeros of A and of the reader's share in x, where x as it was before any substitution is
shared evenly between its readers, and hands on the shares that went into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from relu2mip.arrays import Matrix, compact, nonzeros
from relu2mip.normal_form import Affine, Max, NormalForm, Relu, Value
from relu2mip.passes.rewrite import Rewrite, Rewriter

GROWTH = 4.0
"""How many times the nonzeros of the chain a substitution may copy."""


def fuse_affine(form: NormalForm) -> Rewrite:
    """The same function with affine chains fused; values that nobody reads any more are left for `drop_dead`."""
    out = Rewriter(form)
    known: dict[int, _Fused] = {}
    for i, value in enumerate(form.values):
        new: Value
        match value:
            case Affine():
                known[i] = fused = _fuse(value, out, known, len(form.readers[i]))
                new = fused.value
            case Relu():
                new = Relu(value.place, out.new[value.input], value.size)
            case Max():
                new = Max(value.place, out.new[value.input], value.members, value.starts)
            case _:
                new = value
        out.new[i] = out.add(new, i)
    return out.finish()


@dataclass(frozen=True, eq=False)
class _Fused:
    """An affine value with what it reads substituted, its nonzeros, and a reader's share in the chain."""

    value: Affine
    nonzeros: int
    share: float


def _fuse(value: Affine, out: Rewriter, known: Mapping[int, _Fused], readers: int) -> _Fused:
    terms: dict[int, Matrix] = {}
    bias, size, chain = value.bias, 0, float(value.nonzeros)
    for k, matrix in zip(value.inputs, value.matrices, strict=True):
        inner = known.get(k)
        found = None if inner is None or inner.value.kept else _products(matrix, inner)
        if inner is not None and found is not None:
            bias = bias + matrix @ inner.value.bias
            chain += inner.share
            size += _add(terms, *found)
        elif count := nonzeros(matrix):
            size += _add(terms, {out.new[k]: matrix}, count)
    new = Affine(value.place, tuple(terms), tuple(terms.values()), bias, value.kept)
    return _Fused(new, size, chain / max(1, readers))


def _add(terms: dict[int, Matrix], products: Mapping[int, Matrix], size: int) -> int:
    """Add products with `size` nonzeros to the terms of a sum, none of which stays zero; the nonzeros gained."""
    if not terms:
        terms.update(products)
        return size
    for source, product in products.items():
        before = terms.pop(source, None)
        total = product if before is None else compact(before + product)
        if before is not None:
            size += nonzeros(total) - nonzeros(before) - nonzeros(product)
        if before is None or nonzeros(total):
            terms[source] = total
    return size


def _products(matrix: Matrix, inner: _Fused) -> tuple[Mapping[int, Matrix], int] | None:
    """The products with what `inner` reads, and their nonzeros; None where those are too many."""
    own, value = nonzeros(matrix), inner.value
    budget = min(own + inner.nonzeros, GROWTH * (own + inner.share))
    if _is_identity(matrix):
        same = dict(zip(value.inputs, value.matrices, strict=True))
        return (same, inner.nonzeros) if inner.nonzeros <= budget else None
    products, size = {}, 0
    for source, part in zip(value.inputs, value.matrices, strict=True):
        product = compact(matrix @ part)
        count = nonzeros(product)
        size += count
        if size > budget:
            return None
        if count:
            products[source] = product
    return products, size


def _is_identity(matrix: Matrix) -> bool:
    rows, columns = matrix.shape
    return rows == columns == nonzeros(matrix) and bool((matrix.diagonal() == 1.0).all())
