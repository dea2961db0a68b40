"""Expressions against Python's own arithmetic, and each kind that is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from relu2mip.errors import InvalidOption, Relu2MipError, UnknownOption
from relu2mip.frontends.sparsify.expressions import components, expressions, named

NAMES = ("key_0_x", "key_0_y", "hand_x", "hand_y", "state[0]", "pole angle", "arm_length", "e", "2")

numbers = st.floats(-9, 9).map(lambda x: f"{abs(x):.3f}").filter(lambda text: float(text) > 0.01)


def affine(depth: int) -> st.SearchStrategy[str]:
    if not depth:
        return st.sampled_from([name for name in NAMES if name != "2"])
    inner = affine(depth - 1)
    return st.one_of(
        inner,
        numbers,
        st.tuples(inner, st.sampled_from(["+", " - "]), inner).map("".join).map("({})".format),
        st.tuples(numbers, inner).map(lambda p: f"{p[0]}*({p[1]})"),
        st.tuples(inner, numbers).map(lambda p: f"({p[0]}) / {p[1]}"),
        inner.map("-({})".format),
    )


@given(affine(3), st.integers(0, 2**32 - 1))
def test_an_expression_is_what_python_computes(text: str, seed: int):
    values = np.random.default_rng(seed).normal(size=len(NAMES))
    (found,) = expressions(text, NAMES, "here")
    marked = text
    for k, name in sorted(enumerate(NAMES), key=lambda pair: -len(pair[1])):
        if name not in ("e", "2"):
            marked = marked.replace(name, f"v[{k}]")
    expected = eval(marked, {"v": values, "e": values[NAMES.index("e")]})
    assert found.weight @ values + found.bias == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_point_is_all_its_components():
    assert components(NAMES) == {"key_0": ("x", "y"), "hand": ("x", "y")}
    x, y = expressions("(key_0 - hand) / 2 + 1", NAMES, "here")
    assert (x.text, x.component, x.bias) == ("(key_0_x - hand_x) / 2 + 1", "x", 1.0)
    assert (y.text, y.component) == ("(key_0_y - hand_y) / 2 + 1", "y")
    np.testing.assert_array_equal(x.weight, [0.5, 0, -0.5, 0, 0, 0, 0, 0, 0])
    np.testing.assert_array_equal(y.weight, [0, 0.5, 0, -0.5, 0, 0, 0, 0, 0])
    assert named(["hand", "key_0_y", "hand_x"], NAMES, "here") == [2, 3, 1]


def test_a_name_that_is_a_number_is_read_as_the_number():
    (found,) = expressions("2 * e", NAMES, "here")
    assert (found.weight[7], found.weight[8]) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("key_0_x * hand_x", InvalidOption, r"here: 'key_0_x \* hand_x' is not affine: it has a product of two"),
        ("1 / hand_x", InvalidOption, "is not affine: it divides by a quantity"),
        ("hand_x / (1 - 1)", InvalidOption, "it divides by zero"),
        ("sin(hand_x)", InvalidOption, r"'sin\(hand_x\)' is not affine; write sums and differences"),
        ("hand_x ** 2", InvalidOption, "is not affine"),
        ("hand_x if e else 1", InvalidOption, "is not affine"),
        ("1e999 * hand_x", InvalidOption, "is not affine"),
        ("True", InvalidOption, "is not affine"),
        ("hand_x -", InvalidOption, "cannot be read"),
        ("", InvalidOption, "cannot be read"),
        ("hand_x; e", InvalidOption, "cannot be read"),
        ("kez_0_x - e", UnknownOption, "unknown name in here: 'kez_0_x': did you mean 'key_0_x'"),
        ("state[1]", UnknownOption, r"'state\[1\]': did you mean 'state\[0\]'"),
        ("hans - key_0", UnknownOption, "'hans': did you mean 'hand'"),
        ("arm", UnknownOption, "unknown name in here: 'arm'"),
        ("key_0 - hand_x", InvalidOption, "key_0 is a point and hand_x is one quantity"),
    ],
)
def test_what_is_refused(text: str, error: type[Relu2MipError], words: str):
    with pytest.raises(error, match=words):
        expressions(text, NAMES, "here")


def test_points_of_different_components_do_not_mix():
    with pytest.raises(InvalidOption, match="a has the components x, y and b has x, z"):
        expressions("a - b", ["a_x", "a_y", "b_x", "b_z"], "here")
    with pytest.raises(UnknownOption, match="unknown name in here: 'c'"):
        named(["c"], ["a_x", "a_y"], "here")
