"""The driver: reads the nodes of a file in order and builds the graph; collects everything it must refuse."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto
from onnx.defs import OpSchema

from relu2mip.accept import mapping, several, whole
from relu2mip.errors import InvalidNetwork, Refusal, UnknownOption, UnsupportedNetwork
from relu2mip.frontends.onnx.batch import fixed_batch, free_batch
from relu2mip.frontends.onnx.call import CONDITION, Call, RefusedError, label, schema
from relu2mip.frontends.onnx.constants import fold
from relu2mip.frontends.onnx.emit import Emitter, NonFiniteError
from relu2mip.frontends.onnx.order import needed_nodes
from relu2mip.frontends.onnx.ports import InputPort, contradiction, is_float_tensor, output_port, read_inputs
from relu2mip.frontends.onnx.reader import NetworkFile, read
from relu2mip.frontends.onnx.refusals import BROADCASTS, KEEPS_SHAPE, refuse_operator
from relu2mip.frontends.onnx.registry import find
from relu2mip.frontends.onnx.scope import Initializers, Scope
from relu2mip.frontends.onnx.values import Condition, Tensor, TensorSequence, Variable, is_float, listed, varies
from relu2mip.ir import Graph, Source


def load_onnx(source: str | Path | bytes | ModelProto, shapes: Mapping[str, tuple[int, ...]] | None = None) -> Graph:
    """Read an ONNX file (or its bytes, or a model in memory) into a graph, in float64.

    A symbolic batch axis counts as 1: the graph is the function of one sample. `shapes` gives full shapes,
    batch axis included, of inputs whose other sizes are symbolic; with 1 in front, a batch axis of fixed length
    becomes one sample, if the network treats the rows of a batch alike.

    Raises `InvalidNetwork` where the file is no sound ONNX model, `UnsupportedNetwork` where it has nodes that
    are not piecewise linear or not known (it lists all of them, each with the reason and the remedy),
    and `UnknownOption` where `shapes` names an input that is not there.

        >>> from onnx import parser
        >>> head = '<ir_version: 9, opset_import: ["" : 19]> net (float[N, 2] x) => (float[N, 2] y)'
        >>> print(load_onnx(parser.parse_model(head + "{ y = Relu(x) }")))
        graph "net"
          input  x : 2
          y = relu(x) : 1x2    # Relu "y"
          output y : 2
    """
    file = read(source)
    given = _shapes(shapes)
    try:
        if batch := fixed_batch(file.model, given):
            rows = {name: (batch, *shape[1:]) if shape[:1] == (1,) else shape for name, shape in given.items()}
            file = file.with_model(free_batch(file.model, batch, _Conversion(file, rows).run()))
        return _Conversion(file, given).run()
    except (UnsupportedNetwork, UnknownOption):
        raise
    except InvalidNetwork as error:
        raise InvalidNetwork(f"{file.label}: {error}") from error
    except MemoryError as error:
        raise InvalidNetwork(f"{file.label}: does not fit into memory; check the sizes of its inputs") from error


def _shapes(given: Mapping[str, tuple[int, ...]] | None) -> dict[str, tuple[int, ...]]:
    """Shapes as a caller gives them, checked."""
    sizes = several(whole(0), (int, np.integer))
    return {name: sizes(shape, f"shapes[{name!r}]") for name, shape in mapping(given or {}, "shapes").items()}


class _Conversion:
    def __init__(self, file: NetworkFile, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.file = file
        self.shapes = shapes
        self.emitter = Emitter()
        self.refusals: list[Refusal] = []
        self.uses: Counter[str] = Counter()
        self.warned = False

    def run(self) -> Graph:
        graph = self.file.model.graph
        inputs = read_inputs(graph, self.shapes)
        scope = Scope(Initializers(graph))
        self._add_inputs(graph, inputs, scope)
        results = self._convert(graph, scope)
        for value, x in zip(graph.output, results, strict=True):
            if isinstance(x, Condition):
                self.refusals.append(Refusal(value.name, "output", CONDITION, "Use Max, Min or Clip"))
        if self.refusals:
            raise UnsupportedNetwork(self.file.label, self.refusals)
        return self._finish(graph, inputs, [(value.name, x) for value, x in zip(graph.output, results, strict=True)])

    def _add_inputs(self, graph: GraphProto, inputs: Sequence[InputPort], scope: Scope) -> None:
        declared = {value.name: value for value in graph.input}
        for port in inputs:
            if not is_float_tensor(declared[port.name]):
                reason, remedy = (
                    "inputs must be tensors of floating-point numbers",
                    "Make it constant, or cast before",
                )
                self.refusals.append(Refusal(port.name, "input", reason, remedy))
            scope[port.name] = self.emitter.input(port.name, port.shape)

    def _finish(
        self, graph: GraphProto, inputs: Sequence[InputPort], results: Sequence[tuple[str, Tensor | None]]
    ) -> Graph:
        file, batched = self.file, any(port.batched for port in inputs)
        found = [(name, value) for name, value in results if isinstance(value, Variable | np.ndarray)]
        for name, value in results:
            if isinstance(value, TensorSequence):
                raise InvalidNetwork(f"output {name!r} is a sequence; export its tensors as outputs of their own")
        for name, value in found:
            if not isinstance(value, Variable) and not (is_float(value) and np.isfinite(value).all()):
                raise InvalidNetwork(f"output {name!r} is a constant that is not a finite number")
        outputs = tuple(output_port(name, value.shape, batched) for name, value in found)
        ports = tuple(port.port for port in inputs)
        nodes = self.emitter.finish(ports, found)
        metadata = {entry.key: entry.value for entry in file.model.metadata_props}
        path = "" if file.label.startswith("<") else file.label
        source = Source(path, file.data, file.digest, dict(self.shapes), metadata)
        return Graph(file.name, ports, outputs, nodes, source)

    def _convert(self, graph: GraphProto, scope: Scope) -> list[Tensor | None]:
        """Convert what the outputs of a graph need; their values."""
        nodes, uses = needed_nodes(graph)
        self.uses.update(uses)
        for node in graph.node:  # also where nothing reads it: onnxruntime may die of such a node
            _check_inputs(node, self.file.opset)
        declared = {value.name: value for value in (*graph.value_info, *graph.output)}
        for node in nodes:
            values = self._node(node, scope)
            for name, value in zip(node.output, values, strict=False):
                if not name:
                    continue
                if name in scope.maps[0]:
                    raise InvalidNetwork(f"tensor {name!r} is computed and given besides; export the network again")
                if name in declared and isinstance(value, Variable | np.ndarray):
                    self._compare(declared[name], value.shape)
                scope[name] = self._seen(name, value)
        missing = [value.name for value in graph.output if value.name not in scope]
        if missing:
            raise InvalidNetwork(f"output {missing[0]!r} is computed by no node, or the file is truncated")
        return [scope[value.name] for value in graph.output]

    def _seen(self, name: str, value: Tensor | None) -> Tensor | None:
        if isinstance(value, TensorSequence):
            return TensorSequence(tuple(replace(x, shared=True) if isinstance(x, Variable) else x for x in value.items))
        if isinstance(value, Condition):
            return Condition(replace(value.above, shared=True))
        if isinstance(value, Variable):
            if value.size == 0:  # an empty tensor is a constant
                return np.zeros(value.shape)
            if self.uses[name] > 1:
                return Variable(value.node, value.shape, shared=True)
        return value

    def _compare(self, declared: ValueInfoProto, shape: tuple[int, ...]) -> None:
        """Warn, once for a file, of a declared shape that is not the computed one: exporters leave such behind."""
        if not self.warned and (said := contradiction(declared, shape)):
            self.warned = True
            warnings.warn(f"{self.file.label}: {said}; the computed shapes are taken", stacklevel=2)

    def _node(self, node: NodeProto, scope: Scope) -> Sequence[Tensor | None]:
        """The outputs of a node; None where it, or what it reads, is refused."""
        for name in node.input:
            if name and name not in scope:
                raise InvalidNetwork(
                    f"{node.op_type} {label(node)!r} reads {name!r}, which no node before it computes; "
                    "the file is damaged or its nodes are out of order, export it again"
                )
        try:
            return self._outputs(node, scope)
        except RefusedError as refused:
            self.refusals.append(refused.refusal)
            results: list[Tensor | None] = [None] * len(node.output)
            shape = _shape_kept(node, [scope[name] if name else None for name in node.input])
            if results and shape is not None:
                results[0] = self.emitter.input("", shape)  # stands in, to read on
            return results
        except NonFiniteError as error:
            name = next((n for n in node.input if n and _is_infinite(scope[n])), None)
            what = f"its constant {name!r} holds NaN or infinity" if name else "its constants overflow"
            raise InvalidNetwork(
                f"{node.op_type} {label(node)!r}: {what}; train or export the network again"
            ) from error
        except (InvalidNetwork, ValueError, IndexError, OverflowError, MemoryError) as error:  # numpy's words
            raise InvalidNetwork(f"{node.op_type} {label(node)!r}: {error}") from error

    def _outputs(self, node: NodeProto, scope: Scope) -> Sequence[Tensor | None]:
        arguments = [scope[name] if name else None for name in node.input]
        unknown = any(name and value is None for name, value in zip(node.input, arguments, strict=True))
        opset = self.file.opset
        _check_operator(node, opset)
        converter = find(node.op_type, opset)
        call = Call(
            node,
            opset,
            arguments,
            self.emitter,
            used=lambda name: self.uses[name] > 0,
            inline=lambda branch: self._inline(branch, scope),
            outer=scope.get,
        )
        constant = not unknown and not any(varies(value) for value in arguments)
        if constant and (converter is None or not converter.on_constants):
            return fold(call, converter)
        if converter is None:
            refuse_operator(call)
        if unknown:
            return [None] * len(node.output)
        start = len(self.emitter.pending)
        converted = converter.function(call)
        call.check_read()
        values = listed(converted)
        for k in range(len(values), len(node.output)):
            if call.output_used(k):
                call.refuse(f"its output {k} ({node.output[k]!r}) is not supported", "Do not use it")
        pairs = zip(node.output, values, strict=False)
        results = ((name, x.above if isinstance(x, Condition) else x) for name, x in pairs)
        named = [(name, x) for name, x in results if name and isinstance(x, Variable | np.ndarray)]
        self.emitter.name_since(start, named, label(node))
        return values

    def _inline(self, branch: GraphProto, scope: Scope) -> list[Tensor | None]:
        return self._convert(branch, Scope(Initializers(branch), *scope.maps))


def _shape_kept(node: NodeProto, inputs: Sequence[Tensor | None]) -> tuple[int, ...] | None:
    """The shape of the first output of a refused node, where its operator and inputs tell it."""
    values = [x for x in inputs if isinstance(x, Variable | np.ndarray)]
    if node.op_type in BROADCASTS and values and len(values) == len(inputs):
        try:
            return np.broadcast_shapes(*(x.shape for x in values))
        except ValueError:
            return None
    first = inputs[0] if inputs else None
    return first.shape if node.op_type in KEEPS_SHAPE and isinstance(first, Variable) else None


def _is_infinite(value: Tensor | None) -> bool:
    return isinstance(value, np.ndarray) and is_float(value) and not np.isfinite(value).all()


def _check_inputs(node: NodeProto, opset: int) -> None:
    """Every input is there that the operator's definition does not call optional."""
    definition = schema(node.op_type, opset) if node.domain in ("", "ai.onnx") else None
    if definition is None or not definition.inputs:
        return
    for k, name in enumerate(node.input):
        if (
            not name
            and definition.inputs[min(k, len(definition.inputs) - 1)].option != OpSchema.FormalParameterOption.Optional
        ):
            raise InvalidNetwork(f"{node.op_type} {label(node)!r}: input {k} is missing; export the network again")


def _check_operator(node: NodeProto, opset: int) -> None:
    """Refuse operators that are not ONNX's own, or not in the file's operator set."""
    if node.domain not in ("", "ai.onnx"):
        reason = f"operators of domain {node.domain!r} are not supported"
        remedy = "Export with ONNX operators only (no fused or vendor operators)"
    elif schema(node.op_type, opset) is None:
        reason = f"operator set {opset} has no such operator"
        remedy = "Export again, with the operator set that has it"
    else:
        return
    raise RefusedError(Refusal(label(node), node.op_type, reason, remedy))
