"""One node of the file, as a converter sees it: inputs, attributes with defaults, ways to answer."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast

import numpy as np
import onnx
from onnx import NodeProto
from onnx.defs import OpSchema, SchemaError

from relu2mip.errors import InvalidNetwork, Refusal
from relu2mip.frontends.onnx.emit import Emitter
from relu2mip.frontends.onnx.values import Condition, Constant, Tensor, TensorSequence, Value, Variable
from relu2mip.ir import Op

CONDITION = "a condition on variables makes the network discontinuous, unless what it selects is equal at its border"


class RefusedError(Exception):
    """Raised by a converter for a node that cannot be compiled; the driver collects them."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(str(refusal))


@functools.cache
def schema(op: str, opset: int) -> OpSchema | None:
    """The operator's definition in an operator set; None where that set has no such operator."""
    try:
        found = onnx.defs.get_schema(op, opset, "")
    except SchemaError:
        return None
    return None if found.deprecated else found


class _Attribute:
    """One attribute, as an operator's definition has it."""

    def __init__(self, declared: OpSchema.Attribute) -> None:
        self.kind = int(cast(Any, declared.type).value)
        self.required = declared.required
        default = declared.default_value
        self.default = onnx.helper.get_attribute_value(default) if default.type else None


@functools.cache
def _declared_attributes(op: str, opset: int) -> dict[str, _Attribute]:
    definition = schema(op, opset)
    return {} if definition is None else {k: _Attribute(one) for k, one in definition.attributes.items()}


def label(node: NodeProto) -> str:
    """How errors call a node of the file: its name, or else the first tensor it computes."""
    return node.name or next((name for name in node.output if name), "")


@dataclass
class Call:
    """A node with its inputs resolved. Converters read everything through its methods."""

    node: NodeProto
    opset: int
    arguments: Sequence[Tensor | None]
    emitter: Emitter
    used: Callable[[str], bool] = lambda _: True
    inline: Callable[[onnx.GraphProto], list[Tensor | None]] | None = None
    outer: Callable[[str], Tensor | None] = lambda _: None
    _unread: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        known = _declared_attributes(self.op, self.opset)
        self._attributes: dict[str, Any] = {}
        for attribute in self.node.attribute:
            if attribute.name not in known:
                valid = ", ".join(sorted(known)) or "none"
                self.fail(f"operator set {self.opset} has no attribute {attribute.name!r}; it has: {valid}")
            if attribute.type != known[attribute.name].kind:
                self.fail(f"attribute {attribute.name!r} has the wrong type; export the network again")
            self._attributes[attribute.name] = onnx.helper.get_attribute_value(attribute)
        for name, declared in known.items():
            if declared.required and name not in self._attributes:
                self.fail(f"attribute {name!r} is missing; export the network again")
        self._unread = set(self._attributes) | {str(k) for k, x in enumerate(self.arguments) if x is not None}

    @property
    def op(self) -> str:
        """The operator."""
        return self.node.op_type

    @property
    def origin(self) -> str:
        """How the graph's nodes say where they came from."""
        return f'{self.op} "{label(self.node)}"'

    # inputs

    @property
    def count(self) -> int:
        """Number of inputs, absent optional ones in the middle included."""
        return len(self.arguments)

    def optional(self, position: int) -> Value | None:
        """The input at a position; None where the file leaves it out."""
        value = self.any(position)
        if isinstance(value, Condition):
            self.refuse(CONDITION, "Use Max, Min or Clip")
        if isinstance(value, TensorSequence):
            self.fail(f"input {position} is a sequence, not a tensor")
        return value

    def any(self, position: int) -> Tensor | None:
        """The input at a position, which may be a condition or a sequence; None where the file leaves it out."""
        self._unread.discard(str(position))
        return self.arguments[position] if position < len(self.arguments) else None

    def sequence(self, position: int) -> TensorSequence:
        """The input at a position, which must be a sequence."""
        value = self.any(position)
        if not isinstance(value, TensorSequence):
            self.fail(f"input {position} is no sequence")
        return value

    def value(self, position: int) -> Value:
        """The input at a position, which must be there."""
        value = self.optional(position)
        if value is None:
            self.fail(f"input {position} is missing; export the network again")
        return value

    def values(self) -> list[Value]:
        """All inputs, each of which must be there."""
        return [self.value(k) for k in range(self.count)]

    def variable(self, position: int = 0) -> Variable:
        """The input at a position, where a constant makes no sense."""
        value = self.value(position)
        if not isinstance(value, Variable):
            self.refuse(f"input {position} is constant while another is not", "Compute this part outside the network")
        return value

    def constant(self, position: int) -> Constant:
        """The input at a position, which must be constant."""
        value = self.value(position)
        if isinstance(value, Variable):
            self.refuse(
                f"input {position} ({self.node.input[position]!r}) depends on the network's inputs",
                "It must be a constant (an initializer, or computed from constants and shapes)",
            )
        return value

    def optional_constant(self, position: int) -> Constant | None:
        """The input at a position, constant or left out."""
        return None if self.optional(position) is None else self.constant(position)

    def constant_integers(self, position: int) -> list[int] | None:
        """A vector of integers given as an input, or None where it is left out."""
        given = self.optional_constant(position)
        if given is None:
            return None
        if given.dtype.kind not in "iu":
            self.fail(f"input {position} must hold integers, not {given.dtype}")
        return [int(x) for x in given.reshape(-1)]

    # attributes

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute: the file's value, else the operator's default, else `default`."""
        self._unread.discard(name)
        if name in self._attributes:
            return self._attributes[name]
        declared = _declared_attributes(self.op, self.opset).get(name)
        return default if declared is None or declared.default is None else declared.default

    def integer(self, name: str, default: int = 0) -> int:
        """An integer attribute."""
        return int(self.attribute(name, default))

    def flag(self, name: str, default: int = 0) -> bool:
        """An integer attribute that is 0 or 1; what others mean, readers of ONNX do not agree on."""
        given = self.integer(name, default)
        if given not in (0, 1):
            self.fail(f"attribute {name!r} must be 0 or 1, not {given}; export the network again")
        return bool(given)

    def real(self, name: str, default: float = 0.0) -> float:
        """A floating-point attribute; ONNX stores these in float32."""
        return float(np.float32(self.attribute(name, default)))

    def integers(self, name: str) -> list[int] | None:
        """A list of integers, or None where it is left out."""
        given = self.attribute(name)
        return None if given is None else [int(x) for x in given]

    def text(self, name: str, default: str = "") -> str:
        """A string attribute."""
        given = self.attribute(name, default)
        return given.decode() if isinstance(given, bytes) else str(given)

    # answers

    def emit(self, op: Op, inputs: Sequence[Variable], shape: tuple[int, ...]) -> Variable:
        """Add a node to the graph."""
        return self.emitter.emit(op, inputs, tuple(int(d) for d in shape), self.origin)

    def output_used(self, position: int) -> bool:
        """Whether anything reads the output at a position."""
        return position < len(self.node.output) and self.used(self.node.output[position])

    def refuse(self, reason: str, remedy: str) -> NoReturn:
        """This node cannot be compiled."""
        raise RefusedError(Refusal(label(self.node), self.op, reason, remedy))

    def fail(self, problem: str) -> NoReturn:
        """This node makes no sense as ONNX."""
        raise InvalidNetwork(problem)

    def axis(self, axis: int, rank: int) -> int:
        """An axis counted from the front."""
        if not -rank <= axis < rank:
            self.fail(f"axis {axis} is outside a tensor of rank {rank}")
        return axis % rank

    def axes(self, axes: Sequence[int], rank: int) -> tuple[int, ...]:
        """Several different axes counted from the front."""
        counted = tuple(self.axis(axis, rank) for axis in axes)
        if len(set(counted)) < len(counted):
            self.fail(f"axes {list(axes)} name an axis twice")
        return counted

    def check_read(self) -> None:
        """Refuse a call of which the converter left something unread: newer ONNX than the converter knows."""
        if self._unread:
            parts = ", ".join(f"input {x}" if x.isdigit() else f"attribute {x!r}" for x in sorted(self._unread))
            self.refuse(f"{parts} is not understood", "Leave it out, or use a newer relu2mip")
