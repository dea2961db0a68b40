"""A gate family for contact networks: units become zero, those first whose removal costs least.

A line in place of a ReLU (`Linearisation`) would move what is out of reach; zero does not.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from relu2mip.frontends.sparsify import Gate, GateFamily, Kind, Objective, gates_of


@dataclass(frozen=True)
class Removal(GateFamily):
    """Each gated unit is taken out in turn on some training data; those that raise the error least become zero.

    samples: of the training data.  After Molchanov et al., Pruning Convolutional Neural Networks for Resource Efficient
    Inference, ICLR 2017, whose oracle this is.
    """

    samples: int = 4096
    name: ClassVar[str] = "removal"
    straightens: ClassVar[bool] = False

    def gate(self, size: int, axis: int) -> Gate:
        """The plain ReLU."""
        return Gate(size, axis)

    @torch.no_grad()
    def before_narrow(self, network: nn.Module, keep: int, data: Objective) -> None:
        """Try each unit, and fix those worth least until `keep` are gated."""
        index = torch.linspace(0, data.samples - 1, min(data.samples, self.samples), device=data.device).long()
        gated = [
            (gate, int(unit))
            for gate in gates_of(network).values()
            for unit in torch.nonzero(gate.kind == Kind.GATED).flatten()
        ]
        errors = []
        for gate, unit in gated:
            gate.kind[unit] = int(Kind.ZERO)
            errors.append(float(data.loss(network, index)))
            gate.kind[unit] = int(Kind.GATED)
        for k in sorted(range(len(gated)), key=errors.__getitem__)[: max(0, len(gated) - keep)]:
            gate, unit = gated[k]
            gate.kind[unit] = int(Kind.ZERO)
