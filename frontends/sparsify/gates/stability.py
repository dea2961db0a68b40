"""Stability regularisation with L1: units are trained to be provably of one sign on the box of the data.

A unit whose pre-activation is within [l, u] on a box is an identity there if l >= 0, and zero if u <= 0. With l and u
from interval arithmetic (`intervals.py`), on the smallest box around the training inputs, widened by `margin` of its
width on each side, what is added to the error is

    stability_weight  sum_i -tanh(1 + l_i u_i)   +   l1_weight  sum |W|,

the first over gated units, smallest where l_i u_i > 0; the second over all weights, as small weights make tight bounds.

A round first fixes the units that are stable, to identity or zero: nothing changes on the box. Then, until the number
asked for is left, those that are most nearly stable, by how small a share min(-l, u) / (u - l) of their range is on the
other side of zero. Both are trained on as what they are now. So a file is the function that was trained last, and equal
to it everywhere; it is the step from the network before the round that is exact on the box only. ReLUs left are kept in
the file even where they are stable, since a problem may leave the box: the bounds of the compiler, which know the
problem's box, remove them.

Source: Xiao et al., Training for Faster Adversarial Robustness Verification via Inducing ReLU Stability, ICLR 2019.
There the box is one around each sample, and units that are not stable stay; fixing them too is how a number is
reached here.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidNetwork
from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, Kind, check, gates_of
from relu2mip.frontends.sparsify.intervals import gate_bounds

if TYPE_CHECKING:
    from relu2mip.frontends.sparsify.objective import Objective

BOX = "stability_box"
"""The submodule of a prepared network that holds the box."""


@dataclass(frozen=True)
class Stability(GateFamily):
    """Units that are provably stable on the box of the data become identity or zero (Xiao et al. 2019).

    stability_weight: the price of -tanh(1 + l u), summed over gated units.  l1_weight: the price of sum |W|.
    margin: how far the box goes beyond the data, as a share of its width.

    Raises `InvalidOption` for a value out of range.
    """

    stability_weight: float = 1e-3
    l1_weight: float = 1e-5
    margin: float = 0.0
    name: ClassVar[str] = "stability"

    def __post_init__(self) -> None:
        for option in ("stability_weight", "l1_weight", "margin"):
            value = getattr(self, option)
            check(self.name, **{option: (value, isfinite(value) and value >= 0, "a finite number, at least 0")})

    def gate(self, size: int, axis: int) -> Gate:
        """The plain ReLU."""
        return Gate(size, axis)

    def prepare(self, network: nn.Module, data: Objective) -> None:
        """Give the network the box of the data; refuse a network whose bounds are not known."""
        network.add_module(BOX, Box(data.inputs(), self.margin))
        with torch.no_grad():
            self.bounds(network)

    def bounds(self, network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
        """The bounds l and u of every unit on the box, by gate.

        Raises `InvalidNetwork` where the network was not prepared.
        """
        box = getattr(network, BOX, None)
        if not isinstance(box, Box):
            raise InvalidNetwork(f"{self.name}: the network has no box; call prepare with the data first")
        return gate_bounds(network, *box.bounds())

    def penalty(self, network: nn.Module) -> Tensor | float:
        """The price of instability and of weights."""
        weights = sum(p.abs().sum() for p in network.parameters() if p.dim() > 1)
        total = self.l1_weight * torch.as_tensor(weights)
        if self.stability_weight:
            gates = gates_of(network)
            for name, (low, high) in self.bounds(network).items():
                price = -(1 + low * high).tanh()
                total = total + self.stability_weight * (price * (gates[name].kind == Kind.GATED)).sum()
        return total

    @torch.no_grad()
    def rank(self, network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
        """By the share of the range on one side of zero; to identity where that side is above, to zero elsewhere."""
        ranks = {}
        for name, (low, high) in self.bounds(network).items():
            side = torch.maximum(low, -high) / (high - low).clamp(min=torch.finfo(low.dtype).tiny)
            ranks[name] = side, torch.where(low > -high, int(Kind.IDENTITY), int(Kind.ZERO))
        return ranks


class Box(nn.Module):
    """The smallest box around the inputs that a network is trained on, widened by a share of its width."""

    def __init__(self, inputs: tuple[Tensor, ...], margin: float) -> None:
        super().__init__()
        self.inputs = len(inputs)
        for k, x in enumerate(inputs):
            low, high = x.amin(dim=0), x.amax(dim=0)
            self.register_buffer(f"lower{k}", low - margin * (high - low), persistent=False)
            self.register_buffer(f"upper{k}", high + margin * (high - low), persistent=False)

    def bounds(self) -> tuple[list[Tensor], list[Tensor]]:
        """The lower and the upper bounds, one tensor an input."""
        lower, upper = ([getattr(self, f"{end}{k}") for k in range(self.inputs)] for end in ("lower", "upper"))
        return lower, upper
