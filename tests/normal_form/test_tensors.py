"""A form in torch evaluates and differentiates as in numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relu2mip.errors import Relu2MipError
from relu2mip.normal_form import FormBuilder, NormalForm
from tests.forms import forms, points

torch = pytest.importorskip("torch")
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no cuda"))]


@pytest.mark.parametrize("device", DEVICES)
@given(form=forms(max_values=12), seed=st.integers(0, 1000))
def test_values_and_gradients_are_those_of_numpy(device: str, form: NormalForm, seed: int) -> None:
    from relu2mip.normal_form.tensors import TensorForm

    there, inputs = TensorForm.of(form, device), points(form, 16, seed)
    for here, found in zip(form.evaluate_all(inputs), there.evaluate_all(inputs), strict=True):
        np.testing.assert_allclose(found, np.broadcast_to(here, found.shape), rtol=1e-12, atol=1e-12)
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(size=(16, form.values[i].size)) for name, i in form.outputs.items()}
    expected, found = form.vjp(inputs, weights), there.vjp(inputs, weights)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        np.testing.assert_allclose(found[name], gradient, rtol=1e-12, atol=1e-12)


def test_shared_matrices_are_on_the_device_once() -> None:
    from relu2mip.normal_form.tensors import TensorForm

    form, matrix = FormBuilder(), np.ones((2, 2))
    x = form.input("x", 2)
    for _ in range(5):
        x = form.relu(form.affine((x,), (matrix,), np.zeros(2)))
    there = TensorForm.of(form.build({"y": x}))
    there.evaluate({"x": np.ones((1, 2))})
    shapes = [tuple(tensor.shape) for _, tensor in there.engine._held.values()]  # type: ignore[attr-defined]
    assert shapes.count((2, 2)) == 1


def test_a_missing_device_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from relu2mip.normal_form.tensors import TensorForm

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    form = FormBuilder()
    with pytest.raises(Relu2MipError, match='device="cpu" or "auto"'):
        TensorForm.of(form.build({"y": form.input("x", 2)}), "cuda")
