"""The normal form evaluates, differentiates and prints."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from relu2mip.normal_form import FormBuilder, NormalForm
from tests.forms import forms, points


@given(form=forms(), seed=st.integers(0, 1000))
def test_vjp_is_the_gradient_where_there_is_one(form: NormalForm, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = {k: v + rng.normal(size=v.shape) * 1e-2 for k, v in points(form, 8, seed).items()}
    weights = {name: rng.normal(size=(8, form.values[i].size)) for name, i in form.outputs.items()}
    gradients = form.vjp(inputs, weights)

    def total(at: dict[str, np.ndarray]) -> np.ndarray:
        outputs = form.evaluate(at)
        return sum((np.broadcast_to(outputs[k], w.shape) * w).sum(axis=1) for k, w in weights.items())

    for name, x in inputs.items():
        direction = rng.normal(size=x.shape)
        step = 1e-6
        ahead, behind = ({**inputs, name: x + s * step * direction} for s in (1, -1))
        middle = total(inputs)
        forward, backward = (total(ahead) - middle) / step, (middle - total(behind)) / step
        smooth = np.abs(forward - backward) < 1e-4 * (1 + np.abs(forward))
        expected = (gradients[name] * direction).sum(axis=1)
        np.testing.assert_allclose(expected[smooth], forward[smooth], rtol=1e-3, atol=1e-3)


def test_text_form() -> None:
    form = FormBuilder()
    x = form.input("x", 2)
    h = form.relu(form.affine((x,), (np.array([[1.0, 0.0], [1.0, 1.0]]),)))
    m = form.max(h, np.array([0, 1]), np.array([0, 2]))
    assert str(form.build({"y": m})).splitlines() == [
        "normal form",
        "  %0 = input() : 2    # x",
        "  %1 = affine(%0) : 2    # layer1.affine, 3 nonzeros",
        "  %2 = relu(%1) : 2    # layer1.relu",
        "  %3 = max(%2) : 1    # layer2.max",
        "  output y = %3",
    ]
