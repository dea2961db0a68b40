"""Substitute affine values into the affine values that read them, where that does not add nonzeros.

    y = A x + b,  x = C w + d        becomes        y = (A C) w + (A d + b)

if nnz(A C) <= nnz(A) + nnz(C). Kept values (states between time steps) are never substituted: doing so makes the rows
of a long horizon dense. Affine values without inputs are constants and always fold.
"""

from __future__ import annotations

from typing import Any

from relu2mip.arrays import Matrix, compact, nonzeros
from relu2mip.normal_form import Affine, Max, NormalForm, Relu, Value
from relu2mip.passes.rewrite import Rewrite, Rewriter


def fuse_affine(form: NormalForm) -> Rewrite:
    """The same function with affine chains fused; values that nobody reads any more are left for `drop_dead`."""
    out = Rewriter(form)
    for i, value in enumerate(form.values):
        new: Value
        match value:
            case Affine():
                new = _fuse(value, out)
            case Relu():
                new = Relu(value.place, out.new[value.input], value.size)
            case Max():
                new = Max(value.place, out.new[value.input], value.members, value.starts)
            case _:
                new = value
        out.new[i] = out.add(new, i)
    return out.finish()


def _fuse(value: Affine, out: Rewriter) -> Affine:
    terms: dict[int, Any] = {}
    bias = value.bias
    changed = False
    for k, matrix in zip(value.inputs, value.matrices, strict=True):
        inner = out.values[out.new[k]]
        if isinstance(inner, Affine) and not inner.kept:
            fused = _substitute(matrix, inner)
            if fused is not None:
                bias = bias + matrix @ inner.bias
                changed = True
                for source, product in zip(inner.inputs, fused, strict=True):
                    terms[source] = terms[source] + product if source in terms else product
                continue
        source = out.new[k]
        changed |= source in terms
        terms[source] = terms[source] + matrix if source in terms else matrix
    if not changed:
        return Affine(value.place, tuple(terms), value.matrices, bias, value.kept)
    stored = {k: compact(matrix) for k, matrix in terms.items()}
    used = {k: matrix for k, matrix in stored.items() if nonzeros(matrix)}
    return Affine(value.place, tuple(used), tuple(used.values()), bias, value.kept)


def _substitute(matrix: Matrix, inner: Affine) -> list[Any] | None:
    if not inner.inputs:
        return []
    budget = nonzeros(matrix) + inner.nonzeros
    products = []
    for part in inner.matrices:
        product: Any = matrix @ part
        budget -= nonzeros(product)
        if budget < 0:
            return None
        products.append(product)
    return products
