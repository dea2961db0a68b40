"""Write bases and forms as a torch model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from relu2mip.frontends.sparsify.forms import Basis, Form, Shape
from relu2mip.frontends.sparsify.networks.objects import FixedReLU


class Emitter:
    """Builds the graph of a compacted network, on the CPU; what is left as it is comes from the original."""

    def __init__(self, original: fx.GraphModule) -> None:
        self.original = original
        self.dtype = next((p.dtype for p in original.parameters()), torch.float32)
        self.root = nn.Module()
        self.graph = fx.Graph()
        self.nodes: dict[Basis, fx.Node] = {}
        self.constants: dict[int, tuple[Tensor, fx.Node]] = {}
        self.layers = 0

    def emit(self, bases: Sequence[Basis], output: Any) -> fx.GraphModule:
        """The model of what is live."""
        relus = 0
        for basis in bases:
            if basis.kind == "input":
                self.nodes[basis] = self.graph.placeholder(basis.name)
            elif not basis.live.any():
                continue
            elif basis.form is not None:
                relus += int(basis.live.sum())
                self.nodes[basis] = self.graph.call_module(*self._relu(self._affine(basis.form, basis.live)))
            elif basis.source is not None:
                assert basis.left is not None
                arguments = (self._constant(basis.left, basis.name), self.nodes[basis.source])
                self.nodes[basis] = self.graph.call_function(torch.matmul, arguments)
            else:
                relus += self._fixed(basis)
                self.nodes[basis] = self._call(basis)
        self.graph.output(self._written(output))
        network = fx.GraphModule(self.root, self.graph, class_name=type(self.original).__name__)
        network.meta["relus"] = relus
        return network.cpu().eval()

    def _relu(self, x: fx.Node) -> tuple[str, tuple[fx.Node]]:
        name = f"relu{self.layers}"
        self.root.add_module(name, nn.ReLU())
        return name, (x,)

    def _affine(self, form: Form, rows: Tensor) -> fx.Node:
        """The rows of a form: one linear layer for the bases of each shape, over their concatenation."""
        parts = form.parts(rows)
        bias = form.bias[..., rows]
        groups: dict[Shape | None, list[Basis]] = {}
        for basis in parts:
            groups.setdefault(basis.shape and basis.shape[:-1], []).append(basis)
        self.layers += 1
        total: fx.Node | None = None
        for k, bases in enumerate(groups.values()):
            weight = torch.cat([parts[b][:, self._columns(b)] for b in bases], dim=1)
            size = {"in_features": weight.shape[1], "out_features": weight.shape[0]}
            layer: nn.Linear = nn.utils.skip_init(  # type: ignore[no-untyped-call]
                nn.Linear, **size, bias=k == 0 and bias.dim() == 1
            )
            layer.weight.data = weight.to(self.dtype)
            if layer.bias is not None:
                layer.bias.data = bias.to(self.dtype)
            name = f"layer{self.layers}" + (f"_{k}" if k else "")
            self.root.add_module(name, layer)
            sources = [self.nodes[b] for b in bases]
            x = sources[0] if len(sources) == 1 else self.graph.call_function(torch.cat, (sources, -1))
            y = self.graph.call_module(name, (x,))
            total = y if total is None else self.graph.call_function(torch.add, (total, y))
        if bias.dim() > 1 or total is None:
            constant = self._constant(bias, f"layer{self.layers}_bias")
            total = constant if total is None else self.graph.call_function(torch.add, (total, constant))
        return total

    def _columns(self, basis: Basis) -> Tensor:
        """Which entries of a basis its node has."""
        if basis.source is not None:
            return self._columns(basis.source)
        return basis.live if basis.form is not None else torch.ones_like(basis.live)

    def _written(self, values: Any) -> Any:
        """Forms and bases as nodes of the new graph, within any nesting."""

        def one(value: Any) -> Any:
            if isinstance(value, Form):
                return self._whole(value)
            if isinstance(value, Basis):
                return self.nodes[value]
            return self._constant(value, "constant") if isinstance(value, Tensor) else value

        return fx.node.map_aggregate(values, one)

    def _whole(self, form: Form) -> fx.Node:
        """All of a form; a basis itself needs no layer."""
        if len(form.terms) == 1 and not form.bias.any():
            ((basis, matrix),) = form.terms.items()
            same = torch.equal(matrix, torch.eye(form.size, dtype=matrix.dtype))
            if same and basis.shape == form.shape and self._columns(basis).all():
                return self.nodes[basis]
        return self._affine(form, torch.ones(form.size, dtype=torch.bool))

    def _fixed(self, basis: Basis) -> int:
        """How many ReLUs are in what is left as it is."""
        assert basis.call is not None
        op, target = basis.call[:2]
        is_fixed = op == "call_module" and isinstance(self.original.get_submodule(target), FixedReLU)
        return basis.size if is_fixed else 0

    def _call(self, basis: Basis) -> fx.Node:
        assert basis.call is not None
        op, target, args, kwargs = basis.call
        if op == "call_module":
            name = f"kept_{str(target).replace('.', '_')}"
            if not hasattr(self.root, name):
                self.root.add_module(name, copy.deepcopy(self.original.get_submodule(target)))
            target = name
        return self.graph.create_node(op, target, self._written(args), self._written(kwargs))

    def _constant(self, value: Tensor, name: str) -> fx.Node:
        key = id(value)
        if key not in self.constants:
            name = f"{name.replace('.', '_')}_{len(self.constants)}"
            wanted = self.dtype if value.is_floating_point() else value.dtype
            self.root.register_buffer(name, value.detach().cpu().to(wanted))
            self.constants[key] = value, self.graph.get_attr(name)  # held, so that no other tensor gets its id
        return self.constants[key][1]
