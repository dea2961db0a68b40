"""The hard graph of a network whose units are all fixed: only the surviving ReLUs, in small affine layers.

Units that became zero, or that nothing reads, leave the weight matrices; identity units are folded into the layers that
read them; gates and normalisation are gone. What is left is a plain torch model of `Linear` layers, ReLUs,
concatenations and matrix products, and of the operations of the original that are no affine maps along the last axis,
which stay as they are (convolutions, for example: their surviving channels are selected, not cut out of the kernel).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.sparsify.emit import Emitter
from relu2mip.frontends.sparsify.forms import Basis, Form, Shape, concatenate
from relu2mip.frontends.sparsify.gates.family import Gate, Kind
from relu2mip.frontends.sparsify.networks.objects import ObjectMap
from relu2mip.frontends.sparsify.rewrite import note_shapes

BINARY = {
    operator.add: "add", operator.iadd: "add", torch.add: "add", "add": "add", "add_": "add",
    operator.sub: "sub", operator.isub: "sub", torch.sub: "sub", "sub": "sub", "sub_": "sub",
    operator.mul: "mul", operator.imul: "mul", torch.mul: "mul", "mul": "mul", "mul_": "mul",
    operator.truediv: "div", operator.itruediv: "div", torch.div: "div", "div": "div", "div_": "div",
}  # fmt: skip
"""Arithmetic by what it does; what is in place has no other reader (`sparsify` refuses it otherwise)."""
NEGATIONS = (operator.neg, torch.neg, "neg")
CATENATIONS = (torch.cat, torch.concat, torch.concatenate)
PRODUCTS = (operator.matmul, torch.matmul, "matmul")
NOTHING = (nn.Identity, nn.Dropout)


def compact(network: fx.GraphModule, example: Sequence[Tensor], inner: bool = False) -> fx.GraphModule:
    """The compacted network; `meta["relus"]` is how many ReLUs it has (of shared layers, each counted once).

    example: its inputs, with a batch axis; the result holds for their shapes, any batch.  inner: compact only what
    stands between the first and the last layer with weights to train. Fixed maps around it, of units and coordinates,
    stay as they are, so that the result can be trained as well as the network.

    Raises `InvalidNetwork` where a unit is still gated.
    """
    gated = [name for name, gate in network.named_modules() if isinstance(gate, Gate) and gate.count(Kind.GATED)]
    if gated:
        raise InvalidNetwork(f"{gated[0]} has gated units; harden the network first")
    note_shapes(network, example)
    return _Compaction(network, _inside(network) if inner else set(network.graph.nodes)).run()


class _Compaction:
    """Walks over the traced network, forward to build bases and forms, then backward to find what is read."""

    def __init__(self, network: fx.GraphModule, folded: set[fx.Node]) -> None:
        self.network, self.folded = network, folded
        self.bases: list[Basis] = []
        self.values: dict[fx.Node, Any] = {}
        self.products: dict[tuple[str, Shape, Basis], Basis] = {}

    @torch.no_grad()
    def run(self) -> fx.GraphModule:
        output: Any = None
        for node in self.network.graph.nodes:
            if node.op == "output":
                output = self._read(node.args[0])
            else:
                self.values[node] = self._value(node)
        _mark(output)
        for basis in reversed(self.bases):
            if not basis.live.any():
                continue
            if basis.form is not None:
                basis.form.mark(basis.live)
            elif basis.source is not None:
                basis.source.live |= basis.live
            elif basis.call is not None:
                _mark(basis.call[2:])
        return Emitter(self.network).emit(self.bases, output)

    def _value(self, node: fx.Node) -> Any:
        """The value of a node: a form, a basis (no tensor with a last axis), or a constant tensor."""
        if node.op == "placeholder":
            return self._new(Basis("input", node.meta["shape"], node.name)).identity()
        if node.op == "get_attr":
            return _attribute(self.network, str(node.target))
        if node.op != "call_module" and not _varies(arguments := self._read((node.args, node.kwargs))):
            return _evaluated(node, *arguments)
        if node not in self.folded:
            return self._opaque(node)
        found = self._module(node) if node.op == "call_module" else self._operation(node)
        return self._opaque(node) if found is None else found

    def _module(self, node: fx.Node) -> Any:
        module = self.network.get_submodule(str(node.target))
        x = self._read(node.args[0])
        if not isinstance(x, Form):
            return None
        if isinstance(module, Gate):
            return self._gate(module, x, node)
        if isinstance(module, nn.Linear):
            return x.linear(_double(module.weight), None if module.bias is None else _double(module.bias))
        if isinstance(module, nn.BatchNorm1d) and len(x.shape) == 2 and module.running_var is not None:
            assert module.running_mean is not None
            scale = (_double(module.running_var) + module.eps).rsqrt()
            if module.weight is not None:
                scale = scale * _double(module.weight)
            shift = -scale * _double(module.running_mean) + (0.0 if module.bias is None else _double(module.bias))
            return x.scaled(scale).shifted(shift, x.shape)
        if isinstance(module, ObjectMap):
            return self._product(module.matrix(x.shape[-2]).double(), str(node.target), x, node.meta["shape"])
        return x if isinstance(module, NOTHING) else None

    def _operation(self, node: fx.Node) -> Form | None:
        target, shape = node.target, node.meta["shape"]
        arguments = [self._read(argument) for argument in node.args]
        if shape is None or len(shape) < 2:
            return None
        if target in BINARY and len(arguments) == 2 and not node.kwargs:
            return _binary(BINARY[target], arguments[0], arguments[1], shape)
        if target in NEGATIONS and isinstance(arguments[0], Form):
            return arguments[0].scaled(-torch.ones(shape[-1], dtype=torch.float64))
        if target in CATENATIONS and arguments:
            forms = list(arguments[0])
            axis = arguments[1] if len(arguments) > 1 else node.kwargs.get("dim", 0)
            same = all(isinstance(form, Form) and form.shape[:-1] == shape[:-1] for form in forms)
            return concatenate(forms, shape) if same and axis in (-1, len(shape) - 1) else None
        if target is operator.getitem and isinstance(arguments[0], Form):
            return _entries(arguments[0], node.args[1])
        if target is nn.functional.linear and isinstance(arguments[0], Form) and not node.kwargs:
            weight, bias = (*arguments[1:], None)[:2]
            fixed = isinstance(weight, Tensor) and (bias is None or isinstance(bias, Tensor))
            return arguments[0].linear(_double(weight), None if bias is None else _double(bias)) if fixed else None
        if target in PRODUCTS and isinstance(arguments[0], Tensor) and isinstance(arguments[1], Form):
            left = arguments[0]
            name = node.all_input_nodes[0].name
            return self._product(_double(left), name, arguments[1], shape) if left.dim() == 2 else None
        return None

    def _gate(self, gate: Gate, x: Form, node: fx.Node) -> Any:
        """Zero units are left out, identities and lines are affine in the pre-activation, ReLUs become a basis."""
        shape = node.meta["shape"]
        if gate.axis % len(shape) != len(shape) - 1:
            last = (*shape[: gate.axis], *shape[gate.axis + 1 :], shape[gate.axis])
            moved = self._call(("call_function", torch.movedim, (x, gate.axis, -1), {}), last)
            result = self._units(gate, moved, node)
            return self._call(("call_function", torch.movedim, (result, -1, gate.axis), {}), shape)
        return self._units(gate, x, node)

    def _units(self, gate: Gate, x: Form, node: fx.Node) -> Form:
        kind, constant = gate.kind.cpu(), x.constant_rows()
        slope, shift = (part.cpu().double() for part in gate.lines())
        relu = kind == Kind.RELU
        fixed = torch.where(relu & constant, x.bias.relu(), slope * x.bias + shift)
        passed = Form({b: slope[:, None] * m for b, m in x.terms.items()}, fixed, x.shape)
        rows = torch.nonzero(relu & ~constant).flatten()
        if not len(rows):
            return passed
        units = Basis("relu", (*x.shape[:-1], len(rows)), node.name, form=x.entries(rows))
        placed = torch.zeros(x.size, len(rows), dtype=torch.float64)
        placed[rows, torch.arange(len(rows))] = 1.0
        return passed.plus(self._new(units).identity().linear(placed, None), x.shape)

    def _product(self, left: Tensor, name: str, x: Form, shape: Shape) -> Form | None:
        """A constant matrix times a form: it acts on every basis alike, and on the bias."""
        objects = left.shape[1]
        if any(basis.shape is None or len(basis.shape) != len(x.shape) for basis in x.terms):
            return None
        terms = {}
        for basis, matrix in x.terms.items():
            assert basis.shape is not None
            matrix_of_it = left if basis.shape[-2] == objects else left.sum(dim=1, keepdim=True)  # one row for all
            key = name, matrix_of_it.shape, basis
            if key not in self.products:
                product = Basis("product", (*shape[:-1], basis.size), name, None, basis, matrix_of_it)
                self.products[key] = self._new(product)
            terms[self.products[key]] = matrix
        bias = left @ x.bias.expand(objects, x.size)
        return Form(terms, bias[0] if (bias == bias[0]).all() else bias, shape)

    def _opaque(self, node: fx.Node) -> Any:
        args, kwargs = self._read(node.args), self._read(node.kwargs)
        return self._call((node.op, node.target, args, kwargs), node.meta["shape"], node.name)

    def _call(self, call: tuple[str, Any, Any, Any], shape: Shape | None, name: str = "") -> Any:
        basis = self._new(Basis("opaque", shape, name, call=call))
        return basis if shape is None or len(shape) < 2 else basis.identity()

    def _new(self, basis: Basis) -> Basis:
        self.bases.append(basis)
        return basis

    def _read_argument(self, argument: Any) -> Any:
        return self.values[argument] if isinstance(argument, fx.Node) else argument

    def _read(self, argument: Any) -> Any:
        return fx.node.map_aggregate(argument, self._read_argument)


def _inside(network: fx.GraphModule) -> set[fx.Node]:
    """The nodes that depend on trained weights and that trained weights depend on, those included."""

    def trained(node: fx.Node) -> bool:
        if node.op == "call_module":
            layer = network.get_submodule(str(node.target))
            return isinstance(layer, Gate) or any(p.requires_grad for p in layer.parameters())
        return node.op == "get_attr" and _attribute(network, str(node.target)).requires_grad

    nodes = list(network.graph.nodes)
    behind = {node for node in nodes if trained(node)}
    before = set(behind)
    for node in nodes:
        if not behind.isdisjoint(node.all_input_nodes):
            behind.add(node)
    for node in reversed(nodes):
        if not before.isdisjoint(node.users):
            before.add(node)
    return behind & before


def _mark(values: Any) -> None:
    """Mark everything that the values read as live."""

    def one(value: Any) -> Any:
        if isinstance(value, Form):
            value.mark(torch.ones(value.size, dtype=torch.bool))
        elif isinstance(value, Basis):
            value.live[:] = True
        return value

    fx.node.map_aggregate(values, one)


def _binary(kind: str, a: Any, b: Any, shape: Shape) -> Form | None:
    """A sum or difference of forms and constants, or a form times a constant for each entry."""
    if isinstance(b, Form) and kind == "sub":
        return _binary("add", a, b.scaled(-torch.ones(b.size, dtype=torch.float64)), shape)
    if isinstance(a, Form) and isinstance(b, Form):
        return a.plus(b, shape) if kind == "add" and a.size == b.size else None
    if isinstance(b, Form):
        return None if kind == "div" else _binary(kind, b, a, shape)
    constant = _constant(b, shape)
    if constant is None or not isinstance(a, Form) or a.size != shape[-1]:
        return None
    if kind in ("add", "sub"):
        return a.shifted(constant if kind == "add" else -constant, shape)
    if constant.numel() != (constant.shape[-1] if constant.dim() else 1):
        return None
    factor = constant.reshape(-1).expand(a.size)
    return a.scaled(factor if kind == "mul" else 1.0 / factor)


def _constant(value: Any, shape: Shape) -> Tensor | None:
    """A number or constant tensor as something to broadcast over one sample; None where it varies over the batch."""
    if isinstance(value, int | float):
        return torch.tensor(float(value), dtype=torch.float64)
    if not isinstance(value, Tensor) or (value.dim() == len(shape) and value.shape[0] != 1):
        return None
    return _double(value)[0] if value.dim() == len(shape) else _double(value)


def _entries(x: Form, index: Any) -> Form | None:
    """A slice of the last axis alone."""
    if not isinstance(index, tuple) or not isinstance(index[-1], slice):
        return None
    if index[0] is not Ellipsis and len(index) != len(x.shape):
        return None
    if any(part is not Ellipsis and part != slice(None) for part in index[:-1]):
        return None
    return x.entries(index[-1])


def _varies(values: Any) -> bool:
    """Whether there is a form or a basis among the arguments of an operation."""
    found: list[Any] = []
    fx.node.map_aggregate(values, found.append)
    return any(isinstance(value, Form | Basis) for value in found)


def _evaluated(node: fx.Node, args: Any, kwargs: Any) -> Any:
    """The result of an operation on constants."""
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _double(value: Tensor) -> Tensor:
    return value.detach().cpu().double()


def _attribute(module: Any, target: str) -> Tensor:
    for part in target.split("."):
        module = getattr(module, part)
    assert isinstance(module, Tensor)
    return module
