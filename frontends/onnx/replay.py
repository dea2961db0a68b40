"""The original file run through onnxruntime: as it is, or with all its numbers in float64.

    replay = Replay(graph.source)
    replay.run({"x": batch})          # {output name: (B, size) in float64}

A network without a symbolic batch axis, or one that mixes the samples of a batch, is run sample by sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from onnx import ModelProto

from relu2mip.arrays import Array
from relu2mip.errors import CapabilityMissing, InvalidProblem
from relu2mip.ir import Source

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}

MIXING = 1e-3
"""Relative difference between a sample run alone and in its batch above which the network mixes samples."""


class Replay:
    """Runs the model of a `Source`; `double`: with every float tensor converted to float64.

    Raises `CapabilityMissing` where onnxruntime cannot run it: it may lack a float64 kernel for an operator.
    """

    def __init__(self, source: Source, double: bool = False) -> None:
        self.source = source
        self.double = double
        self._session = _session(source, double)
        self.inputs = tuple(value.name for value in self._session.get_inputs())
        self.outputs = tuple(value.name for value in self._session.get_outputs())
        self._mixes: bool | None = None

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs, (B, size) each, for all inputs, (B, size) each."""
        if set(inputs) != set(self.inputs) or len({len(x) for x in inputs.values()}) > 1:
            raise InvalidProblem(f"give each of the inputs {list(self.inputs)} once, in batches of one length")
        batch = len(next(iter(inputs.values()), np.zeros((1, 0))))
        if batch == 0:
            one = self.run({name: np.zeros((1, x.shape[1])) for name, x in inputs.items()})
            return {name: x[:0] for name, x in one.items()}
        together = self._together(inputs, batch) if batch > 1 and self._batched else None
        if together is not None:
            return {name: x.reshape(batch, -1) for name, x in together.items()}
        singles = [self._call(_sample(inputs, k), 1) for k in range(batch)]
        return {name: np.stack([single[name].ravel() for single in singles]) for name in self.outputs}

    @cached_property
    def _batched(self) -> bool:
        """Whether every input has a symbolic axis in front that the caller has not fixed to another size."""
        return bool(self.inputs) and all(
            not isinstance(value.shape[0], int) and self.source.shapes.get(value.name, (1,))[0] == 1
            if value.shape
            else False
            for value in self._session.get_inputs()
        )

    def _together(self, inputs: Mapping[str, Array], batch: int) -> dict[str, Array] | None:
        """The whole batch in one call; None where the network mixes samples or holds for one sample only."""
        if self._mixes:
            return None
        try:
            results = self._call(inputs, batch)
        except CapabilityMissing:
            self._mixes = True
            return None
        if self._mixes is None:
            self._mixes = not all(self._separate(inputs, results, k, batch) for k in (0, batch - 1))
        return None if self._mixes else results

    def _separate(self, inputs: Mapping[str, Array], results: Mapping[str, Array], k: int, batch: int) -> bool:
        """Whether a sample comes out of the batch as it does alone."""
        for name, alone in self._call(_sample(inputs, k), 1).items():
            together = results[name]
            if together.size != batch * alone.size or together.shape[:1] != (batch,):
                return False
            if not np.allclose(together[k].ravel(), alone.ravel(), rtol=MIXING, atol=MIXING):
                return False
        return True

    def _call(self, inputs: Mapping[str, Array], batch: int) -> dict[str, Array]:
        feeds: dict[str, Any] = {}
        for value in self._session.get_inputs():
            declared = self.source.shapes.get(value.name, value.shape)
            shape = [size if isinstance(size, int) else 1 for size in declared]
            if batch > 1:
                shape[0] = batch
            given = np.asarray(inputs[value.name], dtype=np.float64)
            if given.size != np.prod(shape):
                raise InvalidProblem(f"input {value.name!r} has {given.size} entries; it takes {tuple(shape)}")
            feeds[value.name] = given.reshape(shape).astype(_TYPES[value.type])
        try:
            results = self._session.run(None, feeds)
        except Exception as error:  # onnxruntime's errors share no type
            raise CapabilityMissing(f"onnxruntime cannot run {self.source.path or 'the model'}: {error}") from error
        return {name: np.asarray(x, dtype=np.float64) for name, x in zip(self.outputs, results, strict=True)}


def _sample(inputs: Mapping[str, Array], k: int) -> dict[str, Array]:
    return {name: x[k : k + 1] for name, x in inputs.items()}


def _session(source: Source, double: bool) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Its fusions change results: scale factors of float64 models in float32, quantised products.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Its fallback to the same provider prints on standard output.
    data = source.model
    if double:
        from relu2mip.frontends.onnx.double import in_double

        data = in_double(ModelProto.FromString(data)).SerializeToString()
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # onnxruntime's errors share no type
        which = "in float64" if double else "as it is"
        raise CapabilityMissing(
            f"onnxruntime {onnxruntime.__version__} cannot run {source.path or 'the model'} {which}: {error}"
        ) from error
    for value in session.get_inputs():
        if value.type not in _TYPES:
            raise CapabilityMissing(f"input {value.name!r} of type {value.type} cannot be passed to onnxruntime")
    return session
