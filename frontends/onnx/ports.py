"""Shapes of inputs and outputs: what the file says, what the caller adds, and where the batch axis is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import GraphProto, TensorProto, ValueInfoProto

from relu2mip.errors import InvalidNetwork, UnknownOption
from relu2mip.ir import Port

FLOATS = (TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT, TensorProto.DOUBLE)


@dataclass(frozen=True)
class InputPort:
    """An input: its shape in the file with the batch axis set to 1, and whether it has one."""

    name: str
    shape: tuple[int, ...]
    batched: bool

    @property
    def port(self) -> Port:
        """The input as the graph shows it."""
        return Port(self.name, self.shape[1:] if self.batched else self.shape)


def dimensions(value: ValueInfoProto) -> tuple[int | None, ...] | None:
    """The declared shape, None where a size is symbolic; None where no shape is declared."""
    if not value.type.tensor_type.HasField("shape"):
        return None
    return tuple(d.dim_value if d.dim_value > 0 else None for d in value.type.tensor_type.shape.dim)


def read_inputs(graph: GraphProto, shapes: Mapping[str, tuple[int, ...]]) -> list[InputPort]:
    """The inputs of a graph that are not initializers.

    An axis in front that is symbolic, or of length 1 with others behind it, is the batch axis. Raises
    `InvalidNetwork` where another size is symbolic and `shapes` does not give it.
    """
    constant = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constant]
    for name in shapes:
        if name not in {value.name for value in inputs}:
            raise UnknownOption("input in shapes", name, [value.name for value in inputs])
    return [_read_input(value, shapes.get(value.name)) for value in inputs]


def _read_input(value: ValueInfoProto, given: tuple[int, ...] | None) -> InputPort:
    declared = dimensions(value)
    shape = _from_file(value.name, declared) if given is None else _from_caller(value.name, declared, given)
    symbolic = declared is not None and declared[:1] == (None,) and shape[0] == 1
    return InputPort(value.name, shape, symbolic or (len(shape) >= 2 and shape[0] == 1))


def _from_file(name: str, declared: tuple[int | None, ...] | None) -> tuple[int, ...]:
    if declared is None:
        raise InvalidNetwork(f"input {name!r} has no shape; pass shapes={{{name!r}: (1, ...)}}")
    if None in declared[1:]:
        hint = ", ".join("?" if k and size is None else str(size or 1) for k, size in enumerate(declared))
        raise InvalidNetwork(
            f"input {name!r} has symbolic sizes besides the batch axis; pass shapes={{{name!r}: ({hint})}}"
        )
    return tuple(size or 1 for size in declared)


def _from_caller(name: str, declared: tuple[int | None, ...] | None, given: tuple[int, ...]) -> tuple[int, ...]:
    if declared is None:
        declared = (None,) * len(given)
    fits = len(declared) == len(given) and all(a in (None, b) for a, b in zip(declared, given, strict=True))
    if not fits or any(size < 1 for size in given):
        said = tuple("?" if size is None else size for size in declared)
        raise InvalidNetwork(f"input {name!r} has shape {said} in the file, but shapes gives {given}")
    return given


def output_port(name: str, shape: tuple[int, ...], batched: bool) -> Port:
    """An output as the graph shows it: without an axis of length 1 in front where an input has a batch axis."""
    return Port(name, shape[1:] if batched and shape[:1] == (1,) else shape)


def is_float_tensor(value: ValueInfoProto) -> bool:
    """Whether a declared input is a tensor of floating-point numbers."""
    return value.type.HasField("tensor_type") and value.type.tensor_type.elem_type in FLOATS


def contradiction(value: ValueInfoProto, shape: tuple[int, ...]) -> str:
    """Where the file declares another shape than the one computed; empty where they agree."""
    declared = dimensions(value)
    if declared is None:
        return ""
    if len(declared) != len(shape) or any(a not in (None, b) for a, b in zip(declared, shape, strict=True)):
        said = tuple("?" if size is None else size for size in declared)
        return f"tensor {value.name!r} has shape {shape}, but the file declares {said}"
    return ""
