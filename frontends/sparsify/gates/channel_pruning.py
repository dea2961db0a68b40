"""L1-norm channel pruning: train, take out the units with the smallest incoming weights, fine-tune.

A unit i of a layer with weights W is ranked by

    s_i = sum_j |W_ij|,

the L1 norm of its row (of its filter, in a convolution). A round makes the units with the smallest s_i zero, their rows
and the columns that read them leave the network when it is exported, and the rest is trained on. Biases do not count.

The gates are plain ReLUs: nothing is added to the error, and with the same `Schedule` as another family the epochs
and the numbers of ReLUs are the same. Units are only ever taken out, never turned into identities: where fewer units
are asked for than there are layers in a chain, one layer is left without, and the network is constant.

Source: Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017, which takes a share of each layer (`scope`
"layer").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from relu2mip.frontends.sparsify.gates.family import Gate, GateFamily, check
from relu2mip.frontends.sparsify.gates.weights import SCOPES, smallest_first, unit_sizes, weights_of


@dataclass(frozen=True)
class ChannelPruning(GateFamily):
    """The units with the smallest L1 norms of incoming weights become zero (Li et al. 2017).

    scope: "layer" takes the same share of every layer, "network" compares the norms of all layers.

    Raises `InvalidOption` for another scope.

        >>> from relu2mip.frontends.sparsify import ChannelPruning, Kind, sparsify
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> _ = model[0].weight.data.copy_(torch.tensor([[0.5, 0.5], [-2.0, 0.0], [0.1, -0.3]]))
        >>> network = sparsify(model, torch.zeros(1, 2), ChannelPruning())
        >>> ChannelPruning().narrow(network, 1)
        >>> [Kind(kind).name for kind in network.gates[0].kind.tolist()]
        ['ZERO', 'GATED', 'ZERO']
    """

    scope: str = "layer"
    name: ClassVar[str] = "channel-pruning"
    straightens: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check(self.name, scope=(self.scope, self.scope in SCOPES, '"layer" or "network"'))

    def gate(self, size: int, axis: int) -> Gate:
        """The plain ReLU."""
        return Gate(size, axis)

    def attach(self, network: nn.Module) -> None:
        """Refuse a network with units that have no weights to rank."""
        weights_of(network)

    @torch.no_grad()
    def rank(self, network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
        """By minus the L1 norm of the incoming weights; to zero."""
        norms = unit_sizes(network, lambda rows: rows.abs().sum(dim=1))
        return smallest_first(network, norms, self.scope)
