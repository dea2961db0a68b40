"""Affine functions of the tensors of a network, along their last axis.

While a network is compacted, every tensor is either a `Basis` (an input, a vector of ReLUs, the result of an operation
that is left as it is, or a matrix times another basis) or a `Form`, an affine function of bases:

    y = sum over bases of  M_b b  + bias          M_b (size of y, size of b), along the last axis

so affine layers compose by multiplying small matrices, and identity units vanish in the products.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, ...]


@dataclass(eq=False)
class Basis:
    """A tensor that the compacted network computes.

    kind: "input", "relu" (of `form`), "product" (of the matrix `left` and `source`, over the axis before the last) or
    "opaque" (`call`: an operation of the traced network, with forms and bases among its arguments).
    shape: on the example.  live: which entries of the last axis anything reads.
    """

    kind: str
    shape: Shape | None
    name: str = ""
    form: Form | None = None
    source: Basis | None = None
    left: Tensor | None = None
    call: tuple[str, Any, Any, Any] | None = None
    live: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.live = torch.zeros(self.shape[-1] if self.shape else 1, dtype=torch.bool)

    @property
    def size(self) -> int:
        """Entries of the last axis."""
        return len(self.live)

    def identity(self) -> Form:
        """The basis as a form."""
        assert self.shape is not None
        eye = torch.eye(self.size, dtype=torch.float64)
        return Form({self: eye}, torch.zeros(self.size, dtype=torch.float64), self.shape)


@dataclass(frozen=True, eq=False)
class Form:
    """An affine function of bases; `bias` broadcasts to `shape`, the shape on the example, without the batch axis."""

    terms: Mapping[Basis, Tensor]
    bias: Tensor
    shape: Shape

    @property
    def size(self) -> int:
        """Entries of the last axis."""
        return self.shape[-1]

    def linear(self, weight: Tensor, bias: Tensor | None) -> Form:
        """Weight y + bias."""
        shift = self.bias @ weight.T + (0.0 if bias is None else bias)
        return Form({b: weight @ m for b, m in self.terms.items()}, shift, (*self.shape[:-1], len(weight)))

    def scaled(self, factor: Tensor) -> Form:
        """Every entry times a number of its own, (size,)."""
        return Form({b: factor[:, None] * m for b, m in self.terms.items()}, factor * self.bias, self.shape)

    def shifted(self, bias: Tensor, shape: Shape) -> Form:
        """A constant added."""
        return Form(self.terms, self.bias + bias, shape)

    def plus(self, other: Form, shape: Shape) -> Form:
        """The sum of two forms of one size."""
        terms = dict(self.terms)
        for b, m in other.terms.items():
            terms[b] = terms[b] + m if b in terms else m
        return Form(terms, self.bias + other.bias, shape)

    def entries(self, index: Any) -> Form:
        """Some entries of the last axis."""
        bias = self.bias[..., index]
        return Form({b: m[index] for b, m in self.terms.items()}, bias, (*self.shape[:-1], bias.shape[-1]))

    def constant_rows(self) -> Tensor:
        """Which entries depend on no basis."""
        result = torch.ones(self.size, dtype=torch.bool)
        for matrix in self.terms.values():
            result &= (matrix == 0).all(dim=1)
        return result

    def parts(self, rows: Tensor) -> dict[Basis, Tensor]:
        """The terms that these rows need; at least one that has the full shape, so that what is computed has it too."""
        needed = {b: m[rows] for b, m in self.terms.items() if (m[rows] != 0).any()}
        if not any(b.shape and b.shape[:-1] == self.shape[:-1] for b in needed):
            full = next((b for b in self.terms if b.shape and b.shape[:-1] == self.shape[:-1]), None)
            if full is not None:
                needed[full] = self.terms[full][rows]
        return needed

    def mark(self, rows: Tensor) -> None:
        """Mark what these rows read as live."""
        for b, matrix in self.parts(rows).items():
            columns = (matrix != 0).any(dim=0)
            if not columns.any():
                columns[0] = True
            b.live |= columns


def concatenate(forms: list[Form], shape: Shape) -> Form:
    """Forms one after another along the last axis."""
    bases = list(dict.fromkeys(b for form in forms for b in form.terms))
    terms = {}
    for b in bases:
        blocks = [form.terms.get(b, torch.zeros(form.size, b.size, dtype=torch.float64)) for form in forms]
        terms[b] = torch.cat(blocks)
    leading = np.broadcast_shapes(*(form.bias.shape[:-1] for form in forms))
    bias = torch.cat([form.bias.expand(*leading, form.size) for form in forms], dim=-1)
    return Form(terms, bias, shape)
