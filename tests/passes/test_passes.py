"""Passes change neither the function nor, where they leave a unit, its value."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relu2mip.bounds import Bounds
from relu2mip.bounds.ibp import propagate
from relu2mip.normal_form import Affine, FormBuilder, NormalForm, Relu
from relu2mip.passes import Rewrite, drop_dead, drop_stable, fuse_affine, merge_duplicates, simplify
from tests.forms import domain, forms, points


def ibp(form: NormalForm) -> Bounds:
    bounds = Bounds.of(form, domain(form))
    lower, upper = propagate(form, list(bounds.lower), list(bounds.upper))
    return Bounds(form, tuple(lower), tuple(upper))


def stable_gone(form: NormalForm) -> Rewrite:
    bounds = ibp(form)
    return drop_stable(form, bounds.lower, bounds.upper)


PASSES: dict[str, Callable[[NormalForm], Rewrite]] = {
    "fuse_affine": fuse_affine,
    "drop_dead": drop_dead,
    "merge_duplicates": merge_duplicates,
    "simplify": simplify,
    "drop_stable": stable_gone,
    "whole pipeline": lambda form: simplify(form).then(stable_gone).then(fuse_affine).then(drop_dead),
}


@pytest.mark.parametrize("name", PASSES)
@given(form=forms(), seed=st.integers(0, 1000))
def test_every_value_that_is_left_equals_the_old_one(name: str, form: NormalForm, seed: int) -> None:
    rewrite = PASSES[name](form)
    inputs = points(form, seed=seed)
    old = form.evaluate_all(inputs)
    new = rewrite.form.evaluate_all({k: inputs[k] for k in rewrite.form.inputs})
    assert len(rewrite.origin) == len(rewrite.form.values)
    for value, (i, units) in zip(new, rewrite.origin, strict=True):
        expected = old[i] if units is None else old[i][:, units]
        np.testing.assert_allclose(np.broadcast_to(value, expected.shape), expected, rtol=1e-12, atol=1e-9)
    for output in form.outputs:
        left = new[rewrite.form.outputs[output]]
        np.testing.assert_allclose(left, old[form.outputs[output]], rtol=1e-12, atol=1e-9)


@given(form=forms())
def test_the_pipeline_leaves_only_unstable_units_that_something_reads(form: NormalForm) -> None:
    rewrite = PASSES["whole pipeline"](form)
    bounds = ibp(simplify(form).form).select(stable_gone(simplify(form).form))
    for value in bounds.form.values:
        if isinstance(value, Relu):
            assert (bounds.lower[value.input] < 0).all()
            assert (bounds.upper[value.input] > 0).all()
    ends = {*rewrite.form.outputs.values(), *rewrite.form.inputs.values()}
    for i, value in enumerate(rewrite.form.values):
        assert rewrite.form.readers[i] or i in ends or (isinstance(value, Affine) and value.kept)


def _masked(relu: list[float], identity: list[float]) -> NormalForm:
    """y = relu(z) m1 + z m2 with z = A x, then a dense layer: what a sparsified network's file says."""
    form = FormBuilder()
    x = form.input("x", 3)
    z = form.affine((x,), (np.arange(1.0, 1.0 + 3 * len(relu)).reshape(-1, 3) % 5 - 2,), np.ones(len(relu)))
    y = form.affine((form.relu(z), z), (np.diag(relu), np.diag(identity)))
    h = form.relu(form.affine((y,), (np.ones((2, len(relu))) + np.eye(2, len(relu)),), np.zeros(2)))
    return form.build({"y": form.affine((h,), (np.array([[1.0, 2.0]]),))})


def test_masks_leave_the_surviving_relus_only() -> None:
    form = _masked([1, 0, 0, 1, 0], [0, 1, 0, 0, 1])
    rewrite = simplify(form)
    assert [v.size for v in rewrite.form.values if isinstance(v, Relu)] == [2, 2]
    first = next(v for v in rewrite.form.values if isinstance(v, Relu))
    assert first.place.name(1) == "layer1.relu[3]"
    inputs = points(form)
    np.testing.assert_allclose(rewrite.form.evaluate(inputs)["y"], form.evaluate(inputs)["y"])


def test_parallel_units_need_one_relu() -> None:
    form = FormBuilder()
    x = form.input("x", 2)
    z = form.affine(
        (x,), (np.array([[1.0, 2.0], [2.0, 4.0], [1.0, 2.0], [-1.0, -2.0]]),), np.array([1.0, 2.0, 1.0, -1.0])
    )
    net = form.build({"y": form.affine((form.relu(z),), (np.eye(4),))})
    assert simplify(net).form.relu_units == 2
    inputs = points(net)
    np.testing.assert_allclose(simplify(net).form.evaluate(inputs)["y"], net.evaluate(inputs)["y"])


def test_fusing_stops_where_it_would_fill_the_matrix() -> None:
    form = FormBuilder()
    x = form.input("x", 20)
    narrow = form.affine((x,), (np.ones((2, 20)),))
    net = form.build({"y": form.affine((narrow,), (np.ones((20, 2)),))})
    assert fuse_affine(net).form.nonzeros <= net.nonzeros
    assert any(value.nonzeros == 40 for value in fuse_affine(net).form.values if isinstance(value, Affine))


def test_kept_values_are_not_substituted() -> None:
    form = FormBuilder()
    x = form.input("x", 2)
    state = form.affine((x,), (np.eye(2),), kept=True)
    net = form.build({"y": form.affine((state,), (np.eye(2),))})
    fused = drop_dead(fuse_affine(net).form).form
    assert [value.kept for value in fused.values if isinstance(value, Affine)] == [True, False]
