"""Interval bounds of what the gates of a network read on a box, in torch: they have gradients.

A tensor is bounded entry by entry; bounds over B boxes are carried as a batch of 2 B, all lower ones, then all upper
ones. Functions that rise take both as they are. Functions of single entries that rise or fall, such as a product with a
constant, may swap them. Affine maps take the centre c and the radius r of the bounds to W c + b and |W| r. The bounds
of the compiler (`relu2mip.bounds`) are tighter; these are the ones that training can push.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from relu2mip.errors import Refusal, UnsupportedNetwork
from relu2mip.frontends.sparsify.gates.family import Gate
from relu2mip.frontends.sparsify.networks.objects import Join, ObjectMap, Split
from relu2mip.frontends.sparsify.rewrite import CONVOLUTIONS

RISING_MODULES = (
    Gate, Split, Join, nn.Identity, nn.Flatten, nn.Tanh, nn.Sigmoid, nn.Hardtanh, nn.MaxPool1d, nn.MaxPool2d,
    nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
)  # fmt: skip
RISING: tuple[Any, ...] = (
    operator.add, operator.getitem, torch.add, torch.cat, torch.concat, torch.concatenate, torch.flatten,
    torch.transpose, torch.unsqueeze, torch.squeeze, torch.tanh, torch.sigmoid,
    "add", "flatten", "reshape", "view", "transpose", "permute", "unsqueeze", "squeeze", "tanh", "sigmoid",
)  # fmt: skip
ENTRYWISE: tuple[Any, ...] = (
    operator.neg, torch.neg, "neg", operator.mul, torch.mul, "mul", operator.truediv, torch.div, "div",
    operator.sub, torch.sub, "sub",
)  # fmt: skip
DIFFERENCES = (operator.sub, torch.sub, "sub")
QUOTIENTS = (operator.truediv, torch.div, "div")
PRODUCTS = (operator.matmul, torch.matmul, "matmul", nn.functional.linear)


def gate_bounds(
    network: nn.Module, lower: Sequence[Tensor], upper: Sequence[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """For every gate by name: bounds (size,) of what its units read, over all objects, pixels and calls.

    lower, upper: the box, one tensor for each input, without the batch axis.

    Raises `UnsupportedNetwork` for an operation whose bounds are not known.
    """
    found = bounds_on_boxes(network, [x[None] for x in lower], [x[None] for x in upper])
    return {name: (low[0], high[0]) for name, (low, high) in found.items()}


def bounds_on_boxes(
    network: nn.Module, lower: Sequence[Tensor], upper: Sequence[Tensor]
) -> dict[str, tuple[Tensor, Tensor]]:
    """The same on each of B boxes, (B, size). lower, upper: one tensor (B, ...) for each input."""
    assert isinstance(network, fx.GraphModule)
    walk = _Walk(network, 2 * len(lower[0]))
    walk.run(*(torch.cat([low, high]) for low, high in zip(lower, upper, strict=True)))
    return walk.found


class _Walk(fx.Interpreter):
    """Runs a network on bounds; what does not depend on the inputs is computed as it is."""

    def __init__(self, network: fx.GraphModule, rows: int) -> None:
        super().__init__(network, garbage_collect_values=False)
        self.rows = rows
        self.found: dict[str, tuple[Tensor, Tensor]] = {}
        self.varying: set[fx.Node] = set()

    def run_node(self, n: fx.Node) -> Any:
        varying = [source for source in n.all_input_nodes if source in self.varying]
        if varying or n.op == "placeholder":
            self.varying.add(n)
        if not varying or n.op == "output":
            return super().run_node(n)
        bounds = self._module(n) if n.op == "call_module" else self._operation(n, varying)
        if bounds is None or len(bounds) != self.rows:
            what = type(self.fetch_attr(str(n.target))).__name__ if n.op == "call_module" else str(n.target)
            reason = "interval bounds of it are not known"
            refusal = Refusal(n.name, what, reason, "Write it in affine layers and ReLUs, or choose other gates")
            raise UnsupportedNetwork(type(self.module).__name__, [refusal])
        return bounds

    def _module(self, n: fx.Node) -> Tensor | None:
        module, x = self.fetch_attr(str(n.target)), self.env[n.all_input_nodes[0]]
        if isinstance(module, Gate):
            self._note(str(n.target), module, x)
        if isinstance(module, RISING_MODULES):
            return super().run_node(n)  # type: ignore[no-any-return]
        if isinstance(module, nn.Dropout):
            return x  # type: ignore[no-any-return]
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            mean, variance = module.running_mean, module.running_var
            return _sorted(nn.functional.batch_norm(x, mean, variance, module.weight, module.bias, eps=module.eps))
        if isinstance(module, ObjectMap):
            matrix = module.matrix(x.shape[-2]).to(x)
            return _affine(x, lambda c: matrix @ c, lambda r: matrix.abs() @ r)
        if isinstance(module, (nn.Linear, *CONVOLUTIONS)):
            parts = {"weight": module.weight.abs()}
            if module.bias is not None:
                parts["bias"] = torch.zeros_like(module.bias)
            return _affine(x, module, lambda r: torch.func.functional_call(module, parts, r))
        return None

    def _operation(self, n: fx.Node, varying: list[fx.Node]) -> Tensor | None:
        x = self.env[varying[0]]
        if n.target in RISING and "alpha" not in n.kwargs:
            return super().run_node(n)  # type: ignore[no-any-return]
        if n.kwargs:
            return None
        if n.target in DIFFERENCES and len(varying) == 2:
            low, high = self.env[varying[1]].chunk(2)
            return x - torch.cat([high, low])  # type: ignore[no-any-return]
        if len(varying) > 1 or n.args.count(varying[0]) != 1:
            return None
        if n.target in ENTRYWISE and (n.target not in QUOTIENTS or n.args[0] is varying[0]):
            return _sorted(super().run_node(n))
        if n.target in PRODUCTS:
            constants: Any = self.map_nodes_to_values([arg for arg in n.args if arg is not varying[0]], n)
            matrix, *bias = constants
            if n.target is nn.functional.linear:
                return _affine(x, lambda c: nn.functional.linear(c, matrix, *bias), lambda r: r @ matrix.abs().T)
            if n.args[0] is varying[0]:
                return _affine(x, lambda c: c @ matrix, lambda r: r @ matrix.abs())
            return _affine(x, lambda c: matrix @ c, lambda r: matrix.abs() @ r)
        return None

    def _note(self, name: str, gate: Gate, x: Tensor) -> None:
        low, high = x.movedim(gate.axis, -1).reshape(len(x), -1, gate.size).chunk(2)
        bounds = low.amin(dim=1), high.amax(dim=1)
        if name in self.found:
            bounds = bounds[0].minimum(self.found[name][0]), bounds[1].maximum(self.found[name][1])
        self.found[name] = bounds


def _sorted(ends: Tensor) -> Tensor:
    """Bounds from the values of a function of single entries at both ends."""
    a, b = ends.chunk(2)
    return torch.cat([torch.minimum(a, b), torch.maximum(a, b)])


def _affine(x: Tensor, centre: Callable[[Tensor], Tensor], radius: Callable[[Tensor], Tensor]) -> Tensor:
    """Bounds of an affine map: what it makes of the centre, and its linear part in absolute value of the radius."""
    low, high = x.chunk(2)
    c, r = centre((low + high) / 2), radius((high - low) / 2)
    return torch.cat([c - r, c + r])
