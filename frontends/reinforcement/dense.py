"""Dense blocks with gates: every layer passes on what it reads, scaled, and adds its units.

    z_l = [V_l z_{l-1} ; xi_l * a(BN(W_l z_{l-1} + b_l))],   V_l a diagonal

A unit of layer l is therefore an entry of all z behind it, and leaves them all when it is removed. Where all units of a
layer are gone, V_l is what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.reinforcement.gates import UnitGate

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU}
"""Activations with a(0) = 0: ReLU, which compiles, and SiLU, which is smooth."""


def activation_of(name: str) -> type[nn.Module]:
    """The module of a name; raises `InvalidOption` for another."""
    if name not in ACTIVATIONS:
        raise InvalidOption(f"activation is {name!r}; give {' or '.join(map(repr, ACTIVATIONS))}")
    return ACTIVATIONS[name]


class DenseBlock(nn.Module):
    """Dense layers (batch, inputs) -> (batch, inputs + sum of widths).

    gated: whether every unit has a gate.
    """

    def __init__(self, inputs: int, widths: Sequence[int], activation: str, gated: bool) -> None:
        super().__init__()
        sizes = [inputs + sum(widths[:k]) for k in range(len(widths) + 1)]
        self.inputs = inputs
        self.linears = nn.ModuleList(_linear(size, width) for size, width in zip(sizes, widths, strict=False))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths)
        self.gates = nn.ModuleList(UnitGate(width) if gated else nn.Identity() for width in widths)
        self.passed = nn.ParameterList(torch.ones(size) for size in sizes[:-1])
        self.activation = activation_of(activation)()

    def forward(self, x: Tensor) -> Tensor:
        """All features."""
        for linear, norm, gate, passed in zip(self.linears, self.norms, self.gates, self.passed, strict=True):
            old = passed * x
            x = torch.cat([old, gate(self.activation(norm(linear(x))))], dim=-1) if linear.out_features else old
        return x

    @property
    def widths(self) -> tuple[int, ...]:
        """The units of each layer."""
        return tuple(cast(nn.Linear, linear).out_features for linear in self.linears)

    @property
    def outputs(self) -> int:
        """How many features there are."""
        return self.inputs + sum(self.widths)


def _linear(inputs: int, outputs: int) -> nn.Linear:
    """A layer, of no units where a pruned one has none."""
    layer = nn.Linear(inputs, max(outputs, 1))
    if not outputs:
        layer.weight.data, layer.bias.data, layer.out_features = layer.weight.data[:0], layer.bias.data[:0], 0
    return layer
