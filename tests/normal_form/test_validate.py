"""A form that is none is refused with the place of the first value that is wrong, and so is one that a pass leaves."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from relu2mip.errors import InvalidNetwork
from relu2mip.normal_form import FormBuilder, NormalForm, Value
from relu2mip.normal_form.validate import validate
from relu2mip.passes import drop_dead
from relu2mip.passes.rewrite import Rewriter
from tests.forms import forms


def good() -> NormalForm:
    builder = FormBuilder()
    x = builder.input("x", 2)
    h = builder.affine((x,), (np.array([[1.0, 2.0], [0.5, -1.0]]),), np.zeros(2))
    y = builder.relu(h)
    return builder.build({"y": builder.max(y, np.array([0, 1]), np.array([0, 2]))})


def changed(i: int, **fields: object) -> NormalForm:
    form = good()
    values: list[Value] = list(form.values)
    values[i] = replace(values[i], **fields)
    return replace(form, values=tuple(values))


@given(form=forms())
def test_what_the_builder_makes_is_valid(form: NormalForm) -> None:
    assert validate(form) is form


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (changed(1, inputs=(2,)), r"\(value 1\) reads \(2,\); a value reads earlier ones only"),
        (changed(2, input=2), "reads earlier ones only"),
        (changed(1, matrices=(np.ones((2, 3)),)), r"matrices of shape \[\(2, 3\)\] where \[\(2, 2\)\] belong"),
        (changed(1, matrices=(np.array([[1.0, np.nan], [0.0, 1.0]]),)), "not a finite number"),
        (changed(1, bias=np.array([np.inf, 0.0])), "not a finite number"),
        (changed(2, size=3), "3 units, 2 of them have a place"),
        (changed(3, members=np.array([0, 5])), "members up to 5 of 2 units"),
        (changed(3, starts=np.array([0, 1])), r"groups that begin at \[0, 1\] of 2 members"),
        (replace(good(), inputs={"x": 1}), r"inputs name values \[1\], inputs are \[0\]"),
        (replace(good(), outputs={"y": 9}), "output 'y' is value 9 of 4"),
    ],
)
def test_what_is_wrong_is_named(form: NormalForm, message: str) -> None:
    with pytest.raises(InvalidNetwork, match=message):
        validate(form)


def test_a_pass_that_leaves_nonsense_is_named() -> None:
    def careless_pass(form: NormalForm) -> None:
        out = Rewriter(form)
        for i, value in enumerate(form.values):
            out.new[i] = out.add(replace(value, bias=value.bias * np.inf) if hasattr(value, "bias") else value, i)
        with np.errstate(invalid="ignore"):
            out.finish()

    drop_dead(good())
    with (
        np.errstate(invalid="ignore"),
        pytest.raises(AssertionError, match="the pass careless_pass leaves a form that is none"),
    ):
        careless_pass(good())
