"""Random networks of all operators against onnxruntime."""

import onnx
from hypothesis import given, settings

from relu2mip.ir.lower import lower
from tests.frontends.networks import networks
from tests.frontends.oracle import agrees


@settings(max_examples=200)
@given(networks())
def test_random_networks_agree_with_onnxruntime(model: onnx.ModelProto):
    agrees(model)


@settings(max_examples=50)
@given(networks(max_units=4, inputs=1))
def test_the_number_of_units_is_limited(model: onnx.ModelProto):
    form = lower(agrees(model))
    assert form.relu_units + form.max_units <= 4
