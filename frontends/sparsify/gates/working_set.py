"""The working set, boxes of states and controls on which a program meets a network, and how unstable units are there.

A mixed-integer program pays for a unit only where the sign of its pre-activation is not known. With [l, u] its interval
bounds on a box, c their centre and r their radius, a unit is unstable by

    s = max(1 - |c| / r, 0),

which is 0 where it is stable, and 1 where zero is in the middle. That has gradients that move zero out of the box,
and does not change with the scale of a unit. Its mean over boxes around training data is what `unstable_weight` prices.
The boxes around a sample are those of Xiao et al., Training for Faster Adversarial Robustness Verification via Inducing
ReLU Stability, ICLR 2019; see `Objective.boxes` for their size.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from relu2mip.frontends.sparsify.gates.family import Kind, check, gates_of
from relu2mip.frontends.sparsify.intervals import bounds_on_boxes

if TYPE_CHECKING:
    from relu2mip.frontends.sparsify.objective import Objective

NAME = "working_set"
"""The submodule of a prepared network that holds the boxes."""

BOXES = 64


class WorkingSet(nn.Module):
    """`BOXES` boxes around training samples, evenly spread; `bounds` are theirs, one tensor (B, ...) an input."""

    def __init__(self, data: Objective, reach: float) -> None:
        super().__init__()
        count = min(data.samples, BOXES)
        index = torch.linspace(0, data.samples - 1, count, device=data.device).long()
        lower, upper = data.boxes(index, reach)
        self.inputs = len(lower)
        for k, (low, high) in enumerate(zip(lower, upper, strict=True)):
            self.register_buffer(f"lower{k}", low, persistent=False)
            self.register_buffer(f"upper{k}", high, persistent=False)

    def bounds(self) -> tuple[list[Tensor], list[Tensor]]:
        """The lower and the upper bounds, one tensor an input."""
        lower, upper = ([getattr(self, f"{end}{k}") for k in range(self.inputs)] for end in ("lower", "upper"))
        return lower, upper


def check_price(family: str, unstable_weight: float, reach: float) -> None:
    """Raise `InvalidOption` for a price or a reach out of range."""
    options = {"unstable_weight": unstable_weight, "reach": reach}
    check(family, **{name: (x, isfinite(x) and x >= 0, "a finite number, at least 0") for name, x in options.items()})


def add_working_set(network: nn.Module, data: Objective, unstable_weight: float, reach: float) -> None:
    """Give a network with gates its working set where units have a price; refuse one whose bounds are not known."""
    if unstable_weight:
        network.add_module(NAME, WorkingSet(data, reach))
        with torch.no_grad():
            instability(network)


def unstable_price(
    network: nn.Module, unstable_weight: float, shares: Mapping[str, Tensor] | None = None
) -> Tensor | float:
    """The price of the units that are gated or ReLUs, by how unstable they are.

    shares: the probability of each gated unit to be a ReLU, (size,); 1 where not given.
    """
    if not unstable_weight:
        return 0.0
    total: Tensor | float = 0.0
    gates = gates_of(network)
    for name, unstable in instability(network).items():
        share = 1.0 if shares is None else shares[name]
        total = total + (share * unstable * (gates[name].kind <= Kind.RELU)).sum()
    return unstable_weight * total


def instability(network: nn.Module) -> dict[str, Tensor]:
    """How unstable each unit is on the working set, in [0, 1], (size,) for every gate by name."""
    working_set = network.get_submodule(NAME)
    assert isinstance(working_set, WorkingSet)
    found = {}
    for name, (low, high) in bounds_on_boxes(network, *working_set.bounds()).items():
        radius = ((high - low) / 2).clamp(min=torch.finfo(low.dtype).tiny)
        found[name] = (1 - (low + high).abs() / (2 * radius)).relu().mean(dim=0)
    return found
