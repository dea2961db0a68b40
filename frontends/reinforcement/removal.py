"""Units leave the weights: rows, columns and what Adam remembers of them.

A unit whose theta is 0 adds nothing in evaluation mode, so a network without it computes the same. A smaller parameter
takes the place of each that loses entries, in its module and in its optimiser, and of Adam's moments the same entries
go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from relu2mip.frontends.reinforcement.dense import DenseBlock
from relu2mip.frontends.reinforcement.gates import UnitGate

MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
NORMALISATION = ("weight", "bias", "running_mean", "running_var")
GATE = ("theta", "sample", "kind")


class Remover:
    """Removes units from networks and from the optimisers of their parameters."""

    def __init__(self, optimisers: Iterable[torch.optim.Optimizer]) -> None:
        self.optimisers = list(optimisers)

    def dense(self, block: DenseBlock, inputs: Tensor, kept: list[Tensor]) -> Tensor:
        """Keep some inputs and some units of each layer; the entries of the output that stay."""
        size, widths, block.inputs = block.inputs, block.widths, len(inputs)
        parts: Any = zip(block.linears, block.norms, block.gates, kept, strict=True)
        for k, (linear, norm, gate, rows) in enumerate(parts):
            self._columns(linear, inputs)
            self._narrow(block.passed, str(k), inputs, 0)
            self._rows(linear, rows)
            for name in NORMALISATION:
                self._narrow(norm, name, rows, 0)
            norm.num_features = len(rows)
            self._gate(gate, rows)
            inputs = torch.cat([inputs, rows + size])
            size += widths[k]
        return inputs

    def chain(self, network: nn.Sequential, inputs: Tensor, kept: list[Tensor]) -> Tensor:
        """The same for fully connected layers, whose gates stand in their order."""
        layer, waiting = None, list(kept)
        for module in network:
            if isinstance(module, nn.Linear):
                self._columns(module, inputs)
                layer, inputs = module, torch.arange(module.out_features, device=inputs.device)
            elif isinstance(module, UnitGate):
                inputs = waiting.pop(0)
                self._rows(layer, inputs)
                self._gate(module, inputs)
        return inputs

    def columns(self, layer: nn.Linear, inputs: Tensor) -> None:
        """Keep some inputs of a layer."""
        self._columns(layer, inputs)

    def _columns(self, layer: Any, kept: Tensor) -> None:
        self._narrow(layer, "weight", kept, 1)
        layer.in_features = len(kept)

    def _rows(self, layer: Any, kept: Tensor) -> None:
        self._narrow(layer, "weight", kept, 0)
        self._narrow(layer, "bias", kept, 0)
        layer.out_features = len(kept)

    def _gate(self, gate: Any, kept: Tensor) -> None:
        for name in GATE:
            self._narrow(gate, name, kept, 0)
        gate.size = len(kept)

    def _narrow(self, owner: Any, name: str, kept: Tensor, axis: int) -> None:
        """Keep some entries of a parameter or a buffer along an axis."""
        values: Tensor = getattr(owner, name)
        if len(kept) == values.shape[axis]:
            return
        if not isinstance(values, nn.Parameter):
            setattr(owner, name, values.detach().index_select(axis, kept))
            return
        smaller = nn.Parameter(values.detach().index_select(axis, kept))
        setattr(owner, name, smaller)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["params"] = [smaller if one is values else one for one in group["params"]]
            if values in optimiser.state:
                state = optimiser.state.pop(values)
                optimiser.state[smaller] = {
                    what: held.index_select(axis, kept) if what in MOMENTS else held for what, held in state.items()
                }
