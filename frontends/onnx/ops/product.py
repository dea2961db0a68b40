"""Products with one constant operand: Gemm, MatMul, Einsum."""

from __future__ import annotations

import string

import numpy as np

from relu2mip.frontends.onnx.algebra import weighted_sum
from relu2mip.frontends.onnx.call import Call
from relu2mip.frontends.onnx.contraction import contract
from relu2mip.frontends.onnx.registry import converter
from relu2mip.frontends.onnx.values import Value, Variable

BILINEAR = "the product of two variables is not piecewise linear"
ONE_CONSTANT = "One operand must be a constant; or use ReLU layers instead"


@converter("Gemm", since=7)
def gemm(call: Call) -> Value:
    """Alpha * A' B' + beta * C, where A' and B' are A and B, transposed where the attributes say so."""
    a, b, c = call.value(0), call.value(1), call.optional(2)
    alpha, beta = call.real("alpha", 1.0), call.real("beta", 1.0)
    a_labels = "km" if call.flag("transA") else "mk"
    b_labels = "nk" if call.flag("transB") else "kn"
    if len(a.shape) != 2 or len(b.shape) != 2:
        call.fail(f"needs two matrices, not shapes {a.shape} and {b.shape}")
    if not isinstance(a, Variable) and not isinstance(b, Variable):
        product: Value = alpha * np.einsum(f"{a_labels},{b_labels}->mn", a, b)
        shape = product.shape
    else:
        shape = (a.shape[a_labels.index("m")], b.shape[b_labels.index("n")])
        if a.shape[a_labels.index("k")] != b.shape[b_labels.index("k")]:
            call.fail(f"shapes {a.shape} and {b.shape} do not fit as {a_labels} and {b_labels}")
        product = _product(call, a, b, a_labels, b_labels, "mn", alpha)
    if c is None:
        return product
    if np.broadcast_shapes(c.shape, shape) != shape:
        call.fail(f"C of shape {c.shape} does not broadcast to {shape}")
    return weighted_sum(call, [(1.0, product), (beta, c)])


@converter("MatMul", since=1)
def matmul(call: Call) -> Value:
    """The matrix product as numpy.matmul has it, leading axes broadcast."""
    a, b = call.value(0), call.value(1)
    rank = max(len(a.shape), len(b.shape))
    if min(len(a.shape), len(b.shape)) < 1:
        call.fail("needs vectors or matrices, not scalars")
    lead = string.ascii_uppercase[: max(rank - 2, 0)]
    a_labels = "k" if len(a.shape) == 1 else lead[len(lead) - len(a.shape) + 2 :] + "mk"
    b_labels = "k" if len(b.shape) == 1 else lead[len(lead) - len(b.shape) + 2 :] + "kn"
    if a.shape[-1] != b.shape[b_labels.index("k")]:
        call.fail(f"shapes {a.shape} and {b.shape} do not fit")
    out = lead + "m" * (len(a.shape) > 1) + "n" * (len(b.shape) > 1)
    return _product(call, a, b, a_labels, b_labels, out)


def _product(call: Call, a: Value, b: Value, a_labels: str, b_labels: str, out: str, factor: float = 1.0) -> Variable:
    if isinstance(a, Variable) and isinstance(b, Variable):
        call.refuse(BILINEAR, ONE_CONSTANT)
    if isinstance(a, Variable):
        return contract(call, a, a_labels, factor * np.asarray(b), b_labels, out)
    return contract(call, call.variable(1), b_labels, factor * np.asarray(a), a_labels, out)


@converter("Einsum", since=12)
def einsum(call: Call) -> Value:
    """A sum of products of one variable and any number of constants."""
    values = call.values()
    terms, out = _equation(call, call.text("equation"), [len(value.shape) for value in values])
    variables = [k for k, value in enumerate(values) if isinstance(value, Variable)]
    if len(variables) != 1:
        call.refuse(BILINEAR, ONE_CONSTANT)
    position = variables[0]
    constants = [k for k in range(len(values)) if k != position]
    factor, labels = np.ones(()), ""
    for k in constants:
        known, labels = labels, "".join(dict.fromkeys(labels + terms[k]))
        factor = np.einsum(f"{known},{terms[k]}->{labels}", factor, np.asarray(values[k], dtype=np.float64))
    return contract(call, call.variable(position), terms[position], factor, labels, out)


def _equation(call: Call, equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the result; an ellipsis becomes labels of its own."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        call.fail(f"equation {equation!r} has {len(terms)} terms for {len(ranks)} operands")
    letters = "".join(terms).replace("...", "")
    result = right.replace("...", "")
    if not (letters + result).isascii() or not (letters + result or "a").isalpha():
        call.fail(f"equation {equation!r} has labels that are no letters")
    if set(result) - set(letters) or len(set(result)) < len(result):
        call.fail(f"equation {equation!r} has labels after the arrow that are repeated or not before it")
    free = [label for label in string.ascii_letters if label not in equation]
    widths = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    if any(width < 0 or (width > 0 and "..." not in term) for term, width in zip(terms, widths, strict=True)):
        call.fail(f"equation {equation!r} does not fit operands of ranks {ranks}")
    longest = "".join(free[: max(widths)])
    full = [term.replace("...", longest[len(longest) - w :]) for term, w in zip(terms, widths, strict=True)]
    if arrow:
        return full, right.replace("...", longest)
    return full, longest + "".join(sorted(label for label in set(letters) if letters.count(label) == 1))
