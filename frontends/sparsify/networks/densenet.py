"""Blocks of layers that read everything before them, by concatenation (Huang et al., CVPR 2017), fully connected."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from relu2mip.errors import InvalidOption
from relu2mip.frontends.sparsify.networks.normalised import normalised, sizes
from relu2mip.frontends.sparsify.networks.seeded import seeded
from relu2mip.frontends.sparsify.objective import Objective


class DenseBlock(nn.Module):
    """x -> (x, h1, ..., hL) with h_k = relu(layer_k(x, h1, ..., h_{k-1})) of `growth` units each."""

    def __init__(self, inputs: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inputs + k * growth, growth) for k in range(layers))
        self.outputs = inputs + layers * growth

    def forward(self, x: Tensor) -> Tensor:
        """All features, (..., inputs + layers growth)."""
        for layer in self.layers:
            x = torch.cat([x, layer(x).relu()], dim=-1)
        return x


def densenet(objective: Objective, growth: int = 16, layers: int = 3, blocks: int = 1, seed: int = 0) -> nn.Module:
    """Dense blocks with the inputs and outputs of an objective, in physical units.

    growth: the units of each layer.  layers: how many a block has.  Between blocks a linear layer halves the features.

        >>> import numpy as np
        >>> from relu2mip.frontends.sparsify import Regression, Samples, densenet
        >>> x = np.linspace(-1, 1, 50)
        >>> network = densenet(Regression(Samples.of(x, abs(x))), growth=4, layers=2)
        >>> [layer.in_features for layer in network.core[0].layers]
        [1, 5]
    """
    if min(growth, layers, blocks) < 1:
        raise InvalidOption("growth, layers and blocks must be at least 1")
    features, outputs = sizes(objective)
    parts: list[nn.Module] = []
    with seeded(seed):
        for number in range(blocks):
            block = DenseBlock(features, growth, layers)
            parts.append(block)
            features = block.outputs
            if number < blocks - 1:
                parts.append(nn.Linear(features, features // 2))
                features //= 2
        return normalised(nn.Sequential(*parts, nn.Linear(features, outputs)), objective)
