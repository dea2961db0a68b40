"""Is the graph the function that onnxruntime computes? Checked through the graph and through its normal form."""

from __future__ import annotations

import numpy as np
import onnx

from relu2mip.errors import CapabilityMissing
from relu2mip.frontends.onnx import Replay, load_onnx
from relu2mip.ir import Graph
from relu2mip.ir.lower import lower

SAMPLES = 4

SINGLE = {"Shrink"}
"""Operators whose float64 kernels compute in float32."""


def samples(graph: Graph, seed: int = 0, scale: float = 1.0) -> dict[str, np.ndarray]:
    """Random inputs, a sample of zeros (the kink of most networks), and one of small integers."""
    rng = np.random.default_rng(seed)
    inputs = {}
    for port in graph.inputs:
        x = rng.normal(scale=scale, size=(SAMPLES, port.size))
        x[0] = 0.0
        x[1] = rng.integers(-2, 3, size=port.size)
        inputs[port.name] = x
    return inputs


def replayed(graph: Graph, inputs: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], float]:
    """What onnxruntime computes, in float64 where it can, and the relative error to expect of it."""
    single = SINGLE & {node.op_type for node in onnx.load_from_string(graph.source.model).graph.node}
    try:
        return Replay(graph.source, double=True).run(inputs), 2e-5 if single else 1e-9
    except CapabilityMissing:
        return Replay(graph.source).run(inputs), 2e-5


def agrees(model: onnx.ModelProto, shapes: dict[str, tuple[int, ...]] | None = None, scale: float = 1.0) -> Graph:
    """The graph of a model, after comparing all its outputs with onnxruntime's."""
    graph = load_onnx(model, shapes)
    inputs = samples(graph, scale=scale)
    reference, tolerance = replayed(graph, inputs)
    original = Replay(graph.source).run(inputs)
    values = graph.evaluate(**inputs)
    lowered = lower(graph).evaluate(inputs)
    assert set(values) == set(reference) == set(lowered)
    for port in graph.outputs:
        assert values[port.name].shape == (SAMPLES, *port.shape)
        value = values[port.name].reshape(SAMPLES, -1)
        size = 1.0 + np.abs(reference[port.name]).max(initial=0.0)
        np.testing.assert_allclose(value, reference[port.name], rtol=tolerance, atol=tolerance * size)
        np.testing.assert_allclose(value, original[port.name], rtol=2e-5, atol=2e-5 * size)
        np.testing.assert_allclose(lowered[port.name], value, rtol=1e-12, atol=1e-12 * size)
    return graph
