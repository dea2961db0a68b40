"""From a path, bytes or a model in memory to a complete model: external data inside, operator set known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, EncodeError  # type: ignore[import-untyped]
from onnx import GraphProto, ModelProto, NodeProto, TensorProto
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from relu2mip.errors import InvalidNetwork

OLDEST = 7
"""The first operator set with today's broadcasting; files before it are refused."""


@dataclass(frozen=True)
class NetworkFile:
    """A model that was read: `label` names it in errors, `name` is the graph's, `data` holds all weights."""

    label: str
    name: str
    model: ModelProto
    data: bytes
    opset: int

    def with_model(self, model: ModelProto) -> NetworkFile:
        """The same file with another model in it."""
        return NetworkFile(self.label, self.name, model, _serialise(model, self.label), self.opset)

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes."""
        return hashlib.sha256(self.data).hexdigest()


def read(source: str | Path | bytes | ModelProto) -> NetworkFile:
    """Read and check a model.

    Raises `InvalidNetwork` where the file is missing, not ONNX, truncated, lacks its external data, or states
    an operator set that is too old, too new or missing.
    """
    if isinstance(source, (str, Path)):
        label, name, folder = str(source), Path(source).stem, Path(source).parent
        try:
            data = Path(source).read_bytes()
        except (OSError, ValueError) as error:  # ValueError: a name with a null character
            why = error.strerror if isinstance(error, OSError) else error
            raise InvalidNetwork(f"{shortened(label)}: cannot be read: {why}") from error
        model = _parse(data, label)
    else:
        label, name, folder = "<ONNX model>", "", None
        model = ModelProto() if isinstance(source, bytes) else source
        data = source if isinstance(source, bytes) else _serialise(source, label)
        model = _parse(data, label)
    _check_text(model.graph, label)
    external = [tensor for tensor in _tensors(model) if uses_external_data(tensor)]
    for tensor in external:
        _load(tensor, folder, label)
    if external:
        data = _serialise(model, label)
    opset = _operator_set(model, label)
    if model.functions:
        model = _inlined(model, label)
    return NetworkFile(label, name or model.graph.name or "network", model, data, opset)


def _parse(data: bytes, label: str) -> ModelProto:
    model = ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError as error:
        raise InvalidNetwork(f"{label}: is not an ONNX file, or is truncated; export the network again") from error
    if not model.ir_version or not model.graph.output:
        what = "is empty" if not data else "is not an ONNX file, or is truncated (no graph with outputs in it)"
        raise InvalidNetwork(f"{label}: {what}; export the network again")
    return model


def _check_text(graph: GraphProto, label: str) -> None:
    """Damaged text comes out of the parser as bytes."""
    values = (*graph.input, *graph.output, *graph.value_info)
    texts = [value.name for value in (*values, *graph.initializer)]
    texts += [size.dim_param for value in values for size in value.type.tensor_type.shape.dim]
    for node in graph.node:
        texts += [node.op_type, node.domain, node.name, *node.input, *node.output]
        for attribute in node.attribute:
            texts.append(attribute.name)
            if attribute.HasField("g"):
                _check_text(attribute.g, label)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidNetwork(f"{label}: has names that are no text; the file is damaged, export the network again")


def _serialise(model: ModelProto, label: str) -> bytes:
    try:
        return bytes(model.SerializeToString(deterministic=True))
    except (EncodeError, ValueError) as error:
        raise InvalidNetwork(f"{label}: cannot be held in one piece ({error}); 2 GiB is the limit") from error


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(list(function.node))


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _node_tensors(list(graph.node))


def _node_tensors(nodes: list[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for graph in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
                yield from _graph_tensors(graph)


def _load(tensor: TensorProto, folder: Path | None, label: str) -> None:
    where = next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
    if folder is None:
        raise InvalidNetwork(f"{label}: tensor {tensor.name!r} is in the file {where!r}; give the path of the model")
    try:
        load_external_data_for_tensor(tensor, str(folder))
    except (OSError, ValueError, TypeError, RuntimeError, onnx.checker.ValidationError) as error:
        raise InvalidNetwork(
            f"{label}: tensor {shortened(tensor.name)!r} should be in the file {shortened(where)!r} beside it, which "
            f"is missing or damaged ({shortened(str(error))}); put it there, or export with external_data=False"
        ) from error
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def shortened(text: str, length: int = 300) -> str:
    """A text of a damaged file, fit for a message."""
    return text if len(text) <= length else f"{text[:length]}..."


def _operator_set(model: ModelProto, label: str) -> int:
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    newest = onnx.defs.onnx_opset_version()
    if not opset:
        raise InvalidNetwork(f"{label}: states no ONNX operator set, or is truncated; export the network again")
    if opset < OLDEST:
        remedy = "convert it with onnx.version_converter.convert_version"
        raise InvalidNetwork(f"{label}: operator set {opset} is older than {OLDEST}; {remedy}")
    if opset > newest:
        remedy = f"upgrade onnx (installed: {onnx.__version__}), or export with an older operator set"
        raise InvalidNetwork(f"{label}: operator set {opset} is newer than {newest}; {remedy}")
    return opset


def _inlined(model: ModelProto, label: str) -> ModelProto:
    from onnx.inliner import inline_local_functions

    try:
        return inline_local_functions(model, convert_version=True)
    except Exception as error:  # raised from C++ without a common type
        raise InvalidNetwork(f"{label}: its functions cannot be inlined: {error}") from error
