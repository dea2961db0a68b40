"""A gate on any activation: every unit's output times xi, the Bernoulli variable of the sparsifier.

    z = xi * a(x),   xi ~ Bernoulli(theta)

While training xi is the sample drawn last; in evaluation mode theta, its mean, takes its place. Draws and steps of
theta are those of `relu2mip.frontends.sparsify.gates.bernoulli`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from relu2mip.frontends.sparsify.gates.bernoulli import BernoulliGate


class UnitGate(BernoulliGate):
    """Multiplies (..., size) outputs of units by xi while training and by theta else; theta starts at 1.

    >>> gate = UnitGate(3).eval()
    >>> _ = gate.theta.copy_(torch.tensor([1.0, 0.5, 0.0]))
    >>> gate(torch.full((1, 3), 2.0)).tolist()
    [[2.0, 1.0, 0.0]]
    """

    def __init__(self, size: int) -> None:
        super().__init__(size, -1, initial=1.0)
        self.sample = self.theta.clone()

    def forward(self, x: Tensor) -> Tensor:
        """The outputs of the units that the sample, or theta, leaves."""
        return x * (self.sample if self.training else self.theta)

    @property
    def expected(self) -> Tensor:
        """The expected number of units, |theta|_1."""
        return self.theta.sum()

    @torch.no_grad()
    def kept(self, tolerance: float, least: int = 0) -> Tensor:
        """Make every theta below the tolerance 0, the largest `least` apart; the indices of the units that stay."""
        stays = self.theta >= tolerance
        if int(stays.sum()) < least:
            stays[self.theta.argsort(descending=True, stable=True)[:least]] = True
        self.theta.mul_(stays)
        return torch.nonzero(stays).flatten()

    @torch.no_grad()
    def fix(self) -> None:
        """Make every theta 1: the units that are left stay."""
        self.theta.fill_(1.0)
        self.sample = self.theta.clone()


def unit_gates(network: nn.Module) -> Iterator[UnitGate]:
    """The gates of a network, from its input on."""
    return (module for module in network.modules() if isinstance(module, UnitGate))
