"""Magnitude pruning of weights: the smallest weights are held at zero until few enough units read anything.

A weight W_ij in front of a unit is multiplied by a mask M_ij, in every phase of training and in the file:

    W'_ij = M_ij W_ij,   M_ij = 0 where |W_ij| <= t, and stays 0.

How the number of ReLUs results: a unit all of whose incoming weights are masked is a constant and becomes zero. A round
asks for a number of units, and t is the smallest threshold that leaves it: unit i goes with its largest weight, once

    t >= max_j |W_ij|.

So the units that stay are those with the largest single weights, and each keeps only its weights above t: at few units
hardly more than one a row. Weights behind the last gate and biases are not masked. Exported files hold the zeros.

Source: Han et al., Learning both Weights and Connections for Efficient Neural Networks, NeurIPS 2015, with a threshold
for each layer (`scope` "layer"; "network" has one for all).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, Kind, check, gates_of
from relu2mip.frontends.sparsify.gates.weights import SCOPES, smallest_first, unit_sizes, weights_of


@dataclass(frozen=True)
class MagnitudePruning(GateFamily):
    """The smallest weights are masked, and units without any become zero (Han et al. 2015).

    scope: "layer" has a threshold for each layer and takes the same share of the units of each, "network" one for all.

    Raises `InvalidOption` for another scope.

        >>> from relu2mip.frontends.sparsify import MagnitudePruning, Kind, sparsify
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> _ = model[0].weight.data.copy_(torch.tensor([[0.5, 0.2], [-2.0, 0.4], [0.1, -0.3]]))
        >>> network = sparsify(model, torch.zeros(1, 2), MagnitudePruning())
        >>> MagnitudePruning().narrow(network, 1)
        >>> [Kind(kind).name for kind in network.gates[0].kind.tolist()]
        ['ZERO', 'GATED', 'ZERO']
        >>> network.get_submodule("0").weight.tolist()
        [[0.0, 0.0], [-2.0, 0.0], [0.0, 0.0]]
    """

    scope: str = "layer"
    name: ClassVar[str] = "magnitude-pruning"
    straightens: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(self.name, scope=(self.scope, self.scope in SCOPES, '"layer" or "network"'))

    def gate(self, size: int, axis: int) -> Gate:
        """The plain ReLU."""
        return Gate(size, axis)

    def attach(self, network: nn.Module) -> None:
        """Give every weight in front of a gate its mask; refuse a network with units that have no weights."""
        for weight in {weight: None for weights in weights_of(network).values() for weight in weights}:
            module, name = _owner(network, weight)
            parametrize.register_parametrization(module, name, Mask(getattr(module, name)))

    @torch.no_grad()
    def rank(self, network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
        """By minus the largest of the incoming weights; to zero."""
        return smallest_first(network, unit_sizes(network, _largest), self.scope)

    @torch.no_grad()
    def narrow(self, network: nn.Module, keep: int) -> None:
        """Mask the weights up to the threshold that leaves so many units; each unit left keeps its largest."""
        largest = unit_sizes(network, _largest)
        super().narrow(network, keep)
        weights, below, threshold = weights_of(network), {}, {}
        for name, gate in gates_of(network).items():
            zero = gate.kind == Kind.ZERO
            threshold[name] = torch.where(zero, largest[name], 0.0).amax()
            below[name] = torch.where(zero, torch.inf, largest[name]).amin()
        if self.scope == "network":
            threshold = dict.fromkeys(threshold, torch.stack(list(threshold.values())).amax())
        for weight in {weight: None for names in weights.values() for weight in names}:
            module, attribute = _owner(network, weight)
            size = getattr(module, attribute).abs()
            smallest = [
                (size <= threshold[name]) & (size < below[name]) for name, names in weights.items() if weight in names
            ]
            module.parametrizations[attribute][0].mask &= ~torch.stack(smallest).all(dim=0)


class Mask(nn.Module):
    """The mask of a weight, of its shape: applied whenever torch reads the weight."""

    mask: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, zero where masked."""
        return torch.where(self.mask, weight, 0.0)


def _owner(network: nn.Module, weight: str) -> tuple[Any, str]:
    """The module that has a weight, and its name there."""
    owner, _, name = weight.rpartition(".")
    return network.get_submodule(owner), name


def _largest(rows: Tensor) -> Tensor:
    return rows.abs().amax(dim=1)
